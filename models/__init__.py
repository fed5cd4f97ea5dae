"""The networks and what trains them: torch alone, no files but checkpoints."""
