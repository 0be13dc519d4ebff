"""Claims: which records bear on them, by how much they differ, and what follows."""
