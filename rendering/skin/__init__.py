"""What hands look like: numbers of a person, where on a hand its skin is what, and the material that draws it."""
