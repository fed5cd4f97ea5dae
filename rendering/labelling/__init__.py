"""Exact labels, from the surfaces that are drawn."""
