"""An example plug-in of cambench: one explainer, one metric, one data set, one method, named in pyproject.toml."""
