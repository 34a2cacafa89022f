"""The version of this program. Knows nothing else."""

VERSION = "0.1.0"
