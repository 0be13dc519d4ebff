"""Reporting: runs and records become tables, pages and comparisons. Computes nothing that training or measuring does."""
