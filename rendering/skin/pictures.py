"""Puts a user's pictures into the skin's node tree and takes them out again. Few stay loaded."""

import hashlib
from typing import Any

import numpy as np

from dataset.errors import InputError

PREFIX = "skin picture "
KEPT = 6
"""Pictures that stay loaded although no skin of the moment uses them."""


def is_skin_texture(image: Any) -> bool:
    """Whether an image of Blender's is a skin's picture."""
    return image.name.startswith(PREFIX)


def use_pictures(tree: Any, pictures: tuple[str, str, str]) -> None:
    """Link the files of colour, normals and roughness, each in place of the procedural one; an empty name unlinks it.

    Raises:
        InputError: Blender cannot read a file.
    """
    import bpy  # Blender's own process alone gets here

    for kind, file in zip(("texture", "normal", "rough"), pictures, strict=True):
        source, sink = tree.nodes[f"{kind} picture"], tree.nodes[f"{kind} sink"].inputs[_SOCKET[kind]]
        for link in list(sink.links):
            tree.links.remove(link)
        source.image = _loaded(bpy, file, kind) if file else None
        if file:
            tree.links.new(_output(tree, source, kind), sink)
    unused = [image for image in bpy.data.images if image.name.startswith(PREFIX) and image.users == 0]
    for image in unused[: max(0, len(unused) - KEPT)]:
        bpy.data.images.remove(image)


_SOCKET = {"texture": 7, "normal": "Normal", "rough": 3}
"""Second colour and second number of a Mix node; the Bump node's normal."""


def add_picture_nodes(tree: Any, sinks: dict[str, Any]) -> None:
    """Nodes that wait for pictures; `sinks`: the node that takes each of texture, normal, rough."""
    place = tree.nodes.new("ShaderNodeUVMap")
    place.uv_map = "uv"
    for kind, sink in sinks.items():
        source = tree.nodes.new("ShaderNodeTexImage")
        source.name, sink.name = f"{kind} picture", f"{kind} sink"
        tree.links.new(place.outputs[0], source.inputs["Vector"])
    turn = tree.nodes.new("ShaderNodeNormalMap")
    turn.name, turn.uv_map = "normal turn", "uv"


def _output(tree: Any, source: Any, kind: str) -> Any:
    if kind != "normal":
        return source.outputs["Color"]
    turn = tree.nodes["normal turn"]
    tree.links.new(source.outputs["Color"], turn.inputs["Color"])
    return turn.outputs["Normal"]


def _loaded(bpy: Any, file: str, kind: str) -> Any:
    """A copy in memory: the scene drops images that belong to files when the environment changes."""
    name = PREFIX + hashlib.sha256(f"{kind} {file}".encode()).hexdigest()[:32]
    if image := bpy.data.images.get(name):
        return image
    source = _read(bpy, file)
    width, height = source.size
    pixels = np.empty(width * height * 4, dtype=np.float32)
    source.pixels.foreach_get(pixels)
    bpy.data.images.remove(source)
    image = bpy.data.images.new(name, width, height, alpha=False, is_data=kind != "texture")
    image.pixels.foreach_set(pixels)
    image.update()
    return image


def _read(bpy: Any, file: str) -> Any:
    try:
        source = bpy.data.images.load(file)
    except RuntimeError as error:
        raise InputError(f"{file}: Blender cannot read this skin texture; replace or remove it") from error
    if source.size[0] == 0:
        bpy.data.images.remove(source)
        raise InputError(f"{file}: Blender cannot read this skin texture; replace or remove it")
    return source
