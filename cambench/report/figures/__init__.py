"""Figures: one file a drawing. What is shown is chosen in stages/reporting/figures."""
