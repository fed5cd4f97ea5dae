"""Every row once, as many batches on every rank, the same ones for the same seed."""

from itertools import pairwise, product

import numpy as np
import pytest

from dataset.errors import InputError
from dataset.training.batching import Batching, EpochOrder, RankBatches

SIZES = [
    dict(zip(("batch_size", "world_size", "lanes"), v, strict=True)) for v in product((2, 5, 7), (1, 2, 3), (1, 3, 8))
]


def stretches(rows: int, **values) -> list[list[tuple[int, int]]]:
    """The bounds of every batch of every rank."""
    ranks = [RankBatches(rows, Batching(rank=rank, **values)) for rank in range(values["world_size"])]
    return [[batches.bounds(number) for number in range(len(batches))] for batches in ranks]


@pytest.mark.parametrize("values", SIZES)
@pytest.mark.parametrize("rows", [14, 29, 100, 101, 241])
def test_ranks_have_all_rows_once_and_as_many_batches_each(rows, values):
    ranks = stretches(rows, **values)
    assert len({len(bounds) for bounds in ranks}) == 1
    covered = sorted(row for bounds in ranks for first, last in bounds for row in range(first, last))
    assert covered == list(range(rows))
    assert all(1 <= last - first <= values["batch_size"] for bounds in ranks for first, last in bounds)


@pytest.mark.parametrize("values", SIZES)
def test_dropping_the_last_leaves_whole_batches_and_fewer_rows_than_one_each(values):
    rows, ranks = 101, stretches(101, drop_last=True, **values)
    covered = [row for bounds in ranks for first, last in bounds for row in range(first, last)]
    assert len(covered) == len(set(covered)) > rows - values["batch_size"] * values["world_size"]
    assert {last - first for bounds in ranks for first, last in bounds} == {values["batch_size"]}


def test_each_lane_is_one_stretch_and_lanes_take_turns():
    batches = RankBatches(300, Batching(batch_size=4, lanes=4))
    lanes = [batches.lane(number) for number in range(8)]
    assert lanes == [0, 1, 2, 3] * 2
    for lane in range(4):
        bounds = [batches.bounds(number) for number in range(len(batches)) if batches.lane(number) == lane]
        assert all(before[1] == after[0] for before, after in pairwise(bounds))


@pytest.mark.parametrize(
    ("rows", "values"), [(3, {"world_size": 4}), (5, {"drop_last": True}), (9, {"batch_size": 1, "world_size": 2})]
)
def test_rows_that_do_not_come_out_even_are_refused(rows, values):
    with pytest.raises(InputError, match=f"{rows} images do not make equally many batches"):
        RankBatches(rows, Batching(**({"batch_size": 8} | values)))


@pytest.mark.parametrize(
    "values", [{"batch_size": 0}, {"window": 0}, {"lanes": 0}, {"rank": 2, "world_size": 2}, {"rank": -1}]
)
def test_impossible_batchings_are_refused(values):
    with pytest.raises(InputError, match=next(iter(values))):
        Batching(**values)


def sequence(order: EpochOrder, rows: np.ndarray, first: int = 0, last: int | None = None) -> list[tuple[int, int]]:
    """(group, row in it) of part of an epoch, through windows as a reader goes."""
    found = []
    for piece in order.pieces(first, int(rows.sum()) if last is None else last):
        members = [(int(group), row) for group in order.groups(piece.window) for row in range(rows[group])]
        found += [members[n] for n in order.rows(piece.window)[piece.first : piece.last]]
    return found


ROWS = np.array([5, 1, 8, 3, 3, 9, 2])


@pytest.mark.parametrize("window", [1, 2, 3, 7, 50])
def test_an_epoch_has_every_row_once_and_can_be_entered_anywhere(window):
    order = EpochOrder(ROWS, Batching(window=window, seed=3), 0)
    whole = sequence(order, ROWS)
    assert sorted(whole) == [(group, row) for group, count in enumerate(ROWS) for row in range(count)]
    for first, last in ((0, 4), (6, 19), (30, 31), (11, 11)):
        assert sequence(order, ROWS, first, last) == whole[first:last]


def test_epochs_and_seeds_differ_and_repeat():
    def run(seed, epoch):
        return sequence(EpochOrder(ROWS, Batching(seed=seed), epoch), ROWS)

    assert run(1, 0) == run(1, 0)
    assert len({tuple(run(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_a_window_mixes_its_groups():
    order = EpochOrder(np.full(12, 50), Batching(window=4), 0)
    groups = [group for group, _ in sequence(order, np.full(12, 50), 0, 40)]
    assert len(set(groups)) == 4


def test_without_shuffling_rows_come_as_stored():
    order = EpochOrder(ROWS, Batching(shuffle=False, window=3), 5)
    assert sequence(order, ROWS) == [(group, row) for group, count in enumerate(ROWS) for row in range(count)]
