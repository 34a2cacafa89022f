"""How a project is judged and built, from the layers below. Knows nothing of command lines and consoles."""
