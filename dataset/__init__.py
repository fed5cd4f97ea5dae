"""Everything on disk: hand files, gestures, environments, plans, shards, the manifest, reports."""
