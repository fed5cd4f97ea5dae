"""Runs without a Prefect server: they keep a journal, and a process in the background tells Prefect's database of them."""
