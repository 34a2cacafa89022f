"""What depends on what. Knows nothing of disk, clock, process or environment."""
