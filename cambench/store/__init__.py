"""What is on disk: runs, checkpoints, heatmap files and records. A file that exists is complete."""
