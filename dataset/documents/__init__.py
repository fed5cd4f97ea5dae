"""What is written about a dataset: its card, its Croissant metadata and the pages of `docs/`, all from the schema."""
