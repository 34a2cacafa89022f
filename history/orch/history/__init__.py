"""What the records of runs say: lists, comparisons, checks, exports. Knows nothing of who writes them."""
