"""The tables of IHDiff's paper for networks of one's own."""
