"""Simulated runs: renderers that only sleep, on nodes that are processes of this machine; all the rest is real."""
