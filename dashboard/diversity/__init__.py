"""How varied a dataset is, and what it lacks."""
