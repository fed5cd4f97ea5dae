"""Shader nodes written as arithmetic: `0.3 * noise + mask` makes the nodes that compute it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Value:
    """An output socket (or a constant) of one node tree."""

    tree: Any
    socket: Any

    def __add__(self, other: Value | float) -> Value:
        return self.maths("ADD", other)

    def __sub__(self, other: Value | float) -> Value:
        return self.maths("SUBTRACT", other)

    def __rsub__(self, other: float) -> Value:
        return constant(self.tree, other).maths("SUBTRACT", self)

    def __mul__(self, other: Value | float) -> Value:
        return self.maths("MULTIPLY", other)

    def __truediv__(self, other: Value | float) -> Value:
        return self.maths("DIVIDE", other)

    def __neg__(self) -> Value:
        return self * -1.0

    __radd__, __rmul__ = __add__, __mul__

    def maths(self, operation: str, other: Value | float | None = None) -> Value:
        """One Math node."""
        node = self.tree.nodes.new("ShaderNodeMath")
        node.operation = operation
        _plug(self.tree, self, node.inputs[0])
        if other is not None:
            _plug(self.tree, other, node.inputs[1])
        return Value(self.tree, node.outputs[0])

    def exp(self) -> Value:
        """e to this power."""
        return self.maths("EXPONENT")

    def sin(self) -> Value:
        """Sine of this angle in radians."""
        return self.maths("SINE")

    def squared(self) -> Value:
        """This value times itself: much cheaper than a power."""
        return self * self

    def clamped(self) -> Value:
        """Limited to [0, 1]; costs nothing, the node that computes the value does it."""
        self.socket.node.use_clamp = True
        return self

    def bell(self, width: float) -> Value:
        """1 at zero, falling to 1/e at ± `width`."""
        return (self.squared() * (-1.0 / width**2)).exp()

    def step(self, low: float, high: float) -> Value:
        """Smoothly from 0 at `low` to 1 at `high`."""
        node = self.tree.nodes.new("ShaderNodeMapRange")
        node.interpolation_type = "SMOOTHSTEP"
        _plug(self.tree, self, node.inputs["Value"])
        node.inputs["From Min"].default_value, node.inputs["From Max"].default_value = low, high
        return Value(self.tree, node.outputs["Result"])

    def towards(self, other: Value | float, share: Value | float) -> Value:
        """This value mixed with `other`."""
        node = self.tree.nodes.new("ShaderNodeMix")
        for value, socket in zip((share, self, other), (node.inputs[0], node.inputs[2], node.inputs[3]), strict=True):
            _plug(self.tree, value, socket)
        return Value(self.tree, node.outputs[0])


def constant(tree: Any, value: float, name: str = "") -> Value:
    """A Value node; a name makes it findable to be changed later."""
    node = tree.nodes.new("ShaderNodeValue")
    node.outputs[0].default_value = value
    if name:
        node.name = name
    return Value(tree, node.outputs[0])


def attribute(tree: Any, name: str) -> tuple[Value, tuple[Value, Value, Value]]:
    """A vertex attribute as a vector and as its three components."""
    node = tree.nodes.new("ShaderNodeAttribute")
    node.attribute_name = name
    split = tree.nodes.new("ShaderNodeSeparateXYZ")
    tree.links.new(node.outputs["Vector"], split.inputs[0])
    vector = Value(tree, node.outputs["Vector"])
    return vector, tuple(Value(tree, output) for output in split.outputs)


def picture(
    bpy: Any, tree: Any, name: str, draw: Callable[[], np.ndarray], position: Value, beyond: str
) -> tuple[Value, Value, Value, Value]:
    """The four channels of a drawn picture at a position in its widths and heights; all materials share one copy of it."""
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images.get(name) or _image(bpy, name, draw())
    node.extension = beyond
    tree.links.new(position.socket, node.inputs["Vector"])
    split = tree.nodes.new("ShaderNodeSeparateColor")
    tree.links.new(node.outputs["Color"], split.inputs[0])
    return (*(Value(tree, output) for output in split.outputs), Value(tree, node.outputs["Alpha"]))


def _image(bpy: Any, name: str, pixels: np.ndarray) -> Any:
    """Rows from the bottom; four numbers a pixel, kept as they are."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=False, is_data=True)
    image.alpha_mode = "CHANNEL_PACKED"
    image.pixels.foreach_set(np.ascontiguousarray(pixels, dtype=np.float32).ravel())
    image.update()
    return image


def colour(tree: Any, red: Value, green: Value, blue: Value) -> Value:
    """Three values as one colour."""
    node = tree.nodes.new("ShaderNodeCombineColor")
    for value, socket in zip((red, green, blue), node.inputs, strict=True):
        tree.links.new(value.socket, socket)
    return Value(tree, node.outputs[0])


def _plug(tree: Any, value: Value | float, socket: Any) -> None:
    if isinstance(value, Value):
        tree.links.new(value.socket, socket)
    else:
        socket.default_value = value
