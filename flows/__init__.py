"""What runs: each flow reads top to bottom as its DAG."""
