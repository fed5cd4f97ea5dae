"""Labels drawn over an image are where the labels are."""

import numpy as np

from dataset.inspection.overlay import FINGER_COLOURS, HAND_COLOURS, annotated, draw_joints, draw_mask, joint_colour
from dataset.pictures import photo, values
from dataset.rows import joints_2d
from hands.joints import JointState, Side


def near(pixel, colour, tolerance):
    return np.abs(np.asarray(pixel, dtype=int) - colour).max() <= tolerance


def test_visible_joints_are_full_and_hidden_ones_hollow(image_rows):
    row, tried = image_rows[2], {True: 0, False: 0}
    drawn = np.asarray(draw_joints(photo(row["image"]).resize((1024, 768)), row))
    for side in Side:
        points = joints_2d(row[side]) * 4
        for joint in range(1, 21):
            distances = np.linalg.norm(points - points[joint], axis=1)
            others = np.concatenate([joints_2d(row[s]) * 4 for s in Side])
            if (np.linalg.norm(others - points[joint], axis=1) < 18).sum() > 1 or np.sort(distances)[1] < 18:
                continue
            x, y = np.floor(points[joint]).astype(int)
            visible = row[side]["joint_state"][joint] == JointState.VISIBLE
            assert near(drawn[y, x], joint_colour(joint), 40) == visible
            tried[bool(visible)] += 1
    assert min(tried.values()) > 0, "the sample must show both kinds"


def test_mask_colours_each_hand_and_leaves_the_rest(image_rows):
    row = image_rows[0]
    plain, masked = (
        np.asarray(photo(row["image"]), dtype=int),
        np.asarray(draw_mask(photo(row["image"]), row), dtype=int),
    )
    mask = values(row["mask_hands"])
    assert (plain == masked)[mask == 0].all()
    for side, number in ((Side.RIGHT, 1), (Side.LEFT, 2)):
        before = np.abs(plain[mask == number] - HAND_COLOURS[side]).mean()
        assert np.abs(masked[mask == number] - HAND_COLOURS[side]).mean() < 0.6 * before
    assert annotated(row, "mask_parts").size == (256, 192)


def test_fingers_have_distinct_colours():
    colours = [*FINGER_COLOURS.values(), *HAND_COLOURS.values()]
    gaps = [np.linalg.norm(np.subtract(a, b)) for i, a in enumerate(colours) for b in colours[:i]]
    assert min(gaps) > 50
