"""The few columns of a dataset's rows that pages ask for, taken over shard by shard as shards are finished."""
