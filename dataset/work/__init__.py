"""One dataset made by many processes: who makes which shard, what has been made, and what all of them are told."""
