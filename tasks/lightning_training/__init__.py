"""What trainers that use Lightning have in common: configuration, steps, reports, and the contract with a job."""
