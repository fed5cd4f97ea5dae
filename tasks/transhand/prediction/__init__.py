"""Using a trained TransHand: both hands in anybody's pictures, and the network as a program that needs torch alone."""
