"""How a task is kept to what it declares, by the operating system. Knows nothing of why a node runs."""
