"""Settings that make a run tiny."""

TINY = ["input.size=32", "train.batch_size=8", "train.epochs=2"]
