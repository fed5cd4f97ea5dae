"""What a run survives: kills, outages and a full disk, against the same run undisturbed."""
