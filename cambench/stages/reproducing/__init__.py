"""Reproducing: a paper's table as a plan of trainings and measurements, what it costs, and how it is run."""
