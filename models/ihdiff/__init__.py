"""IHDiff, a diffusion prior over two interacting hands ("3D Interacting Hands Diffusion Model"), its baselines and metrics."""
