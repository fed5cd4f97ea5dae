"""MANO files are read exactly, and nothing in them is ever run."""

import hashlib
import importlib
import io
import os
import pickle
import struct
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse

from dataset.assets.hand_files import load_hand
from dataset.assets.mano_pickle import load_mano
from dataset.errors import InputError
from hands.joints import MANO_PARENTS, TIP_VERTICES, Side
from hands.model import HandArrays

FIELDS = ("v_template", "shapedirs", "posedirs", "weights", "J_regressor", "hands_mean", "hands_components")


def hand(side: Side) -> HandArrays:
    """The free hand with numbers in every field, as a licensed file has them."""
    free, random = load_hand(side), np.random.default_rng(1)
    components = np.linalg.qr(random.normal(size=(45, 45)))[0]
    posedirs = random.normal(size=(778, 3, 135)) * 1e-3
    return replace(free, posedirs=posedirs, hands_mean=random.normal(size=45) * 0.2, hands_components=components)


def entries(arrays: HandArrays) -> dict[str, object]:
    """The keys and number types of MANO's files, with plain arrays."""
    above = np.array([2**32 - 1, *MANO_PARENTS[1:]], dtype=np.uint32)
    return {
        **{name: getattr(arrays, name) for name in FIELDS},
        "J_regressor": sparse.csc_matrix(arrays.J_regressor),
        "f": arrays.faces.astype(np.uint32),
        "kintree_table": np.stack([above, np.arange(16, dtype=np.uint32)]),
        "J": arrays.J_regressor @ arrays.v_template,
        "hands_coeffs": np.zeros((1554, 45)),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


class Python2Pickler(pickle._Pickler):
    """Writes text and raw bytes the way Python 2 did: the same opcode for both."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)

    def save_python2_string(self, value: str | bytes) -> None:
        content = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_python2_string


def python2_pickle(content: object) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(content)
    # SciPy's classes lived in public modules then; a GLOBAL opcode is plain text between newlines
    return buffer.getvalue().replace(b"cscipy.sparse._csc\n", b"cscipy.sparse.csc\n")


@pytest.fixture
def chumpy(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Modules with chumpy's names and attributes, present while pickling only (see `write`)."""
    modules = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering", "chumpy.ch_ops")}
    classes = types.SimpleNamespace(modules=modules)
    for module, name in (("chumpy.ch", "Ch"), ("chumpy.reordering", "Select"), ("chumpy.ch_ops", "add")):
        made = type(name, (), {"__module__": module, "__init__": lambda self, **state: vars(self).update(state)})
        setattr(modules[module], name, made)
        setattr(classes, name, made)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return classes


def chumpy_array(chumpy: types.SimpleNamespace, values: np.ndarray) -> object:
    cached = sparse.csc_matrix(np.eye(2))
    return chumpy.Ch(x=values, _dirty_vars={"x"}, _itr=None, _depends_on_deps=None, _dr_cached=cached)


def write(folder: Path, side: Side, content: dict, dump: Callable[[object], bytes] = python2_pickle) -> Path:
    """Put a hand file into the folder, then take the stubs of chumpy away again."""
    file = folder / f"MANO_{side.upper()}.pkl"
    file.write_bytes(dump(content))
    for name in [name for name in sys.modules if name.split(".")[0] == "chumpy"]:
        del sys.modules[name]
    return file


def assert_same(read: HandArrays, expected: HandArrays) -> None:
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(read, name), getattr(expected, name), err_msg=name)
    np.testing.assert_array_equal(read.faces, expected.faces)


def test_file_with_chumpy_objects_is_read_without_chumpy(tmp_path: Path, chumpy, monkeypatch) -> None:
    expected = hand(Side.RIGHT)
    more = np.concatenate([expected.shapedirs, np.ones((778, 3, 6))], axis=-1)
    first_ten = np.arange(more.size).reshape(more.shape)[..., :10].ravel()
    content = entries(expected) | {
        "shapedirs": chumpy.Select(a=chumpy_array(chumpy, more), idxs=first_ten, preferred_shape=(778, 3, 10)),
        "v_template": chumpy_array(chumpy, chumpy_array(chumpy, expected.v_template)),
    }
    file = write(tmp_path, Side.RIGHT, content)
    assert b"chumpy.reordering\nSelect" in file.read_bytes()
    monkeypatch.setitem(sys.modules, "chumpy", None)  # importing it, or anything below it, now raises
    read = load_mano(tmp_path, Side.RIGHT)
    assert_same(read, expected)
    assert not [name for name in sys.modules if name.startswith("chumpy.")]
    assert read.side is Side.RIGHT and read.uv is None and read.uv_faces is None and read.tips == TIP_VERTICES
    assert read.faces.dtype == np.int64
    assert read.notes["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_reading_imports_neither_chumpy_nor_scipy(tmp_path: Path) -> None:
    write(tmp_path, Side.RIGHT, entries(hand(Side.RIGHT)))
    code = (
        "import sys; sys.modules['chumpy'] = sys.modules['scipy'] = sys.modules['scipy.sparse'] = None\n"
        "from pathlib import Path; from dataset.assets.mano_pickle import load_mano; from hands.joints import Side\n"
        f"assert load_mano(Path({str(tmp_path)!r}), Side.RIGHT).J_regressor.shape == (16, 778)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("matrix", [sparse.csc_matrix, sparse.csr_matrix, sparse.coo_matrix, np.asfortranarray])
def test_every_protocol_and_matrix_layout(tmp_path: Path, protocol: int, matrix: Callable) -> None:
    expected = hand(Side.RIGHT)
    content = entries(expected) | {"J_regressor": matrix(expected.J_regressor)}
    write(tmp_path, Side.RIGHT, content, lambda value: pickle.dumps(value, protocol))
    assert_same(load_mano(tmp_path, Side.RIGHT), expected)


def test_single_precision_and_big_endian_numbers(tmp_path: Path) -> None:
    expected = hand(Side.RIGHT)
    content = entries(expected) | {"v_template": expected.v_template.astype(">f4")}
    write(tmp_path, Side.RIGHT, content)
    np.testing.assert_array_equal(load_mano(tmp_path, Side.RIGHT).v_template, expected.v_template.astype(np.float32))


class Calls:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Callable, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


def attacks(victim: Path) -> dict[str, object]:
    touch = f"touch {victim}"
    python = f"open({str(victim)!r}, 'w')"
    return {
        "system": Calls(os.system, touch),
        "eval": Calls(eval, python),
        "exec": Calls(exec, python),
        "io.open": Calls(open, str(victim), "w"),
        "__import__": Calls(__import__, "antigravity"),
        "getattr": Calls(getattr, Calls(__import__, "os"), "system"),
        r"(subprocess|commands)\.Popen": Calls(subprocess.Popen, ["touch", str(victim)]),
        "numpy.load": Calls(np.load, str(victim)),
        "numpy.loadtxt": Calls(np.loadtxt, str(victim)),
        "fromfile": Calls(np.fromfile, str(victim)),
        "numpy.save": Calls(np.save, str(victim), np.zeros(1)),
        "import_module": Calls(importlib.import_module, "antigravity"),
    }


@pytest.mark.parametrize("name", attacks(Path()))
@pytest.mark.parametrize("nested", [False, True])
def test_malicious_file_is_refused_by_name_and_runs_nothing(tmp_path: Path, chumpy, name: str, nested: bool) -> None:
    victim = tmp_path / "victim"
    attack = attacks(victim)[name]
    value = chumpy.Ch(x=np.zeros(3), _dirty_vars={"x"}, other=[{"deep": (attack,)}]) if nested else attack
    write(tmp_path, Side.RIGHT, entries(hand(Side.RIGHT)) | {"J": value}, lambda value: pickle.dumps(value, 2))
    with pytest.raises(InputError, match=rf"asks for \S*{name}, which .*nothing was executed"):
        load_mano(tmp_path, Side.RIGHT)
    assert not victim.exists() and "antigravity" not in sys.modules


def test_the_attack_is_real(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps({"J": attacks(tmp_path / "victim")["system"]}, 2))
    assert (tmp_path / "victim").exists()


HANDWRITTEN = {
    "old-style instance": b"(S'touch {victim}'\nios\nsystem\n.",
    "class on the stack": b"(cos\nsystem\nS'touch {victim}'\no.",
    "new object with keywords": b"\x80\x04cos\nsystem\nS'touch {victim}'\n\x85}\x92.",
    "name behind chumpy": b"\x80\x04\x8c\x09chumpy.ch\x8c\x0cos.systemXXX\x93S'touch {victim}'\n\x85R.",
    "call of a record": b"cchumpy.ch\nos.system\n(tR(S'touch {victim}'\ntR.",
    "state for a record's class": b"cchumpy.ch\nCh\n(N}S'__setstate__'\ncbuiltins\nset\nstb.",
    "reconstruction of a number": b"ccopy_reg\n_reconstructor\n(I1\nI2\nNtR.",
    "persistent object": b"Pos.system\n.",
    "registered extension": b"\x82\x01.",
}


@pytest.mark.parametrize("name", HANDWRITTEN)
def test_handwritten_opcodes_run_nothing(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(HANDWRITTEN[name].replace(b"{victim}", str(victim).encode()))
    with pytest.raises(InputError, match=r"MANO_RIGHT\.pkl"):
        load_mano(tmp_path, Side.RIGHT)
    assert not victim.exists()


class ForgedArray:
    """An array whose number type claims to hold pointers to Python objects: NumPy would follow them."""

    def __reduce__(self) -> tuple:
        kind, state = np.zeros((778, 3), "V8").dtype.__reduce__()[:2], (3, "|", None, None, None, 8, 1, 63)
        dtype = Calls(*kind)
        dtype.call = (kind[0], kind[1], state)
        arguments = np.zeros(1).__reduce__()
        return arguments[0], arguments[1], (1, (778, 3), dtype, False, b"A" * 8 * 778 * 3)


NO_NUMBERS = {
    "forged": ForgedArray(),
    "objects": np.full((778, 3), None),
    "letters": np.full((778, 3), "a"),
    "complex": np.full((778, 3), 1j),
    "dates": np.zeros((778, 3), "M8[s]"),
    "text": "text",
    "nothing": None,
    "mapping": {},
}


@pytest.mark.parametrize("value", NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_only_plain_numbers_become_arrays(tmp_path: Path, value: object) -> None:
    write(tmp_path, Side.RIGHT, entries(hand(Side.RIGHT)) | {"v_template": value}, lambda value: pickle.dumps(value, 2))
    with pytest.raises(InputError, match="'v_template'"):
        load_mano(tmp_path, Side.RIGHT)


def test_sparse_matrix_with_indices_outside_is_refused(tmp_path: Path) -> None:
    matrix = sparse.csc_matrix(np.eye(16, 778))
    matrix.indices[3] = 4_000_000
    write(tmp_path, Side.RIGHT, entries(hand(Side.RIGHT)) | {"J_regressor": matrix})
    with pytest.raises(InputError, match="'J_regressor' is no array"):
        load_mano(tmp_path, Side.RIGHT)


def test_chumpy_expressions_are_named(tmp_path: Path, chumpy) -> None:
    computed = chumpy.add(a=chumpy_array(chumpy, np.ones(3)), b=chumpy_array(chumpy, np.ones(3)))
    write(tmp_path, Side.RIGHT, entries(hand(Side.RIGHT)) | {"v_template": computed})
    with pytest.raises(InputError, match=r"'v_template' is no array .*chumpy\.ch_ops\.add"):
        load_mano(tmp_path, Side.RIGHT)


def test_missing_file_says_where_mano_comes_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"MANO_RIGHT\.pkl: cannot be read .*https://mano\.is\.tue\.mpg\.de"):
        load_mano(tmp_path / "nowhere", Side.RIGHT)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.9999])
def test_truncated_file(tmp_path: Path, kept: float) -> None:
    file = write(tmp_path, Side.RIGHT, entries(hand(Side.RIGHT)))
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match="is cut off or is not a pickle"):
        load_mano(tmp_path, Side.RIGHT)


@pytest.mark.parametrize("key", [*FIELDS, "f", "kintree_table"])
def test_missing_entry_wrong_shape_and_infinite_value_name_the_entry(tmp_path: Path, key: str) -> None:
    content = entries(hand(Side.RIGHT))
    full = content[key].toarray() if key == "J_regressor" else content[key].astype(np.float64)
    broken = full.copy()
    broken.flat[7] = np.nan
    for change, message in ((None, "lacks the entry"), (full[:-1], "has shape"), (broken, "not finite")):
        others = {k: v for k, v in content.items() if k != key}
        write(tmp_path, Side.RIGHT, others if change is None else others | {key: change})
        with pytest.raises(InputError, match=message) as caught:
            load_mano(tmp_path, Side.RIGHT)
        assert f"'{key}'" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "index", "value"), [("kintree_table", (0, 5), 3), ("f", (0, 0), 778), ("weights", (0, 0), 5)]
)
def test_arrays_that_are_no_hand(tmp_path: Path, key: str, index: tuple[int, int], value: float) -> None:
    content = entries(hand(Side.RIGHT))
    content[key] = content[key].copy()
    content[key][index] = value
    write(tmp_path, Side.RIGHT, content)
    with pytest.raises(InputError, match=f"'{key}'"):
        load_mano(tmp_path, Side.RIGHT)


def test_left_fault_is_mended_once_and_noted(tmp_path: Path) -> None:
    right, left = hand(Side.RIGHT), hand(Side.LEFT)
    write(tmp_path, Side.RIGHT, entries(right))
    faulty = left.shapedirs * np.array([-1.0, 1.0, 1.0])[:, None]
    file = write(tmp_path, Side.LEFT, entries(left) | {"shapedirs": faulty})
    stored = file.read_bytes()
    for _ in range(2):  # the second time from the same file: still once
        read = load_mano(tmp_path, Side.LEFT)
        np.testing.assert_array_equal(read.shapedirs, left.shapedirs)
        assert read.notes["left_shapedirs"].startswith("x sign mended")
    assert file.read_bytes() == stored
    assert "left_shapedirs" not in load_mano(tmp_path, Side.RIGHT).notes


def test_correct_left_file_is_untouched(tmp_path: Path) -> None:
    write(tmp_path, Side.RIGHT, entries(hand(Side.RIGHT)))
    write(tmp_path, Side.LEFT, entries(hand(Side.LEFT)))
    read = load_mano(tmp_path, Side.LEFT)
    assert_same(read, hand(Side.LEFT))
    assert read.notes["left_shapedirs"].startswith("as read")


def test_left_file_needs_the_right_one_beside_it(tmp_path: Path) -> None:
    write(tmp_path, Side.LEFT, entries(hand(Side.LEFT)))
    with pytest.raises(InputError, match=r"MANO_RIGHT\.pkl: missing"):
        load_mano(tmp_path, Side.LEFT)


def test_right_file_under_the_left_name(tmp_path: Path) -> None:
    for side in Side:
        write(tmp_path, side, entries(hand(Side.RIGHT)))
    with pytest.raises(InputError, match="holds the right hand"):
        load_mano(tmp_path, Side.LEFT)


def test_load_hand_reads_mano(tmp_path: Path) -> None:
    write(tmp_path, Side.RIGHT, entries(hand(Side.RIGHT)))
    assert_same(load_hand(Side.RIGHT, tmp_path), hand(Side.RIGHT))
