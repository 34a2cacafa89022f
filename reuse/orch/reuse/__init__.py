"""What earlier attempts made: kept, found, given back. Knows nothing of graphs, declarations, processes."""
