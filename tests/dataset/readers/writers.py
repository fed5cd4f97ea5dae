"""Writers of tiny files in each real format, from poses in this project's convention."""

import json
from pathlib import Path

import numpy as np
import torch
import yaml

from dataset.assets.gestures import load_gestures
from dataset.readers.conventions import FingerAngles, rotation_to_z
from dataset.readers.interhand_joints import TO_JOINTS_21
from dataset.rows import in_camera_frame
from hands.camera import Camera
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose
from tests.dataset.assets.test_mano_pickle import python2_pickle

NAMES = ("clasp", "prayer", "hand_heart", "fist_bump", "okay_links")
UP = (0.0, -1.0, 0.0)
"""The vertical of the recordings that are written here."""
FAR = np.array([0.3, -0.2, 1.1])
"""Where their hands are, metres."""


def example_poses(hands, count: int = 3, betas: float = 0.7) -> TwoHandPose:
    """Gestures of one person, in this project's world."""
    gestures = load_gestures(names=NAMES)[:count]
    poses = TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures])
    person = betas * torch.linspace(-1, 1, 10).repeat(count, 1)
    sides = [HandPose(p.global_orient, p.hand_pose, person, p.transl) for p in (poses.right, poses.left)]
    return TwoHandPose(*sides)


def in_recording(poses: TwoHandPose, hands, up=UP, at=FAR) -> TwoHandPose:
    """The same poses in a frame in which `up` is the vertical: the reader must undo just this."""
    camera = Camera(np.eye(3), rotation_to_z(up).T, np.asarray(at), 0, 0)
    return TwoHandPose(*(in_camera_frame(poses.side(side).to(torch.float64), hands[side], camera) for side in Side))


def stored(pose: HandPose, row: int, model, angles: FingerAngles, betas: str = "shape") -> dict:
    """One hand as a file has it: `pose` (3 + 45), shape and `trans`."""
    full = pose.hand_pose[row].double().numpy()
    mean, components = model.arrays.hands_mean, model.arrays.hands_components
    fingers = {
        FingerAngles.FULL: full,
        FingerAngles.MINUS_MEAN: full - mean,
        FingerAngles.PCA: np.linalg.solve(components.T, full - mean),
    }[angles]
    return {
        "pose": [*pose.global_orient[row].tolist(), *fingers.tolist()],
        betas: pose.betas[row].tolist(),
        "trans": pose.transl[row].tolist(),
    }


def interhand(poses: TwoHandPose, hands, subset: str = "train", capture: str = "13") -> dict:
    """Contents of InterHand2.6M's files by ending; frame numbers are 100, 101, …"""
    world = in_recording(poses, hands)
    frames = [str(100 + row) for row in range(len(poses))]
    mano = {
        frame: {str(s): stored(world.side(s), row, hands[s], FingerAngles.MINUS_MEAN) for s in Side}
        for row, frame in enumerate(frames)
    }
    joints = {frame: interhand_joints(world, row, hands) for row, frame in enumerate(frames)}
    images, annotations = [], []
    for number, (frame, camera) in enumerate((f, c) for f in frames for c in ("400012", "400262")):
        images.append({"id": 5 * number, "capture": int(capture), "frame_idx": int(frame), "camera": camera})
        annotations.append({"id": number, "image_id": 5 * number, "hand_type": "interacting"})
    return {
        "MANO_NeuralAnnot": {capture: mano},
        "joint_3d": {capture: joints},
        "camera": {capture: interhand_cameras()},
        "data": {"images": images, "annotations": annotations},
    }


def interhand_joints(world: TwoHandPose, row: int, hands) -> dict:
    """One frame of `joint_3d`: millimetres, fingertips first, wrist last."""
    both = []
    for side in Side:
        ours = hands[side].joints_21(world.side(side)[[row]].to(torch.float32).pose(hands[side]))[0].numpy()
        theirs = np.empty((21, 3))
        theirs[list(TO_JOINTS_21)] = 1000 * ours
        both += theirs.tolist()
    return {"world_coord": both, "joint_valid": [[1]] * 42, "hand_type": "interacting", "seq": "0266_dh_pray"}


def interhand_cameras(turns=(0.3, -0.3, 2.0, -2.0), tilt: float = 0.0) -> dict:
    """Upright cameras (−y is up) around the vertical, a metre away; `campos` and `camrot` by name."""
    positions, rotations = {}, {}
    for number, turn in enumerate(turns):
        forward = np.array([np.sin(turn), np.sin(tilt), np.cos(turn) * np.cos(tilt)])
        forward /= np.linalg.norm(forward)
        right = np.cross([0.0, 1.0, 0.0], forward)
        right /= np.linalg.norm(right)
        rotations[f"40{number}"] = np.stack([right, np.cross(forward, right), forward]).tolist()
        positions[f"40{number}"] = (1000 * (FAR - forward)).tolist()
    return {"campos": positions, "camrot": rotations}


def save_interhand(folder: Path, content: dict, subset: str = "train", layout: str = "annotations/train") -> Path:
    """Write the files; Python's JSON writes NaN as it is, as people's scripts do."""
    (folder / layout).mkdir(parents=True, exist_ok=True)
    for part, value in content.items():
        (folder / layout / f"InterHand2.6M_{subset}_{part}.json").write_text(json.dumps(value))
    return folder


def save_reinterhand(
    folder: Path, poses: TwoHandPose, hands, capture: str = "m--20230101--0000--AAA000--hands"
) -> Path:
    """A capture of Re:InterHand; frames are 7, 8, …"""
    params = folder / capture / "mano_fits" / "params"
    params.mkdir(parents=True)
    world = in_recording(poses, hands)
    for row in range(len(poses)):
        for side in Side:
            content = stored(world.side(side), row, hands[side], FingerAngles.MINUS_MEAN)
            (params / f"{7 + row}_{side}.json").write_text(json.dumps(content))
    cameras = interhand_cameras()
    views = {}
    for name, R in cameras["camrot"].items():
        t = -np.array(R) @ cameras["campos"][name]
        views[name] = {"R": R, "t": t.tolist(), "focal": [2000.0, 2000.0], "princpt": [500.0, 500.0]}
    (folder / capture / "Mugsy_cameras").mkdir()
    (folder / capture / "Mugsy_cameras" / "cam_params.json").write_text(json.dumps(views))
    return folder


def hic_folder(folder: Path, side: Side, sequence: str = "01") -> Path:
    letter = "R" if side is Side.RIGHT else "L"
    results = folder / "IJCV16___Results_MANO___parms_for___joints21"
    return results / f"IJCV16___fakeGT___IJCV___{sequence}___Model_Hand_{letter}___ncomps45"


def save_hic(folder: Path, poses: TwoHandPose, hands, angles: FingerAngles, models=None) -> Path:
    """HIC's fits as Python 2 pickles; `models` pose the vertices that are stored with them."""
    world = in_recording(poses, hands)
    for side in Side:
        hic_folder(folder, side).mkdir(parents=True, exist_ok=True)
        vertices = world.side(side).to(torch.float32).pose((models or hands)[side]).vertices.numpy()
        for row in range(len(poses)):
            content = stored(world.side(side), row, hands[side], angles, betas="betas")
            content = {key: np.array(value) for key, value in content.items()}
            content |= {"v": vertices[row].astype(np.float64), "ncomps": 45, "model_name": "MANO"}
            (hic_folder(folder, side) / f"{row:03d}.pkl").write_bytes(python2_pickle(content))
    return folder


def save_freihand(folder: Path, poses: HandPose, hands) -> Path:
    """FreiHAND's parameter file of right hands."""
    rows = []
    for row in range(len(poses)):
        hand = stored(poses, row, hands[Side.RIGHT], FingerAngles.MINUS_MEAN)
        rows.append([[*hand["pose"], *hand["shape"], 112.0, 98.5, 4321.0]])
    (folder / "training_mano.json").write_text(json.dumps(rows))
    return folder


def save_dexycb(folder: Path, poses: HandPose, side: Side, hands, sequence: str = "20200709_141754") -> Path:
    """A sequence of DexYCB seen by two cameras; the first frame shows no hand."""
    place, calibration = folder / "20200709-weiy" / sequence, folder / "calibration" / f"mano_someone_{side}"
    calibration.mkdir(parents=True, exist_ok=True)
    (calibration / "mano.yml").write_text(yaml.safe_dump({"betas": poses.betas[0].tolist()}))
    serials = ["836212060125", "839512060362"]
    meta = {"serials": serials, "num_frames": len(poses) + 1, "mano_sides": [str(side)]}
    place.mkdir(parents=True)
    (place / "meta.yml").write_text(yaml.safe_dump(meta | {"mano_calib": [f"someone_{side}"]}))
    for serial in serials:
        (place / serial).mkdir()
        np.savez(place / serial / "labels_000000.npz", pose_m=np.zeros((1, 51), np.float32))
        for row in range(len(poses)):
            hand = stored(poses, row, hands[side], FingerAngles.PCA)
            pose_m = np.array([[*hand["pose"], *hand["trans"]]], dtype=np.float32)
            np.savez(place / serial / f"labels_{row + 1:06d}.npz", pose_m=pose_m)
    return folder


def surfaces(poses: TwoHandPose, hands) -> torch.Tensor:
    """Vertices of both hands about the mean of their joints, metres: what must survive any reading."""
    both = [poses.side(side).to(torch.float32).pose(hands[side]) for side in Side]
    joints = torch.cat([hands[side].joints_21(posed) for side, posed in zip(Side, both, strict=True)], dim=1)
    return torch.cat([posed.vertices for posed in both], dim=1) - joints.mean(1, keepdim=True)
