"""Images of other people's data sets with their annotations, as batches for training and evaluation."""
