"""Trainings: what their folders tell, and how a page says it."""
