"""Measures orch against the tools people would otherwise pick, on generated graphs: `python -m bench --help`.

Knows nothing of orch's inside: it starts the installed command, as it starts the others.
"""
