"""How far runs are, how fast they go, and who works on them, told from what was watched."""
