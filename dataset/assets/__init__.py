"""Hand files, gestures, anchors and environment maps: what a run is made from."""
