"""A gesture of the library as the surfaces that views are drawn from."""

import numpy as np

from dataset.assets.gestures import load_gestures
from hands.forearm import STRAIGHT, Forearm
from hands.gestures import gesture_pose
from hands.joints import Side
from rendering.views.framing import Arms

SKINS = ["pale", "tan", "dark"]


def make_arms(hands, name: str) -> Arms:
    (gesture,) = load_gestures(names=(name,))
    pose = gesture_pose(gesture, hands[Side.RIGHT], hands[Side.LEFT])
    posed = {side: pose.side(side).pose(hands[side]).vertices[0].double().numpy() for side in Side}
    both = np.concatenate(list(posed.values()))
    posed = {side: vertices - (both.min(0) + both.max(0)) / 2 for side, vertices in posed.items()}
    forearms = {side: Forearm.build(hands[side].arrays) for side in Side}
    return Arms.place(posed, forearms, dict.fromkeys(Side, STRAIGHT))
