"""What `orch init` writes for each kind of project. Knows nothing of the commands that read it."""
