"""Decided choices in, pixels and exact labels out. The only package that imports bpy, and only in its own process."""
