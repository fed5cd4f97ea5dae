"""The procedural skin: a Principled material coloured by melanin, blood and carotene, with folds, veins, hair and nails.

Where things are comes with the mesh (`rendering.skin.map`) and is that of the rest hand, so the texture stays on the skin
when the hand moves. The graph of the bump is evaluated three times a sample: it looks things up and computes little.
"""

from typing import Any

from rendering.skin.colour import BLOOD, BLOODLESS, CAROTENE, MELANIN
from rendering.skin.patterns import detail_picture, line_picture
from rendering.skin.pictures import add_picture_nodes, use_pictures
from rendering.skin.shader_maths import Value, attribute, colour, constant, picture
from rendering.skin.skins import NUMBERS, Skin

VEIN = (0.34, 0.14, 0.02)
"""Absorption of a pale person's strongest vein: little red comes back, so it looks bluish."""
VARNISH = (0.30, 0.012, 0.022)
"""Linear colour of nail varnish."""
SCATTER_RADIUS = (1.0, 0.36, 0.20)
"""Relative reach of red, green and blue light under the skin."""
SCATTER_SCALE = 0.0011
"""Reach of red light, metres."""
COVERAGE_PASS = "hands"


def make_skin_material(bpy: Any, name: str) -> Any:
    """A new material; it writes the mesh's attribute `COVERAGE_PASS` into the pass of that name."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    _Skin(bpy, tree).connect(tree.nodes["Principled BSDF"])
    output = tree.nodes.new("ShaderNodeOutputAOV")
    output.aov_name = COVERAGE_PASS
    source = tree.nodes.new("ShaderNodeAttribute")
    source.attribute_name = COVERAGE_PASS
    tree.links.new(source.outputs["Color"], output.inputs["Color"])
    return material


def set_skin(material: Any, skin: Skin) -> None:
    """Give the material another person's numbers and pictures.

    Raises:
        InputError: Blender cannot read a picture.
    """
    nodes = material.node_tree.nodes
    for name, value in skin.numbers.items():
        nodes[name].outputs[0].default_value = value
    nodes["textured"].outputs[0].default_value = float(bool(skin.texture))
    if tuple(material.get("pictures", ("", "", ""))) != skin.pictures:
        use_pictures(material.node_tree, skin.pictures)
        material["pictures"] = skin.pictures


class _Skin:
    """The graph, part by part."""

    def __init__(self, bpy: Any, tree: Any) -> None:
        self.tree = tree
        self.input = {name: constant(tree, 0.5, name) for name in NUMBERS}
        _, (self.palm, self.flush, self.hairy) = attribute(tree, "tone")
        _, (self.broad, self.patches, self.spots) = attribute(tree, "pattern")
        chart, (_, _, arm_vein) = attribute(tree, "chart")
        lines, (_, _, texture_share) = attribute(tree, "lines")
        self.textured = constant(tree, 0.0, "textured") * texture_share
        _, (on_back, on_palm, on_veins) = attribute(tree, "depth")
        _, (self.nail_facing, self.nail_along, self.nail_across) = attribute(tree, "nail")
        self.relief, hair, self.speckle, self.grain = picture(bpy, tree, "skin detail", detail_picture, chart, "REPEAT")
        back, palm, vein, tendon = picture(bpy, tree, "skin lines", line_picture, lines, "EXTEND")
        self.back = 1.0 - self.palm
        procedural = 1.0 - self.textured  # a texture has its own folds, veins and hair
        self.fold, self.crease = back * on_back * procedural, palm * on_palm * procedural
        self.vein = self.input["veins"] * procedural * (vein * on_veins).maths("MAXIMUM", arm_vein)
        self.spotted = on_veins.maths("MAXIMUM", self.hairy)
        self.tendon = self.input["tendons"] * procedural * tendon * on_veins
        self.inside = self._inside_nail()
        self.nail = self.inside.step(-0.00008, 0.00012)
        self.groove = self.inside.bell(0.0002)
        needed = 1.0 - self.input["hair"] * self.hairy
        self.hair = ((hair - needed) * 14.0).clamped() * (self.input["hair"] * 4.0).clamped() * procedural

    def connect(self, principled: Any) -> None:
        """Link everything into the Principled node."""
        plug = lambda value, socket: self.tree.links.new(value.socket, principled.inputs[socket])  # noqa: E731
        principled.subsurface_method = "BURLEY"
        self._use_textures(principled)
        plug(self.input["subsurface"] * (1.0 - 0.6 * self.nail), "Subsurface Weight")
        principled.inputs["Subsurface Radius"].default_value = SCATTER_RADIUS
        principled.inputs["Subsurface Scale"].default_value = SCATTER_SCALE
        principled.inputs["Specular IOR Level"].default_value = 0.34
        plug(self.nail * (0.2 + 0.6 * self.input["varnish"]), "Coat Weight")
        principled.inputs["Coat Roughness"].default_value = 0.14
        self.tree.links.new(self.bump.outputs["Normal"], principled.inputs["Normal"])

    def _use_textures(self, principled: Any) -> None:
        """Colour, roughness and bump, each with a place where a user's picture can take over."""
        base, rough = self.tree.nodes.new("ShaderNodeMix"), self.tree.nodes.new("ShaderNodeMix")
        base.data_type, self.bump = "RGBA", self._bump()
        links = self.tree.links
        for node in (base, rough):
            links.new(self.textured.socket, node.inputs[0])
        links.new(self._colour().socket, base.inputs[6])
        links.new(self._roughness().socket, rough.inputs[2])
        rough.inputs[3].default_value = 0.5
        links.new(base.outputs[2], principled.inputs["Base Color"])
        links.new(rough.outputs[0], principled.inputs["Roughness"])
        add_picture_nodes(self.tree, {"texture": base, "normal": self.bump, "rough": rough})

    def _inside_nail(self) -> Value:
        """Metres inside the nail's outline, a square with round corners in its own coordinates."""
        along, across = self.nail_along.squared(), self.nail_across.squared()
        outline = (1.0 - along.squared() - across.squared()) * 0.0013
        return outline.maths("MINIMUM", self.nail_facing)

    def _colour(self) -> Value:
        blood, melanin = self._blood(), self._melanin()
        carotene = self.input["carotene"] * (0.7 + 0.6 * self.palm) * (1.0 - 0.7 * self.nail)
        bluish = self.vein * self.back * (1.0 - 0.75 * self.input["melanin"])
        channels = []
        for base, m, b, c, v in zip(BLOODLESS, MELANIN, BLOOD, CAROTENE, VEIN, strict=True):
            absorbed = melanin * m + blood * b + carotene * c + bluish * v
            channels.append(base * (-absorbed).exp())
        hair = (0.42, 0.27, 0.13), (0.018, 0.012, 0.009)
        covered = 0.85 * self.hair
        for k, (fair, dark) in enumerate(zip(*hair, strict=True)):
            strand = fair + (dark - fair) * self.input["hair_melanin"]
            channels[k] = self._painted_nail(channels[k].towards(strand, covered), VARNISH[k])
        return colour(self.tree, *channels)

    def _melanin(self) -> Value:
        pigment, mottling = self.input["melanin"], self.input["mottling"]
        speckle = self.speckle - 0.5
        uneven = 1.0 + mottling * (0.06 * self.broad + 0.07 * self.spots + 0.36 * speckle)
        dark = 0.22 * self.flush + 0.35 * self.fold  # knuckles and folds of the back are darker on brown skin
        melanin = pigment * (uneven + self.back * dark) + 0.05 * self.fold
        spot = (self.spots + 1.6 * speckle).step(1.0, 2.6) * self.spotted
        freckle = (self.speckle + 0.05 * self.patches).step(0.63, 0.78)
        melanin = melanin + self.back * (
            0.38 * self.input["age_spots"] * spot + 0.30 * self.input["freckles"] * freckle
        )
        melanin = melanin.towards(0.01 + pigment * (0.40 + 0.10 * speckle + 0.30 * self.crease), 0.92 * self.palm)
        return melanin.towards(0.05 + 0.60 * pigment, self.nail)

    def _blood(self) -> Value:
        mottling = self.input["mottling"] * (0.16 * self.patches + 0.10 * self.broad + 0.65 * (self.speckle - 0.5))
        blood = self.input["haemoglobin"] * (0.9 + mottling * (1.0 + 0.7 * self.palm)) + 0.36 * self.flush
        blood = (
            blood
            + 0.25 * self.palm * (0.8 + 0.35 * self.broad)
            + 0.55 * self.crease
            + 0.45 * self.fold
            - 0.12 * self.tendon
        )
        under = 0.42 + 0.80 * self.input["nail"] + 0.12 * self.nail_along
        return blood.towards(under, self.nail).maths("MAXIMUM", 0.0)

    def _painted_nail(self, channel: Value, varnish: float) -> Value:
        """The nail's free edge and its moon are whitish, the fold around it shaded; varnish hides all but the fold."""
        round_across = self.nail_across.squared()
        edge = (self.nail_along + 0.12 * round_across).step(0.80, 0.87)
        moon = 1.0 - (self.nail_along + 0.5 * round_across).step(-0.80, -0.62)
        natural = channel.towards(0.52 - 0.2 * self.input["melanin"], self.nail * (0.70 * edge + 0.16 * moon))
        return natural.towards(varnish, self.nail * self.input["varnish"]) * (1.0 - 0.35 * self.groove)

    def _roughness(self) -> Value:
        skin = 0.34 + 0.42 * self.input["roughness"] + 0.35 * (self.grain - 0.5) + 0.02 * self.patches
        return (skin + 0.04 * self.palm - 0.1 * (self.relief - 0.8)).towards(0.30, 0.9 * self.nail)

    def _bump(self) -> Any:
        """Bump from a height in millimetres."""
        depth = 0.25 + 0.75 * self.input["bump"]
        fine = (0.03 + 0.08 * self.back) * self.relief + 0.06 * self.grain
        height = depth * (fine - 0.34 * self.fold) - 0.42 * self.crease
        height = height + 0.42 * self.vein + 0.65 * self.tendon
        height = height.towards(0.18, self.nail) - 0.14 * self.groove
        node = self.tree.nodes.new("ShaderNodeBump")
        node.inputs["Distance"].default_value = 0.001
        self.tree.links.new(height.socket, node.inputs["Height"])
        return node
