"""Losses: pure scalars on tensors, one file a paper; all are minimised."""
