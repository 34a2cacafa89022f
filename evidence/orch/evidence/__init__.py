"""What each run did, written while it does it. Knows nothing of how nodes are judged and run."""
