"""Datasets by URL: folders and buckets with the same promises."""
