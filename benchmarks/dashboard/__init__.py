"""What the dashboard costs: `python -m benchmarks.dashboard`."""
