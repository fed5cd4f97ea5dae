"""How good poses and pictures of a run are."""
