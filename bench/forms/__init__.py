"""A graph as the build file of each tool, as a user who wants speed would write it.

Knows nothing of how the tools are started.
"""
