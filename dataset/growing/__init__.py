"""Datasets made from datasets: put together, added to, cut down."""
