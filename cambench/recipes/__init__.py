"""Recipes: the only place for hyper-parameters, as strict TOML. Training recipes, table recipes, published values."""
