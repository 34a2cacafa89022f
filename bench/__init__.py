"""Measures orch against ninja and make on generated graphs: `python -m bench --help`.

Knows nothing of orch's inside: it starts the installed command, as it starts the others.
"""
