"""Training jobs: a network's trainer under torchrun, watched, tried again and resumed; docs/training-jobs.md tells how."""
