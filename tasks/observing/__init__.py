"""What others see of a run: lines for people and machines, the records of its workers, its history, metrics, artifacts."""
