"""What runs inside the Blender process, and nowhere else."""
