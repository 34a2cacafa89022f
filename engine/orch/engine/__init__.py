"""How a project is judged and built: composes rules, cache and run. Knows nothing of command lines and consoles."""
