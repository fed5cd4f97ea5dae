"""Writers of tiny data sets of images in each real format, from poses in this project's convention."""

import json
import pickle
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dataset.readers.conventions import FingerAngles
from dataset.readers.interhand_joints import TO_JOINTS_21
from dataset.rows import in_camera_frame
from hands.camera import Camera
from hands.joints import FROM_MANO_WITH_TIPS, Side
from hands.pose import TwoHandPose
from tests.dataset.readers.writers import example_poses, in_recording, interhand, save_hic, save_interhand, stored

GREY = (90, 90, 90)
OPENGL = np.diag([1.0, -1.0, -1.0])
PUBLISHED_TIPS = (744, 333, 444, 555, 672)
"""Fingertips of H2O-3D, other vertices than ours."""


def picture(size: tuple[int, int], dots: np.ndarray | None = None, colour=GREY) -> Image.Image:
    """A plain picture with a soft bright dot at each of some places (pixels; their centres lie at halves)."""
    x, y = np.arange(size[0]) + 0.5, np.arange(size[1])[:, None] + 0.5
    values = np.tile(np.array(colour, dtype=np.float64), (size[1], size[0], 1))
    for a, b in [] if dots is None else dots:
        values += 140 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 18)[..., None]
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def dot_of(image: np.ndarray) -> np.ndarray:
    """Where the dot of a picture (h, w, 3) is: the middle of what is brighter than the rest."""
    light = np.where(image[..., 0] > 100, image[..., 0] - 90.0, 0)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
    return np.array([(light * x).sum(), (light * y).sum()]) / light.sum()


def save_picture(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=95)


def joints(poses: TwoHandPose, row: int, side: Side, hands) -> np.ndarray:
    """Our 21 joints of one hand, metres."""
    return hands[side].joints_21(poses.side(side)[[row]].to(torch.float32).pose(hands[side]))[0].double().numpy()


def interhand_camera(content: dict, capture: str, name: str, size=(334, 512)) -> Camera:
    """A camera of `writers.interhand_cameras`, with lenses."""
    values = content["camera"][capture]
    R, centre = np.array(values["camrot"][name]), np.array(values["campos"][name]) / 1000
    (fx, fy), (cx, cy) = values["focal"][name], values["princpt"][name]
    return Camera(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]]), R, -R @ centre, *size)


def interhand_with_images(hands, count: int = 3, cameras=("400", "401"), capture: str = "13") -> dict:
    """`writers.interhand` with lenses and one image a frame and camera."""
    content = interhand(example_poses(hands, count), hands, capture=capture)
    for key, value in (("focal", [600.0, 610.0]), ("princpt", [160.0, 250.0])):
        content["camera"][capture][key] = {name: value for name in content["camera"][capture]["campos"]}
    images, annotations = [], []
    for number, (row, camera) in enumerate((row, camera) for row in range(count) for camera in cameras):
        file_name = f"Capture{capture}/0266_dh_pray/cam{camera}/image{100 + row}.jpg"
        about = {"width": 334, "height": 512, "capture": int(capture), "subject": 1, "seq_name": "0266_dh_pray"}
        images.append({"id": 7 * number, "file_name": file_name, "camera": camera, "frame_idx": 100 + row} | about)
        told = {"bbox": [0, 0, 1, 1], "joint_valid": [1] * 42, "hand_type": "interacting", "hand_type_valid": 1}
        annotations.append({"id": 1000 + number, "image_id": 7 * number} | told)
    content["data"] = {"images": images, "annotations": annotations[::-1]}
    return content


def save_interhand_images(folder: Path, hands, content: dict | None = None) -> tuple[Path, dict]:
    """The files and pictures; each picture has a dot at the right wrist."""
    content = content or interhand_with_images(hands)
    save_interhand(folder, content)
    frames = content["joint_3d"]["13"]
    for image in content["data"]["images"]:
        camera = interhand_camera(content, "13", image["camera"])
        wrist = np.array(frames[str(image["frame_idx"])]["world_coord"])[[TO_JOINTS_21[0]]] / 1000
        dots = camera.project(camera.to_camera(wrist))
        save_picture(folder / "images" / "train" / image["file_name"], picture((334, 512), dots))
    return folder, content


def save_hic_images(folder: Path, hands, count: int = 3) -> tuple[Path, TwoHandPose]:
    """Fits and pictures; the dot of the right wrist lies half a pixel up and left in coordinates of whole centres."""
    poses = example_poses(hands, count)
    save_hic(folder, poses, hands, FingerAngles.PCA)
    seen = in_recording(poses, hands)
    for row in range(count):
        wrist = joints(seen, row, Side.RIGHT, hands)[0]
        whole = 525 * wrist[:2] / wrist[2] + (319.5, 239.5)
        save_picture(folder / "01" / "1" / "rgb" / f"{row:03d}.png", picture((640, 480), whole[None] + 0.5))
    return folder, seen


def hic_index(folder: Path, names: dict[int, str]) -> None:
    """InterWild's file: pictures of some frames under other names."""
    fits = (
        "IJCV16___Results_MANO___parms_for___joints21/IJCV16___fakeGT___IJCV___01___Model_Hand_{}___ncomps45/{:03d}.ply"
    )
    images = [{"id": 50 + row, "file_name": name, "width": 640, "height": 480} for row, name in names.items()]
    annotations = [
        {"id": row, "image_id": 50 + row, "hand_type": "interacting"}
        | {"right_mano_path": fits.format("R", row), "left_mano_path": fits.format("L", row)}
        for row in names
    ]
    (folder / "HIC.json").write_text(json.dumps({"images": images, "annotations": annotations}))


H2O3D_K = np.array([[615.0, 0, 312.0], [0, 614.0, 241.0], [0, 0, 1]])


def h2o3d_meta(poses: TwoHandPose, row: int, hands, models=None) -> dict:
    """One file's content. `models` are the layers that give the joints in it."""
    seen = in_recording(poses, hands)
    gl = Camera(np.eye(3), OPENGL, np.zeros(3), 0, 0)
    content = {"camMat": H2O3D_K, "objName": "024_bowl", "objRot": np.zeros((3, 1))}
    for side in Side:
        model = (models or hands)[side]
        pose = in_camera_frame(seen.side(side)[[row]], hands[side], gl)
        hand = stored(pose, 0, hands[side], FingerAngles.FULL)
        posed = pose.to(torch.float32).pose(model)
        both = np.concatenate([posed.joints[0].numpy(), posed.vertices[0, list(PUBLISHED_TIPS)].numpy()])
        content |= {f"{side}HandPose": np.array(hand["pose"]), f"{side}HandTrans": np.array(hand["trans"])}
        content |= {f"{side}HandJoints3D": both.astype(np.float64), f"jointValid{side.title()}": np.ones(21)}
        content["handBeta"] = np.array(hand["shape"])
    return content


def save_h2o3d(folder: Path, hands, count: int = 3, models=None) -> tuple[Path, TwoHandPose]:
    """Frames of one sequence."""
    poses = example_poses(hands, count)
    seen = in_recording(poses, hands)
    (folder / "train" / "DSC1" / "meta").mkdir(parents=True)
    for row in range(count):
        content = h2o3d_meta(poses, row, hands, models)
        (folder / "train" / "DSC1" / "meta" / f"{row:04d}.pkl").write_bytes(pickle.dumps(content, 2))
        wrist = joints(seen, row, Side.RIGHT, hands)[:1] @ H2O3D_K.T
        save_picture(
            folder / "train" / "DSC1" / "rgb" / f"{row:04d}.jpg", picture((640, 480), wrist[:, :2] / wrist[:, 2:])
        )
    (folder / "train.txt").write_text("".join(f"DSC1/{row:04d}\n" for row in range(count)))
    return folder, seen


def tip_rows() -> list[int]:
    """Rows of `JOINTS_21` that are fingertips."""
    return [row for row, source in enumerate(FROM_MANO_WITH_TIPS) if source >= 16]


EGO_FOCAL = 0.924 * 406.78


def ego3dhands_joints(poses: TwoHandPose, row: int, hands) -> np.ndarray:
    """Joints (left, right) of a recording in metres, each hand 10 cm from wrist to middle knuckle seen from the camera."""
    seen, both = in_recording(poses, hands), []
    for side in (Side.LEFT, Side.RIGHT):
        ours = joints(seen, row, side, hands)
        both.append(ours * 0.1 / np.linalg.norm(ours[9] - ours[0]))
    return np.stack(both)


def save_ego3dhands(folder: Path, hands, count: int = 3, size=(960, 540)) -> tuple[Path, list[np.ndarray]]:
    """Instances; the last one shows the right hand alone."""
    poses, both = example_poses(hands, count), []
    for row in range(count):
        points = ego3dhands_joints(poses, row, hands)
        pixels = EGO_FOCAL * size[0] / 960 * points[..., :2] / points[..., 2:] + np.array(size) / 2
        place = folder / f"{row:05d}"
        save_picture(place / "color_new.png", picture(size, pixels[1, :1]))
        with_elbow = lambda values: np.concatenate([values[:, :1] + 0.01, values], axis=1)  # noqa: E731
        shares, cm = with_elbow((pixels / size)[..., ::-1]), with_elbow(100 * points[..., [1, 0, 2]])
        if row == count - 1:
            shares[0], cm[0] = 0, 0
        np.save(place / "location_2d.npy", shares)
        np.save(place / "location_3d_global.npy", cm)
        both.append(points)
    return folder, both
