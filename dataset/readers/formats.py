"""Every format that is read, by the name that `source.kind` gives it.

A format is a module with `files(folder, subset)`, what is read by name (its bytes are what the source is), and
`read(folder, subset, hands)`, which gives frames or hands and the faults between them.
"""

from types import ModuleType

from dataset.readers import dexycb, freihand, hic, interhand26m, parquet, reinterhand

TWO_HANDS: dict[str, ModuleType] = {
    "interhand26m": interhand26m,
    "reinterhand": reinterhand,
    "hic": hic,
    "parquet": parquet,
}
"""Sources of two-hand poses."""
ALL: dict[str, ModuleType] = {**TWO_HANDS, "freihand": freihand, "dexycb": dexycb}
"""Also those of single hands."""
FITS_OF_MANO = ("interhand26m", "reinterhand", "hic", "freihand", "dexycb")
"""Formats whose numbers mean what they say with MANO's own files alone."""
