"""Formats: a table for the terminal, LaTeX, Markdown, CSV, JSON, pandas, and one HTML page."""
