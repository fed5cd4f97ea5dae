"""What a dataset contains, in figures and pictures."""
