"""The version of the tables and the rule for changing it."""

VERSION = "2.0"
"""MAJOR.MINOR of the tables: in the manifest, in every Parquet file (`render_ih_schema`) and in the documents."""

RULE = """A new column that may be empty raises MINOR. Any other change raises MAJOR: a column that is renamed, removed or
moved, or whose type, shape, unit, meaning or allowed values change. A program reads datasets of its own MAJOR up to its own
MINOR; it refuses newer ones and those of an older MAJOR, and says so in one sentence."""
"""When which number goes up, and who reads what."""
