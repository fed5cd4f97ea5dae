"""Single rows of `images`: read out of their files, drawn with labels, and turned in space."""
