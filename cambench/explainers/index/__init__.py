"""The entries of explainers, a module a family. Nothing here imports torch."""
