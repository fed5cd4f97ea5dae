"""What is off course in runs."""
