"""What tasks really read and write, held against what they declare. Knows nothing of command lines."""
