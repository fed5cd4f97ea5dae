"""The procedural skin: a Principled material coloured by melanin and blood, with folds, lines, veins and nails.

Positions are those of the rest hand, so the texture stays on the skin when the hand moves. Lengths are metres.
"""

from typing import Any

from rendering.shader_maths import Value, attribute, colour, constant, noise
from rendering.skins import Skin

BLOODLESS = (0.76, 0.54, 0.385)
"""Linear albedo of skin without pigment and blood."""
MELANIN = (2.5, 3.2, 3.5)
"""Absorption (natural logarithm of albedo) of the darkest skin for red, green and blue."""
BLOOD = (0.10, 0.62, 0.50)
"""The same of the reddest skin."""
SCATTER_RADIUS = (1.0, 0.36, 0.20)
"""Relative reach of red, green and blue light under the skin."""
SCATTER_SCALE = 0.0014
"""Reach of red light, metres."""
COVERAGE_PASS = "hands"
INPUTS = ("melanin", "haemoglobin", "roughness", "subsurface", "bump", "mottling", "veins", "nail")


def make_skin_material(bpy: Any, name: str, coverage: tuple[float, float, float]) -> Any:
    """A new material; `coverage` is the colour that it writes into the coverage pass."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    principled = tree.nodes["Principled BSDF"]
    _Skin(tree).connect(principled)
    output = tree.nodes.new("ShaderNodeOutputAOV")
    output.aov_name = COVERAGE_PASS
    output.inputs["Color"].default_value = (*coverage, 1.0)
    return material


def set_skin(material: Any, skin: Skin) -> None:
    """Give the material another person's numbers."""
    for name in INPUTS:
        material.node_tree.nodes[name].outputs[0].default_value = getattr(skin, name)


class _Skin:
    """The graph, part by part."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.input = {name: constant(tree, 0.5, name) for name in INPUTS}
        rest, _ = attribute(tree, "rest")
        _, (self.palm, self.flush, self.freckles) = attribute(tree, "tone")
        _, (self.broad, self.patches, self.spots) = attribute(tree, "pattern")
        _, (vein, vein_strength, _) = attribute(tree, "vein")
        _, (self.fold, self.fold_back, self.fold_palm) = attribute(tree, "fold")
        _, self.lines = attribute(tree, "line")
        _, (self.nail_inside, self.nail_along, self.nail_across) = attribute(tree, "nail")
        self.nail = self.nail_inside.step(-0.00015, 0.00035)
        self.fine = noise(tree, rest, 520.0, 1.0, 0.6) - 0.5
        self.veins = self.input["veins"] * vein_strength * vein.bell(0.24)
        self.creases = self._creases()

    def connect(self, principled: Any) -> None:
        """Link everything into the Principled node."""
        plug = lambda value, socket: self.tree.links.new(value.socket, principled.inputs[socket])  # noqa: E731
        principled.subsurface_method = "BURLEY"
        plug(self._colour(), "Base Color")
        plug(self._roughness(), "Roughness")
        plug(self.input["subsurface"] * (1.0 - 0.6 * self.nail), "Subsurface Weight")
        principled.inputs["Subsurface Radius"].default_value = SCATTER_RADIUS
        principled.inputs["Subsurface Scale"].default_value = SCATTER_SCALE
        principled.inputs["Specular IOR Level"].default_value = 0.36
        plug(0.25 * self.nail, "Coat Weight")
        principled.inputs["Coat Roughness"].default_value = 0.18
        self.tree.links.new(self._normal(), principled.inputs["Normal"])

    def _creases(self) -> Value:
        """0–1: how deep in a fold or line a point is."""
        wave = (self.fold + 0.00025 * self.spots + 0.0003 * self.fine) * (2 * 3.14159 / 0.0023)
        back = self.fold_back * (0.5 + 0.5 * wave.sin()).squared() * (0.75 + 0.5 * self.fine)
        shifted = self.fold + 0.0003 * self.patches
        palm = self.fold_palm * (shifted.bell(0.0006) + 0.6 * (shifted - 0.0024).bell(0.00045)).clamped()
        bend = 0.0007 * self.patches + 0.0006 * self.fine
        strokes = [(line + bend).bell(0.0006) for line in self.lines]
        lines = (strokes[0] + strokes[1] + strokes[2]).clamped() * self.palm * (0.5 + 0.2 * self.spots).clamped()
        return (0.7 * back + 0.8 * palm + lines).clamped()

    def _colour(self) -> Value:
        pigment, mottling = self.input["melanin"], self.input["mottling"]
        back = 1.0 - self.palm
        uneven = 1.0 + mottling * (0.05 * self.broad + 0.09 * self.spots + 0.3 * back * self.freckles)
        melanin = pigment * (uneven + back * (0.32 * self.flush + 0.45 * self.creases))
        melanin = melanin.towards(0.02 + pigment * (0.32 + 0.2 * self.creases), 0.92 * self.palm)
        melanin = melanin.towards(0.10 + 0.50 * pigment, self.nail)
        blood = self.input["haemoglobin"] * (0.75 + mottling * (0.22 * self.patches + 0.16 * self.broad))
        blood = blood + 0.65 * self.flush + 0.25 * self.palm + 0.6 * self.creases - 0.3 * self.veins
        blood = blood.towards(0.25 + 0.75 * self.input["nail"], self.nail).maths("MAXIMUM", 0.0)
        channels = [
            base * (-(melanin * m + blood * b)).exp() for base, m, b in zip(BLOODLESS, MELANIN, BLOOD, strict=True)
        ]
        return colour(self.tree, *(self._pale_nail_parts(channel) for channel in channels))

    def _pale_nail_parts(self, channel: Value) -> Value:
        """The nail's free edge and its moon are whitish."""
        edge = (self.nail_along + 0.10 * self.nail_across.squared()).step(0.93, 0.99)
        moon = 1.0 - (self.nail_along + 0.25 * self.nail_across.squared()).step(0.14, 0.24)
        return channel.towards(0.5, self.nail * (0.5 * edge + 0.15 * moon))

    def _roughness(self) -> Value:
        skin = 0.28 + 0.5 * self.input["roughness"] + 0.25 * self.fine + 0.02 * self.patches + 0.05 * self.palm
        return skin.towards(0.36, 0.85 * self.nail)

    def _normal(self) -> Any:
        """Bump from a height in millimetres."""
        depth = 0.25 + 0.75 * self.input["bump"]
        height = depth * (0.18 * self.fine + 0.02 * self.spots - 0.38 * self.creases) + 0.25 * self.veins
        groove = (self.nail_inside + 0.0001).bell(0.0004) * self.nail_along.step(0.98, 0.9)
        height = height.towards(0.16, self.nail) - 0.16 * groove
        node = self.tree.nodes.new("ShaderNodeBump")
        node.inputs["Distance"].default_value = 0.001
        self.tree.links.new(height.socket, node.inputs["Height"])
        return node.outputs["Normal"]
