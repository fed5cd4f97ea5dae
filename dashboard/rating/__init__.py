"""Studies with people as the papers have them: which pictures look natural, and which of two looks more realistic."""
