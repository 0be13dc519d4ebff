"""Figures: one file a kind, which says what is shown; the drawing is in report/figures."""
