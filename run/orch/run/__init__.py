"""How a command is run: its environment, its process, all that it starts. Knows nothing of nodes and keys."""
