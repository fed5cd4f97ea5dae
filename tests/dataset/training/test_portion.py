"""Parts of many images: exact counts, nested, the same wherever they are chosen; of our own datasets, too."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.errors import InputError
from dataset.manifest import Manifest
from dataset.training.batch_loader import BatchLoader
from dataset.training.batching import Batching
from dataset.training.image_batches import ImageBatches
from dataset.training.portion import Portion
from dataset.training.row_groups import find_row_groups
from dataset.training.window import Window

SHARES = (0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0)


def names(batches) -> list[str]:
    return sorted(name for batch in batches for name in batch.sample_ids)


@pytest.mark.parametrize(
    ("portion", "images", "count"),
    [
        (Portion(0.01), 366_358, 3_663),
        (Portion(0.29), 100, 29),
        (Portion(0.001), 50, 1),
        (Portion(), 7, 7),
        (Portion(most=40_000), 366_358, 40_000),
        (Portion(most=10), 7, 7),
        (Portion(0.5, most=3), 100, 3),
        (Portion(0.5, most=80), 100, 50),
    ],
)
def test_counts(portion, images, count):
    assert portion.count(images) == count


@given(st.integers(0, 5), st.integers(1, 60), st.floats(0.01, 1), st.floats(0.01, 1))
@settings(max_examples=30, deadline=None)
def test_a_smaller_part_lies_in_a_larger_one(seed, images, one, other):
    listed = [f"image {n}" for n in range(images)]
    small, large = (set(Portion(share, seed=seed).chosen(listed).tolist()) for share in sorted((one, other)))
    assert small <= large and len(large) >= 1


def test_the_choice_follows_from_seed_and_names_alone():
    listed = [f"n{n}" for n in range(200)]
    first = {listed[row] for row in Portion(0.2, seed=1).chosen(listed)}
    turned = listed[::-1]
    assert first == {turned[row] for row in Portion(0.2, seed=1).chosen(turned)}
    assert first != {listed[row] for row in Portion(0.2, seed=2).chosen(listed)}
    assert list(Portion(0.2, seed=1).chosen(listed)) == sorted(Portion(0.2, seed=1).chosen(listed))


def test_every_image_is_as_likely(generator):
    """Over many seeds, 1,000 draws of 10 %: each of 50 names is taken 100 times, give or take five standard deviations."""
    listed = [f"{n}" for n in range(50)]
    taken = np.bincount(np.concatenate([Portion(0.1, seed=seed).chosen(listed) for seed in range(1000)]), minlength=50)
    assert np.abs(taken - 100).max() < 5 * np.sqrt(1000 * 0.1 * 0.9)


@pytest.mark.parametrize("values", [{"share": 0}, {"share": 1.2}, {"share": -0.1}, {"most": -1}])
def test_impossible_parts_are_refused(values):
    with pytest.raises(InputError, match=next(iter(values))):
        Portion(**values)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_parts_of_a_dataset_have_the_right_size_and_are_nested(many_dir, train_ids, seed):
    parts = [names(ImageBatches(many_dir, "train", Batching(1), portion=Portion(s, seed=seed))) for s in SHARES]
    assert [len(part) for part in parts] == [1, 1, 2, 7, 12, 16, 24]
    assert all(set(a) <= set(b) for a, b in pairwise(parts))
    assert parts[-1] == train_ids and all(len(set(part)) == len(part) for part in parts)


def test_a_fixed_count_and_other_splits(many_dir):
    kept = names(ImageBatches(many_dir, (), Batching(2), portion=Portion(most=9, seed=4)))
    assert len(kept) == 9
    assert set(kept) <= set(names(ImageBatches(many_dir, (), Batching(2), portion=Portion(most=20, seed=4))))


def test_groups_that_are_left_out_are_not_read(many_dir, monkeypatch):
    read, fill = [], Window.fill
    monkeypatch.setattr(Window, "fill", lambda self, groups, wanted: read.extend(wanted) or fill(self, groups, wanted))
    list(ImageBatches(many_dir, "train", Batching(2, window=1, lanes=1), portion=Portion(most=6)))
    groups = find_row_groups(Manifest.read(many_dir), {"train"})
    assert len(read) <= 4 < len(groups.rows)


def test_a_part_s_epochs_ranks_and_resume(many_dir):
    def loader(rank, workers=0):
        batching = Batching(2, seed=1, rank=rank, world_size=2, window=2, lanes=2)
        return BatchLoader(ImageBatches(many_dir, "train", batching, portion=Portion(0.7, seed=3)), workers)

    whole = [[batch.sample_ids for batch in loader(rank)] for rank in range(2)]
    assert [len(batches) for batches in whole] == [4, 4]
    assert len({name for batches in whole for batch in batches for name in batch}) == 16
    saved = loader(0)
    for _ in zip(range(2), saved, strict=False):
        state = saved.state_dict()
    for rank in range(2):
        restored = loader(rank, workers=1)
        restored.load_state_dict(state)
        assert [batch.sample_ids for batch in restored] == whole[rank][2:]


def test_another_part_is_another_content(many_dir):
    told = [
        ImageBatches(many_dir, "train", portion=p).content
        for p in (None, Portion(), Portion(0.5), Portion(0.5, seed=1))
    ]
    assert told[0] == told[1] and len(set(told)) == 3
