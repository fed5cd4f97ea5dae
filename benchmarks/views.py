"""Views of the gesture library: how many are drawn again or refused, why, and how long a draw takes.

python -m benchmarks.views
python -m benchmarks.views --pictures out/views.png --gesture prayer     all 40 places of one pose, drawn by Cycles
"""

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from dataset.assets.environments import read_environments
from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import load_hands
from hands.forearm import Forearm, WristBend, choose_bends
from hands.gestures import Gesture, gesture_pose
from hands.joints import Side
from hands.model import HandModel
from hands.random_streams import stream
from rendering.job import RenderJob
from rendering.skin.skins import load_skins
from rendering.supervisor import Renderer
from rendering.surface import HandSurface
from rendering.views.cameras import CameraConfig, draw_view
from rendering.views.framing import Arms

Placed = tuple[dict[Side, np.ndarray], dict[Side, WristBend]]


def place(gesture: Gesture, hands: dict[Side, HandModel], forearms: dict[Side, Forearm]) -> Placed:
    """Model vertices with the hands' centre at the origin, and the wrists' bends."""
    pose = gesture_pose(gesture, hands[Side.RIGHT], hands[Side.LEFT])
    posed = {side: pose.side(side).pose(hands[side]).vertices[0].double().numpy() for side in Side}
    both = np.concatenate(list(posed.values()))
    centred = {side: vertices - (both.min(0) + both.max(0)) / 2 for side, vertices in posed.items()}
    bends, _ = choose_bends(centred, forearms, stream(0, gesture.name, "wrists"))
    return centred, bends


def count(config: CameraConfig, hands: dict[Side, HandModel], forearms: dict[Side, Forearm]) -> None:
    """Draw every view of every gesture and print what happened."""
    reasons, refused, draws, views = Counter(), Counter(), 0, 0
    started = time.perf_counter()
    for gesture in load_gestures():
        arms = Arms.place(*_with_forearms(place(gesture, hands, forearms), forearms))
        for view in range(config.views):
            drawn = draw_view(arms, view, config, 0, gesture.name)
            views, draws = views + 1, draws + 1 + len(drawn.redrawn)
            reasons.update(fault.reason for fault in drawn.redrawn)
            refused.update([drawn.fault.reason] if drawn.fault else [])
    each = 1e3 * (time.perf_counter() - started) / draws
    kind = "egocentric" if config.egocentric else "tracks"
    print(f"{kind}: {views} views, {draws - views} drawn again, {sum(refused.values())} refused, {each:.1f} ms a draw")
    for reason, number in reasons.most_common():
        print(f"    {number:5d}  {reason}")


def _with_forearms(placed: Placed, forearms: dict[Side, Forearm]) -> tuple:
    return placed[0], forearms, placed[1]


def draw_tracks(path: Path, name: str, hands: dict[Side, HandModel], forearms: dict[Side, Forearm]) -> None:
    """One row a track, ten places each: what stands exactly on the tracks, whatever it shows."""
    (gesture,) = load_gestures(names=(name,))
    posed, bends = place(gesture, hands, forearms)
    surfaces = {side: HandSurface.build(hands[side].arrays) for side in Side}
    fine = {side: surfaces[side].vertices(posed[side], bends[side]) for side in Side}
    config = CameraConfig(
        views=40, width=192, height=126, track_jitter=0, roll=0, offset=0, min_inside=0, min_visible=0, min_area=0
    )
    arms = Arms.place(posed, forearms, bends)
    skin = load_skins()["tan"] if "tan" in load_skins() else next(iter(load_skins().values()))
    hdri = next(e for e in read_environments() if e.id == "courtyard").path()
    tiles = []
    with Renderer(surfaces) as renderer:
        for view in range(config.views):
            camera = draw_view(arms, view, config, 0, name).camera
            job = RenderJob(fine[Side.RIGHT], fine[Side.LEFT], camera, hdri, 0.0, 1.0, 0.0, skin, skin, samples=12)
            tiles.append(renderer.render(job).pixels)
    order = sorted(range(40), key=lambda view: (view % 4, view))
    rows = [np.concatenate([tiles[view] for view in order[first : first + 10]], axis=1) for first in range(0, 40, 10)]
    Image.fromarray(np.concatenate(rows)).save(path)


def main() -> None:
    """Parse, count, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="draw the 40 places of one gesture into this file instead")
    parser.add_argument("--gesture", default="prayer")
    options = parser.parse_args()
    hands = load_hands()
    forearms = {side: Forearm.build(hands[side].arrays) for side in Side}
    if options.pictures:
        draw_tracks(options.pictures, options.gesture, hands, forearms)
        return
    for egocentric in (0.0, 1.0):
        count(CameraConfig(views=10, egocentric=egocentric), hands, forearms)


if __name__ == "__main__":
    main()
