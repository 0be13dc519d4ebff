"""Recipes: the only place for hyper-parameters, as strict TOML. Training recipes, table recipes, published values."""

from cambench.recipes.method import Method

__all__ = ["Method"]
