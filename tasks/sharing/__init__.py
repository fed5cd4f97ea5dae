"""Work on one dataset shared among processes: shards are taken one by one, made, and committed."""
