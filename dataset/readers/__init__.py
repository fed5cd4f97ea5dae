"""Readers of other people's pose files: each brings its format's convention to this project's and names what it cannot use."""
