"""Reader of the user's licensed MANO files that runs nothing a pickle asks for.

MANO_RIGHT.pkl and MANO_LEFT.pkl are pickles of Python 2 with chumpy objects and SciPy matrices in them. Here every
class and function that such a file names becomes an inert record of what it was given; NumPy arrays are then built from
those records, number type by number type. Neither chumpy nor SciPy is imported.
"""

import hashlib
import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from dataset.errors import InputError
from hands.joints import MANO_PARENTS, Side
from hands.model import HandArrays

MANO_FILES = {Side.RIGHT: "MANO_RIGHT.pkl", Side.LEFT: "MANO_LEFT.pkl"}
SITE = "https://mano.is.tue.mpg.de"
USE_ORIGINAL = f"use the original file from {SITE}"
SHAPES = {
    "v_template": (778, 3),
    "f": (1538, 3),
    "shapedirs": (778, 3, 10),
    "posedirs": (778, 3, 135),
    "weights": (778, 16),
    "J_regressor": (16, 778),
    "kintree_table": (2, 16),
    "hands_mean": (45,),
    "hands_components": (45, 45),
}
"""The entries that are read; every other one (coefficients of the training poses, names) is left alone."""

_ADMITTED = {
    "_codecs.encode",
    "copy_reg._reconstructor",
    "copyreg._reconstructor",
    *(f"{module}.{name}" for module in ("__builtin__", "builtins") for name in ("object", "set", "bytearray")),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *("numpy.ndarray", "numpy.dtype", "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer"),
    *(f"scipy.sparse.{old}{kind}.{kind}_matrix" for old in ("", "_") for kind in ("csc", "csr", "coo")),
}
_FIELDS = ("v_template", "shapedirs", "posedirs", "weights", "J_regressor", "hands_mean", "hands_components")
_NUMBERS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class _Record:
    """What the file would have made: the arguments and the state it gave, and nothing done with them."""

    origin = ""

    def __new__(cls, *args: object) -> "_Record":
        if cls.origin.endswith("._reconstructor"):  # the oldest protocols make every object so: (class, base, state)
            return args[0].__new__(args[0])
        record = super().__new__(cls)
        record.args, record.state = args, None
        return record

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state

    def term(self, name: str) -> object:
        """One attribute of the object that was stored."""
        return self.state[name]


class _Refused(Exception):
    """The file names something that no hand model needs."""


class _RecordingUnpickler(pickle.Unpickler):
    """Unpickler for which every admitted name is a fresh record class and every other name the end."""

    def find_class(self, module: str, name: str) -> type[_Record]:
        origin = f"{module}.{name}"
        if origin not in _ADMITTED and not module.startswith("chumpy."):
            raise _Refused(origin)
        return type("Record", (_Record,), {"origin": origin})


def load_mano(folder: Path, side: Side) -> HandArrays:
    """One hand from the folder that holds the user's `MANO_RIGHT.pkl` and `MANO_LEFT.pkl`.

    Published left files carry the right hand's x sign in `shapedirs` (smplx issue 48). That is recognised by comparing
    with the right file, which therefore must lie beside it; it is mended and recorded in `notes["left_shapedirs"]`.

    Raises:
        InputError: the file is missing, cut off, asks for anything but arrays, or does not hold a MANO hand.
    """
    arrays = _load_file(Path(folder) / MANO_FILES[side], side)
    if side is Side.RIGHT:
        return arrays
    right_file = Path(folder) / MANO_FILES[Side.RIGHT]
    if not right_file.is_file():
        raise InputError(
            f"{right_file}: missing, and {MANO_FILES[side]} cannot be used alone because its known fault (x sign of "
            f"shapedirs) only shows beside the right hand; put both files from {SITE} into one folder"
        )
    return _left_mended(arrays, _load_file(right_file, Side.RIGHT), Path(folder) / MANO_FILES[side])


def _left_mended(left: HandArrays, right: HandArrays, file: Path) -> HandArrays:
    if np.array_equal(left.v_template, right.v_template):
        raise InputError(f"{file}: holds the right hand under the left hand's name; {USE_ORIGINAL}")
    if np.abs(left.shapedirs[:, 0] - right.shapedirs[:, 0]).sum() >= 1:
        return replace(left, notes=left.notes | {"left_shapedirs": "as read: x sign differs from the right hand's"})
    mended = left.shapedirs * np.array([-1.0, 1.0, 1.0])[:, None]
    note = {"left_shapedirs": "x sign mended: it was the right hand's"}
    return replace(left, shapedirs=mended, notes=left.notes | note)


def _load_file(file: Path, side: Side) -> HandArrays:
    content = _read(file)
    stored = inert_records(file, content)
    values = {key: _entry(file, stored, key, shape) for key, shape in SHAPES.items()}
    _check_hand(file, values)
    return HandArrays(
        side=side,
        faces=values["f"].astype(np.int64),
        **{key: values[key] for key in _FIELDS},
        notes={
            "source": file.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "licence": f"the user's own MANO licence, {SITE}",
        },
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror}); register and download MANO at {SITE}, then put "
            f"{MANO_FILES[Side.RIGHT]} and {MANO_FILES[Side.LEFT]} into that folder"
        ) from error


def inert_records(file: Path, content: bytes) -> dict:
    """The dictionary that a pickle holds, every object in it an inert record; nothing is executed.

    Raises:
        InputError: it is damaged, holds something else, or asks for what a hand model never needs.
    """
    try:
        stored = _RecordingUnpickler(io.BytesIO(content), encoding="latin1").load()
    except _Refused as refused:
        raise InputError(
            f"{file}: asks for {refused}, which a hand model never needs; nothing was executed; {USE_ORIGINAL}"
        ) from refused
    except Exception as error:  # damaged opcodes raise whatever type they stumble over
        reason = " ".join(str(error).split())
        raise InputError(f"{file}: is cut off or is not a pickle ({reason}); download it again from {SITE}") from error
    if not isinstance(stored, dict):
        raise InputError(f"{file}: holds a {type(stored).__name__} instead of MANO's entries; {USE_ORIGINAL}")
    return stored


def _entry(file: Path, stored: dict, key: str, shape: tuple[int, ...]) -> Float[np.ndarray, "..."]:
    if key not in stored:
        raise InputError(f"{file}: lacks the entry '{key}'; {USE_ORIGINAL}")
    try:
        array = array_of(stored[key]).astype(np.float64)
    except Exception as error:  # a forged record may lack anything or ask for any size
        raise InputError(f"{file}: entry '{key}' is no array ({error}); {USE_ORIGINAL}") from error
    if array.shape != shape:
        raise InputError(f"{file}: '{key}' has shape {array.shape}, MANO's has {shape}; {USE_ORIGINAL}")
    if not np.isfinite(array).all():
        raise InputError(f"{file}: '{key}' has values that are not finite; {USE_ORIGINAL}")
    return array


def _check_hand(file: Path, values: dict[str, np.ndarray]) -> None:
    faces, (above, joints) = values["f"], values["kintree_table"]
    parents = dict(zip(joints.tolist(), above.tolist(), strict=True))
    if tuple(parents.get(float(joint)) for joint in range(1, 16)) != MANO_PARENTS[1:]:
        raise InputError(f"{file}: 'kintree_table' is not MANO's skeleton of 16 joints; {USE_ORIGINAL}")
    if faces.min() < 0 or faces.max() >= len(values["v_template"]):
        raise InputError(f"{file}: 'f' names vertices that do not exist; {USE_ORIGINAL}")
    if np.abs(values["weights"].sum(axis=1) - 1).max() > 1e-3:
        raise InputError(f"{file}: rows of 'weights' do not sum to 1; {USE_ORIGINAL}")


def array_of(value: object) -> np.ndarray:
    """The array that a record, a list or a number stands for."""
    if not isinstance(value, _Record):
        return np.asarray(value)
    for prefix, build in _BUILDERS.items():
        if value.origin.startswith(prefix):
            return build(value)
    raise _Refused(f"a {value.origin} where an array belongs")


def _ndarray(record: _Record) -> np.ndarray:
    _, shape, dtype, columns_first, content = record.state
    return np.frombuffer(_bytes(content), _dtype(dtype)).reshape(shape, order="F" if columns_first else "C")


def _ndarray_from_buffer(record: _Record) -> np.ndarray:
    content, dtype, shape, order = record.args
    return np.frombuffer(_bytes(content), _dtype(dtype)).reshape(shape, order=order)


def _scalar(record: _Record) -> np.ndarray:
    dtype, content = record.args
    return np.frombuffer(_bytes(content), _dtype(dtype)).reshape(())


def _dtype(record: _Record) -> np.dtype:
    """A plain number type; the stored state counts only for its byte order, since a forged one can corrupt memory."""
    name, order = record.args[0], record.state[1]
    if record.origin != "numpy.dtype" or name not in _NUMBERS or order not in ("<", ">", "|", "="):
        raise _Refused(f"numbers of type {name!r}")
    return np.dtype(order + name)


def _bytes(value: object) -> bytes:
    """Raw bytes; Python 2 wrote them as text, and Python 3 in an old protocol as an encoding of text."""
    if isinstance(value, _Record):
        text, encoding = value.args if value.origin == "_codecs.encode" else (value.args[0], "latin1")
        return text.encode("latin1") if isinstance(text, str) and encoding == "latin1" else bytes(text)
    return value.encode("latin1") if isinstance(value, str) else bytes(value)


def _sparse(record: _Record) -> Float[np.ndarray, "r c"]:
    """A dense matrix from SciPy's compressed columns, compressed rows, or coordinates."""
    numbers = array_of(record.term("data"))
    dense = np.zeros(record.state.get("_shape", record.state.get("shape")))
    if "coo" in record.origin:
        rows, columns = _coordinates(record)
    else:
        starts = array_of(record.term("indptr"))
        across, rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts)), array_of(record.term("indices"))
        rows, columns = (rows, across) if "csc" in record.origin else (across, rows)
    np.add.at(dense, (rows, columns), numbers)
    return dense


def _coordinates(record: _Record) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    if "coords" in record.state:
        return tuple(array_of(axis) for axis in record.term("coords"))
    return array_of(record.term("row")), array_of(record.term("col"))


def _chumpy_value(record: _Record) -> np.ndarray:
    """The numbers in `chumpy.ch.Ch`, which may be wrapped once more."""
    return array_of(record.term("x"))


def _chumpy_selection(record: _Record) -> np.ndarray:
    """`chumpy.reordering.Select` is an index into another chumpy value."""
    chosen = array_of(record.term("a")).ravel()[array_of(record.term("idxs"))]
    return chosen.reshape(record.state.get("preferred_shape", chosen.shape))


def _chumpy_reshaped(record: _Record) -> np.ndarray:
    return array_of(record.term("a")).reshape(record.term("newshape"))


_BUILDERS: dict[str, Callable[[_Record], np.ndarray]] = {
    "numpy.core.multiarray._reconstruct": _ndarray,
    "numpy._core.multiarray._reconstruct": _ndarray,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _ndarray_from_buffer,
    "numpy._core.numeric._frombuffer": _ndarray_from_buffer,
    "scipy.sparse.": _sparse,
    "chumpy.ch.Ch": _chumpy_value,
    "chumpy.reordering.Select": _chumpy_selection,
    "chumpy.reordering.Reshape": _chumpy_reshaped,
}
