"""How far the two hands that a method sees in images are off: any method's, by the metrics of the field."""
