"""How Orchfiles are read: text becomes checked declarations. Knows nothing of what these mean together."""
