"""The front door: command lines, exit codes and consoles. Knows nothing of how a node is judged or built."""
