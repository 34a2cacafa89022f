"""What the records of runs say: lists, comparisons, checks, exports. Knows nothing of how they are written."""
