"""The version of this program. Knows nothing of anything else."""

VERSION = "0.1.0"
