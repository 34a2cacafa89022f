"""What the records of runs say: lists, comparisons, proofs, exports. Writes nothing but exports."""
