"""Samples in three dimensions: one page that needs no network, no server and no display to be written."""
