"""What is remembered and reused. Knows nothing of how a node is declared (rules)."""
