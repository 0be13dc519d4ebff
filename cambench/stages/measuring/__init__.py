"""Measuring: heatmaps of a run, a metric's rows over them, a record. Knows nothing of training."""
