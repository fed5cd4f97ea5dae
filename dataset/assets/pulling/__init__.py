"""Fetching environment maps: Poly Haven's API or a folder as the source, what was fetched recorded beside the maps."""
