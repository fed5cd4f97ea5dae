"""A dataset in the forms that other tools read: each format, and the job that writes it shard by shard."""
