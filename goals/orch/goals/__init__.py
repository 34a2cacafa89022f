"""What is promised, and whether it is kept: gates, approvals, attestations. Knows nothing of builds."""
