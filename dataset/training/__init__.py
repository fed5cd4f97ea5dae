"""The training loader: batches of tensors from the shards of a dataset, and what is done to a batch before a network."""
