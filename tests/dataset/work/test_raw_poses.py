"""Raw poses on storage: exactly what was put there."""

import pytest
import torch

from dataset.errors import InputError
from dataset.readers.source import RawPoses
from dataset.storage.folder import FolderStore
from dataset.work.raw_poses import FILE, read_raw, write_raw
from hands.joints import Side
from hands.pose import HandPose, TwoHandPose


def hand(seed: int) -> HandPose:
    draw = torch.Generator().manual_seed(seed)
    shapes = {"global_orient": 3, "hand_pose": 45, "betas": 10, "transl": 3}
    return HandPose(**{name: torch.randn(5, size, generator=draw) for name, size in shapes.items()})


def test_they_come_back_bit_by_bit(tmp_path):
    raw = RawPoses([f"ö{n}" for n in range(5)], TwoHandPose(hand(1), hand(2)), ["train"] * 4 + ["test"])
    store = FolderStore(tmp_path)
    assert read_raw(store) is None
    write_raw(store, raw)
    again = read_raw(store)
    assert again.names == raw.names and again.splits == raw.splits
    for side in Side:
        for name, values in vars(raw.poses.side(side)).items():
            assert torch.equal(values, getattr(again.poses.side(side), name))


@pytest.mark.parametrize("content", [b"", b"12345678", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_damaged_file_is_one_sentence(tmp_path, content):
    store = FolderStore(tmp_path)
    store.write(FILE, content)
    with pytest.raises(InputError, match="is damaged"):
        read_raw(store)
