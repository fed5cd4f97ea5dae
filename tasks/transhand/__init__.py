"""TransHand at work: training, evaluation and prediction around `models.transhand`."""
