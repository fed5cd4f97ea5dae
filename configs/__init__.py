"""Recipes: one YAML file a kind of run."""
