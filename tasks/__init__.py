"""The steps that flows chain; one file a step, thin around plain functions."""
