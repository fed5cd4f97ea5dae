"""What benchmarks of the renderer share: scenes, the authors' recipe, measures of quality."""
