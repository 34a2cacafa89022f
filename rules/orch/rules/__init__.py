"""How a node is declared and made. Knows nothing of what is remembered (cache)."""
