"""The raw poses of a run: which files they are, told by checksum, and the poses themselves, read when first asked for."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from dataset.assets.gestures import load_gestures
from dataset.errors import InputError
from dataset.readers.checks import angles, metres, shape
from dataset.readers.formats import FITS_OF_MANO, TWO_HANDS
from dataset.readers.frame import Fault, attempt
from dataset.readers.source import RawPoses, Rules, choose_distinct, content_sha256, read_source
from dataset.shards import file_sha256
from dataset.splits import split_of
from hands.gestures import Gesture, gesture_pose
from hands.joints import Side
from hands.model import HandModel
from hands.pose import TwoHandPose
from hands.selection import closer_than
from tasks.config import SourceConfig
from tasks.progress import say

Hands = dict[Side, HandModel]


@dataclass
class PoseSource:
    """Where raw poses come from."""

    kind: str
    sha256: str
    """Checksum of its content, whatever the files are called and wherever they lie."""
    read: Callable[[], RawPoses]

    @cached_property
    def raw(self) -> RawPoses:
        """The poses, read once.

        Raises:
            InputError: they cannot be read.
        """
        return self.read()


def open_source(
    config: SourceConfig, hands: Hands, known: str | None = None, seed: int = 0, device: str = "cpu"
) -> PoseSource:
    """The source that the configuration names.

    A dataset can be opened without its source, to render or look at what it holds; only raw poses are out of reach then.

    Args:
        config: kind and place.
        hands: that the poses are for.
        known: checksum of the source that an existing dataset was made from; None for a new one.
        seed: of the run: decides poses that are drawn.
        device: Torch device of what draws them.

    Raises:
        InputError: its files are missing, or none is named for a new dataset.
    """
    if config.kind == "gestures":
        gestures = load_gestures(config.gestures, config.names)
        sha256 = hashlib.sha256(repr(gestures).encode()).hexdigest()
        return PoseSource(config.kind, sha256, lambda: _posed(gestures, hands, config.distinct))
    if config.path is None:
        if known is None:
            raise InputError(f"source.kind is {config.kind}, but no source.path is given; add {_how(config.kind)}")
        return PoseSource(config.kind, known, lambda: _refuse_to_read(config.kind))
    if config.kind == "ihdiff":
        from tasks.ihdiff.checkpoints import checkpoint_file

        checkpoint = checkpoint_file(config.path)
        return PoseSource(config.kind, file_sha256(checkpoint), lambda: _drawn(config, hands, seed, device))
    sha256 = content_sha256(TWO_HANDS[config.kind].files(config.path, config.subset))
    return PoseSource(config.kind, sha256, lambda: _read_aloud(config, hands))


def _posed(gestures: list[Gesture], hands: Hands, distinct: int) -> RawPoses:
    right, left = hands[Side.RIGHT], hands[Side.LEFT]
    poses = TwoHandPose.stack([gesture_pose(gesture, right, left) for gesture in gestures])
    names, splits = [gesture.name for gesture in gestures], [gesture.split for gesture in gestures]
    return choose_distinct(RawPoses(names, poses, splits), hands, distinct)


def _refuse_to_read(kind: str) -> RawPoses:
    raise InputError(f"raw poses of {kind} are needed, but no source.path is given; add {_how(kind)}")


def _how(kind: str) -> str:
    return f"--set source.path={'CHECKPOINT' if kind == 'ihdiff' else 'DIR'}"


def _read_aloud(config: SourceConfig, hands: Hands) -> RawPoses:
    """Read a recorded source and say what became of all its frames."""
    if config.kind in FITS_OF_MANO and "sha256" not in hands[Side.RIGHT].arrays.notes:
        say(f"{config.kind} holds parameters of MANO: with the free hand its poses are an approximation (hands.mano)")
    say(f"Reading poses of {config.kind}")
    started = time.monotonic()
    rules = Rules(config.max_hand_distance_mm, config.distinct, config.faults == "refuse")
    raw = read_source(config.kind, config.path, config.subset, hands, rules)
    _tell("Reading poses", raw, started)
    return raw


def _drawn(config: SourceConfig, hands: Hands, seed: int, device: str) -> RawPoses:
    """Draw poses from IHDiff and say what became of all of them."""
    from tasks.ihdiff.checkpoints import checkpoint_file, load_ihdiff  # only these runs wait for the network to load
    from tasks.ihdiff.sampling import Draws, draw

    model, file = load_ihdiff(config.path, hands), checkpoint_file(config.path).name
    say(f"Drawing {config.samples} poses from IHDiff")
    started = time.monotonic()
    draws = Draws(config.samples, config.sampling_steps, seed, device=device)
    rules = Rules(config.max_hand_distance_mm, config.distinct, config.faults == "refuse")
    raw = sort_out(draws.names, draw(model, hands, draws), hands, rules, file)
    _tell("Drawing poses", raw, started)
    return raw


def sort_out(names: list[str], poses: TwoHandPose, hands: Hands, rules: Rules, file: str) -> RawPoses:
    """Those of drawn poses that the rules admit; each is a person of its own.

    Args:
        names: unique, one for each pose.
        poses: in the world, z up, centred.
        file: the checkpoint's name, for faults.

    Raises:
        InputError: none can be used, or there is a fault where none may be.
    """
    found = [attempt(name, file, lambda n=name, r=row: _check(poses, r, n)) for row, name in enumerate(names)]
    faults = tuple(fault for fault in found if fault is not None)
    if faults and rules.refuse_faults:
        raise InputError(
            f"{faults[0].place}: {faults[0].reason}; leave such poses out with source.faults=skip, or train further"
        )
    rows = [row for row, fault in enumerate(found) if fault is None]
    near = closer_than(poses[rows], hands, rules.max_distance_mm / 1000).nonzero()[:, 0].tolist() if rows else []
    left_out = Counter({f"hands more than {rules.max_distance_mm:g} mm apart": len(rows) - len(near)})
    if not near:
        counts = ", ".join(
            f"{count} {reason}" for reason, count in (left_out + Counter(f.reason for f in faults)).items()
        )
        raise InputError(
            f"{file}: no pose drawn from it can be used ({counts}); give a checkpoint that is trained further"
        )
    kept = [rows[row] for row in near]
    chosen = [names[row] for row in kept]
    raw = RawPoses(chosen, poses[kept], [split_of("person", name) for name in chosen], faults, +left_out)
    return choose_distinct(raw, hands, rules.distinct)


def _check(poses: TwoHandPose, row: int, name: str) -> None:
    """Raises a `Refusal` where a number is none that a hand may have, the rules of recordings."""
    for side in Side:
        values, where = poses.side(side), f"{name}.{side}"
        angles(values.global_orient[row].numpy(), f"{where}.global_orient", 3)
        angles(values.hand_pose[row].numpy(), f"{where}.hand_pose", 45)
        shape(values.betas[row].numpy(), f"{where}.betas")
        metres(values.transl[row].numpy(), f"{where}.transl")


def _tell(title: str, raw: RawPoses, started: float) -> None:
    say(f"{title}: {len(raw.names)} poses in {time.monotonic() - started:.1f} s")
    for reason, count in raw.left_out.items():
        say(f"{title}: {count} left out: {reason}")
    for reason, count in Counter(fault.reason for fault in raw.faults).items():
        say(f"{title}: {count} unusable: {reason}, the first in {_first(raw.faults, reason).place}")


def _first(faults: tuple[Fault, ...], reason: str) -> Fault:
    return next(fault for fault in faults if fault.reason == reason)
