"""Training: a method on a data set becomes a run. Knows nothing of measuring."""
