"""Ranking: records → the explainers in order over images and metrics, which of them differ, whether metrics agree."""
