"""IHDiff at work: the poses that it learns from, training, sampling, fitting and evaluation, around `models.ihdiff`."""
