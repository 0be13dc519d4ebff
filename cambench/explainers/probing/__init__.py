"""What is asked of a network before it is explained: its passes, its layers, what it returns."""
