"""Housekeeping: what there is, whether it is whole, and how a run travels."""
