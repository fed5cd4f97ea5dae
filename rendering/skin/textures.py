"""Pictures of real skin that a user brings: a folder of textures and where they lie on the hand.

`NAME.png` or `.jpg` is the colour (sRGB), `NAME_normal` and `NAME_roughness` are optional, and so is `uv.obj`, whose `vt`
and `f v/vt` say where each corner of the right hand's faces lies. The left hand has the same coordinates, mirrored.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from PIL import Image, ImageDraw
from scipy.spatial import cKDTree

from dataset.errors import InputError
from dataset.splits import split_of
from hands.joints import Side
from hands.model import HandArrays
from rendering.skin.colour import BLOOD, BLOODLESS, CAROTENE, MELANIN
from rendering.skin.skins import Skin, load_skins

SUFFIXES = (".png", ".jpg", ".jpeg")
MAPS = ("normal", "roughness")
WRIST = 0.018
"""Length in metres over which a texture gives way to the procedural skin of the forearm."""
USUAL = "light_european_man"
"""The built-in skin that lends a texture what it cannot tell: subsurface, roughness, depth of the finest relief."""

Coordinates = Float[np.ndarray, "f 3 2"]
"""Texture coordinates in [0, 1] of each face corner, origin at the lower left."""


def load_texture_skins(folder: Path, coordinates: Coordinates | None) -> dict[str, Skin]:
    """A skin for each texture, by name, its tone that of the texture's mean colour where the hand uses it.

    Raises:
        InputError: the folder has no textures, one of them is no picture, or there are no coordinates for them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of skin textures; give the one that holds NAME.png or NAME.jpg")
    files = {file.stem: file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES}
    names = [name for name in files if not (name.endswith(tuple(f"_{kind}" for kind in MAPS)) and _base(name) in files)]
    if not names:
        raise InputError(f"{folder}: no skin textures here; they are called NAME.png or NAME.jpg")
    if coordinates is None:
        raise InputError(f"{folder}: this hand has no texture coordinates; add uv.obj with its faces as `f v/vt`")
    return {name: _skin(name, files, coordinates) for name in names}


def texture_coordinates(folder: Path | None, arrays: HandArrays) -> Coordinates | None:
    """Where each face corner of a hand lies: as `uv.obj` of the folder says, or the hand's own; None when it has none.

    Raises:
        InputError: `uv.obj` is not one, or does not fit the hand.
    """
    file = Path(folder) / "uv.obj" if folder else None
    if file and file.exists():
        places, vertices, corners = _read_obj(file)
        return places[_matched(file, vertices, corners, arrays)]
    return None if arrays.uv is None else arrays.uv[arrays.uv_faces]


def own_faces(arrays: HandArrays, faces: Int[np.ndarray, "m 3"]) -> int:
    """How many of the fine faces are the hand's; they come first, and the forearm's after them."""
    return len(arrays.faces) * 4 ** _levels(arrays, faces)


def corner_coordinates(arrays: HandArrays, faces: Int[np.ndarray, "m 3"]) -> Float[np.ndarray, "c 3"]:
    """Texture coordinates (and 0) of each corner of the fine faces, face by face; zeros on the forearm."""
    corners = np.zeros((len(faces), 3, 3))
    corners[: own_faces(arrays, faces), :, :2] = subdivided(arrays.uv[arrays.uv_faces], _levels(arrays, faces))
    return corners.reshape(-1, 3)


def with_coordinates(arrays: HandArrays, coordinates: Coordinates | None) -> HandArrays:
    """The hand with these texture coordinates instead of its own."""
    if coordinates is None:
        return arrays
    return replace(arrays, uv=coordinates.reshape(-1, 2), uv_faces=np.arange(coordinates.size // 2).reshape(-1, 3))


def subdivided(coordinates: Coordinates, levels: int) -> Float[np.ndarray, "m 3 2"]:
    """Coordinates of the fine faces, in the order of `rendering.subdivision`: linear within a face, so seams stay seams."""
    for _ in range(levels):
        i, j, k = coordinates.transpose(1, 0, 2)
        a, b, c = (i + j) / 2, (j + k) / 2, (k + i) / 2
        coordinates = np.stack([i, a, c, a, j, b, c, b, k, a, b, c], axis=1).reshape(-1, 3, 2)
    return coordinates


def texture_share(
    rest: Float[np.ndarray, "n 3"], of_hand: Bool[np.ndarray, "n"], on_rim: Bool[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """How much of a texture is seen at each vertex: 1 on the hand, falling to 0 at the wrist's rim."""
    distance, _ = cKDTree(rest[on_rim]).query(rest)
    share = (distance / WRIST).clip(0, 1) * of_hand
    return share * share * (3 - 2 * share)


def choose_skins(folder: Path | None, names: tuple[str, ...], coordinates: Coordinates | None) -> dict[str, Skin]:
    """The skins of a run: those named, of the built-in ones and the folder's; without names all of the folder, or built in.

    Raises:
        InputError: a name is unknown, or the folder is not one of textures.
    """
    textures = load_texture_skins(folder, coordinates) if folder else {}
    known = load_skins() | textures
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"skins.names: there is no skin '{unknown[0]}'; known are {', '.join(known)}")
    return {name: known[name] for name in names} if names else textures or known


def skin_checksums(skins: dict[str, Skin], coordinates: Mapping[Side, Coordinates | None]) -> dict[str, str]:
    """SHA-256 of what each skin looks like: its numbers, the bytes of its pictures and where they lie on the hands."""
    places = [np.ascontiguousarray(c).tobytes() for _, c in sorted(coordinates.items()) if c is not None]
    return {name: _checksum(skin, places) for name, skin in skins.items()}


def _checksum(skin: Skin, places: list[bytes]) -> str:
    pictures = [Path(file).read_bytes() for file in skin.pictures if file]
    parts = [repr(skin.numbers).encode(), *pictures, *(places if pictures else [])]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def _levels(arrays: HandArrays, faces: Int[np.ndarray, "m 3"]) -> int:
    """How often faces were divided: old vertices keep their numbers, and the first face's say how many it became."""
    first = arrays.faces[0]
    corners = [np.flatnonzero((faces == vertex).any(1))[0] for vertex in first]
    return int(np.ceil(np.log(max(corners) + 1) / np.log(4)))


def _base(name: str) -> str:
    return name.rpartition("_")[0]


def _skin(name: str, files: dict[str, Path], coordinates: Coordinates) -> Skin:
    pixels = _pixels(files[name])
    for kind in MAPS:
        if f"{name}_{kind}" in files:
            _pixels(files[f"{name}_{kind}"])
    place = {kind: str(files[f"{name}_{kind}"].resolve()) if f"{name}_{kind}" in files else "" for kind in MAPS}
    tone = _tone(_mean_colour(pixels, coordinates))
    usual = load_skins()[USUAL].numbers | {"hair": 0.0, "varnish": 0.0, "freckles": 0.0} | tone
    return Skin(
        name,
        **usual,
        texture=str(files[name].resolve()),
        normal=place["normal"],
        rough=place["roughness"],
        split=split_of("skin", name),
    )


def _pixels(file: Path) -> Float[np.ndarray, "h w 3"]:
    """A small copy of a picture, linear."""
    try:
        with Image.open(file) as picture:
            small = np.asarray(picture.convert("RGB").resize((256, 256), Image.Resampling.BOX), dtype=float) / 255
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{file}: this skin texture is not a picture that can be read; replace or remove it"
        ) from error
    return np.where(small <= 0.04045, small / 12.92, ((small + 0.055) / 1.055) ** 2.4)


def _mean_colour(pixels: Float[np.ndarray, "h w 3"], coordinates: Coordinates) -> Float[np.ndarray, "3"]:
    height, width, _ = pixels.shape
    used = Image.new("1", (width, height))
    draw = ImageDraw.Draw(used)
    corners = (coordinates % 1.0000001 * [1, -1] + [0, 1]) * [width, height]
    for triangle in corners:
        draw.polygon([tuple(corner) for corner in triangle], fill=1)
    mask = np.asarray(used)
    return pixels[mask].mean(0) if mask.any() else pixels.mean((0, 1))


def _tone(mean: Float[np.ndarray, "3"]) -> dict[str, float]:
    """Melanin, blood and carotene whose even colour comes nearest."""
    from scipy.optimize import nnls  # loaded for a folder of textures only: it costs every start 0.2 s

    absorbed = np.log(np.array(BLOODLESS) / mean.clip(1e-4))
    amounts, _ = nnls(np.stack([MELANIN, BLOOD, CAROTENE], axis=1), absorbed)
    return dict(zip(("melanin", "haemoglobin", "carotene"), map(float, amounts.clip(0, 1)), strict=True))


def _read_obj(file: Path) -> tuple[Float[np.ndarray, "t 2"], Int[np.ndarray, "f 3"], Int[np.ndarray, "f 3"]]:
    """Texture places, and of each face the vertices and the places (counted from 0)."""
    try:
        lines = [line.split() for line in file.read_text().splitlines()]
        places = np.array([line[1:3] for line in lines if line[:1] == ["vt"]], dtype=float).reshape(-1, 2)
        faces = [[corner.split("/")[:2] for corner in line[1:]] for line in lines if line[:1] == ["f"]]
        indices = np.array(faces, dtype=int).reshape(-1, 3, 2) - 1
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{file}: cannot be read; it needs `vt u v` and triangles as `f v/vt v/vt v/vt`") from error
    if len(indices) == 0 or indices.min() < 0 or indices[..., 1].max() >= len(places) or not np.isfinite(places).all():
        raise InputError(f"{file}: a face names a place that is not there; it needs `vt u v` and faces as `f v/vt`")
    return places, indices[..., 0], indices[..., 1]


def _matched(file: Path, vertices: np.ndarray, corners: np.ndarray, arrays: HandArrays) -> Int[np.ndarray, "f 3"]:
    """The place of each of the hand's face corners, found by the face's vertices, else by the order of faces."""
    if len(vertices) != len(arrays.faces):
        raise InputError(f"{file}: has {len(vertices)} faces, the hand {len(arrays.faces)}; export the hand's own mesh")
    by_vertices = {
        frozenset(face): dict(zip(face, row, strict=True)) for face, row in zip(vertices.tolist(), corners, strict=True)
    }
    found = [by_vertices.get(frozenset(face)) for face in arrays.faces.tolist()]
    if all(found):
        return np.array([[row[v] for v in face] for row, face in zip(found, arrays.faces.tolist(), strict=True)])
    return corners if arrays.side is Side.RIGHT else corners[:, ::-1]
