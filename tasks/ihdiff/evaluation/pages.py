"""Words and cells that the tables share."""

from tasks.ihdiff.evaluation.parts import Result

Rows = dict[str, dict[str, Result]]
"""Results by method and kind of targets."""
NAMES = {
    "data-train": "poses learnt from",
    "data": "poses of the split",
    "truth": "true hands",
    "search": "NN search",
    "regressor": "regressor",
    "regression": "regressor + Col. reg.",
    "vae": "VAE",
    "without_collision": "IHDiff without L_col",
    "self_attention": "IHDiff (SA only)",
    "ihdiff": "IHDiff",
}
"""Rows of all tables, in their order."""
ALL = "all"
"""The one column of a table without kinds of targets."""
