"""The rules for views, judged with rays through every pixel of the small view: slow, and independent of the kernels."""

import numpy as np

from hands.camera import Camera
from hands.forearm import FOREARM_END
from hands.joints import Side
from rendering.labelling.raycast import Sight
from rendering.views.framing import CLEARANCE, GRID, Arms, Fault


def view_fault_by_rays(arms: Arms, camera: Camera, min_inside: float, min_visible: float, min_area: float):
    nearest = float(np.linalg.norm(arms.points - camera.position, axis=1).min())
    if nearest < CLEARANCE:
        return Fault("an arm too near the camera", nearest, CLEARANCE)
    for side in Side:
        if (share := inside_share(arms.hand(side), camera)) < min_inside:
            return Fault(f"too little of the {side} hand inside the image", share, min_inside)
    return _seen_fault(arms, small(camera), min_visible, min_area)


def _seen_fault(arms, camera, min_visible, min_area):
    rays = camera.pixel_rays()
    faces = [arms.forearms[side].faces for side in Side]
    both = Sight(arms.points, np.concatenate([faces[0], faces[1] + len(arms.vertices[Side.RIGHT])]))
    owner = np.concatenate([_kinds(arms.forearms[side], number) for number, side in enumerate(Side, start=1)])
    seen = both.first_faces(camera.position, rays)
    kinds = np.where(seen >= 0, owner[seen], 0).reshape(camera.height, camera.width)
    ends = np.concatenate([arms.vertices[side][-len(arms.forearms[side].rim) * FOREARM_END :] for side in Side])
    inside, pixels = _in_image(ends, camera)
    column, row = np.floor(pixels[inside]).astype(int).T
    if (share := float((kinds[row, column] == 0).sum() / len(ends))) > 0:
        return Fault("the end of a forearm is seen", share, 0.0)
    if (area := float((kinds > 0).mean())) < min_area:
        return Fault("hands too small in the image", area, min_area)
    for number, side in enumerate(Side, start=1):
        shown = (kinds == number).ravel()
        alone = Sight(arms.vertices[side], arms.forearms[side].hand_faces)
        behind = (alone.first_faces(camera.position, rays[~shown]) >= 0).sum()
        if (visible := shown.sum() / max(shown.sum() + behind, 1)) < min_visible:
            return Fault(f"too little of the {side} hand visible", float(visible), min_visible)
    return None


def small(camera: Camera) -> Camera:
    scale = GRID / camera.width
    K = np.diag([scale, scale, 1.0]) @ camera.K
    return Camera(K, camera.R, camera.t, GRID, max(round(camera.height * scale), 1))


def inside_share(points, camera: Camera) -> float:
    return float(_in_image(points, camera)[0].mean())


def _in_image(points, camera):
    seen = camera.to_camera(points)
    pixels = camera.project(seen)
    inside = (pixels >= 0).all(1) & (pixels < (camera.width, camera.height)).all(1)
    return inside & (seen[:, 2] > 0), pixels


def _kinds(forearm, number):
    kinds = np.zeros(len(forearm.faces), dtype=int)
    kinds[: len(forearm.hand_faces)] = number
    return kinds
