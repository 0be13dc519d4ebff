"""The verbs: train, explain, evaluate, report. The only code that wires rooms together."""
