"""The domain: hand model, joint angles, distances, contact, pose optimiser. Torch and NumPy alone; no files, no Blender."""
