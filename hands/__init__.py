"""The domain: hand model, joint angles, distances, contact, pose optimiser. No files, no Prefect, no Blender."""
