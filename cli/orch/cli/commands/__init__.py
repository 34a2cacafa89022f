"""A file for each command, with one function `run`. Knows nothing of argument parsing and exit on errors."""
