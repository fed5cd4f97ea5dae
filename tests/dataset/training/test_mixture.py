"""Sources mixed in fixed ratios: exact in the long run, the same again, resumable between any two steps."""

import json
from collections import Counter
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.errors import InputError
from dataset.training.batch import ImageBatch
from dataset.training.batch_loader import BatchLoader
from dataset.training.batching import Batching
from dataset.training.image_batches import ImageBatches
from dataset.training.mixture import Mixture, apportioned, batch_sizes, shares

RATIOS = st.lists(st.integers(1, 40), min_size=1, max_size=4)


def one_by_one(total: int, ratios: list[Fraction]) -> list[int]:
    """Sainte-Laguë's rule as it is told: seat after seat to the largest quotient."""
    given = [0] * len(ratios)
    for _ in range(total):
        given[max(range(len(ratios)), key=lambda n: (ratios[n] / (2 * given[n] + 1), -n))] += 1
    return given


@given(st.integers(0, 150), RATIOS)
@settings(max_examples=60, deadline=None)
def test_images_are_apportioned_by_the_rule(total, ratios):
    assert apportioned(total, shares(ratios)) == one_by_one(total, shares(ratios))


@given(RATIOS, st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_ratios_are_met_exactly_whenever_they_can_be(ratios, times):
    assert apportioned(times * sum(ratios), shares(ratios)) == [times * ratio for ratio in ratios]


@given(st.integers(1, 64), RATIOS)
@settings(max_examples=30, deadline=None)
def test_no_step_takes_images_back_and_all_are_near_the_ratio(size, ratios):
    exact = shares(ratios)
    before = [0] * len(ratios)
    for step in range(1, 30):
        after = apportioned(step * size, exact)
        assert sum(after) == step * size
        assert all(a >= b for a, b in zip(after, before, strict=True))
        assert all(abs(a - step * size * ratio) < 2 for a, ratio in zip(after, exact, strict=True))
        before = after


def test_what_largest_remainders_would_take_back():
    """The Alabama paradox with ratios 6 : 6 : 2: of 10 the last gets 2, of 11 only 1; by divisors never fewer."""
    exact = shares([6, 6, 2])
    quotas = [[float(total * ratio) for ratio in exact] for total in (10, 11)]
    assert [round(q, 2) for q in quotas[0]] == [4.29, 4.29, 1.43] and [round(q, 2) for q in quotas[1]] == [
        4.71,
        4.71,
        1.57,
    ]
    assert apportioned(10, exact)[2] <= apportioned(11, exact)[2]


def test_a_million_steps_are_found_at_once():
    assert apportioned(64_000_000, shares([0.3, 0.7])) == [19_200_000, 44_800_000]


def test_own_batch_sizes():
    assert (
        batch_sizes(64, [1, 1]) == [32, 32]
        and batch_sizes(64, [0.3, 0.7]) == [19, 44]
        and batch_sizes(4, [1, 99]) == [1, 3]
    )


def batching(size: int, **values) -> Batching:
    return Batching(size, seed=2, drop_last=True, window=1, lanes=2, **values)


def loaders(many_dir, sizes=(2, 3), workers=0, **values) -> list[BatchLoader]:
    """Train images, 24, and validation images, 7."""
    sources = zip(("train", "validation"), sizes, strict=True)
    return [BatchLoader(ImageBatches(many_dir, split, batching(size, **values)), workers) for split, size in sources]


def mixture(many_dir, ratios=(2, 1), batch_size=5, steps=None, **values) -> Mixture:
    return Mixture(loaders(many_dir, **values), ratios, batch_size, steps)


def ids(steps) -> list[list[list[str]]]:
    return [[batch.sample_ids for batch in step] for step in steps]


def test_sizes_follow_the_ratios(many_dir):
    mixed = mixture(many_dir)
    sizes = [tuple(len(batch) for batch in step) for _ in range(3) for step in mixed]
    assert set(sizes) == {(3, 2), (4, 1)} and [sum(column) for column in zip(*sizes[:3], strict=True)] == [10, 5]
    assert sizes == [tuple(mixed.sizes(step)) for step in range(len(sizes))]


def test_an_epoch_goes_once_through_the_first_source_or_has_the_steps_asked_for(many_dir):
    assert len(mixture(many_dir)) == 7  # 24 images, 10 / 3 a step
    assert len(list(mixture(many_dir, steps=4))) == len(mixture(many_dir, steps=4)) == 4


@pytest.mark.parametrize("sizes", [(2, 3), (5, 1), (3, 2)])
def test_each_source_gives_its_images_in_its_own_order(many_dir, sizes):
    """Epoch after epoch, whatever size its own batches have."""
    mixed = mixture(many_dir, sizes=sizes)
    taken = [[], []]
    for _ in range(3):
        for step in mixed:
            for source, batch in zip(taken, step, strict=True):
                source += batch.sample_ids
    for loader, source in zip(loaders(many_dir, sizes), taken, strict=True):
        own = []
        while len(own) < len(source):
            own += [name for batch in loader for name in batch.sample_ids]
        assert source == own[: len(source)]
    whole = 24 // sizes[0] * sizes[0]
    assert max(Counter(taken[0][:whole]).values()) == 1, "no image twice in an epoch"


def test_labels_and_pictures_stay_together(many_dir):
    """Batches that are cut and joined hold what the images hold one by one."""
    alone = {}
    for split in ("train", "validation"):
        for batch in ImageBatches(many_dir, split, Batching(1)):
            alone[batch.sample_ids[0]] = batch
    for step in mixture(many_dir, sizes=(5, 2)):
        for batch in step:
            assert batch.image.is_contiguous(memory_format=torch.channels_last)
            for row, name in enumerate(batch.sample_ids):
                one, other = batch[row : row + 1], alone[name]
                assert torch.equal(one.image, other.image) and torch.equal(one.K, other.K)
                pairs = zip(
                    (*one.right.tensors(), *one.left.tensors()),
                    (*other.right.tensors(), *other.left.tensors()),
                    strict=True,
                )
                assert all(torch.equal(a, b) for a, b in pairs)


def test_a_batch_that_fits_is_passed_on_as_it_is(many_dir):
    mixed = mixture(many_dir, ratios=(1, 1), batch_size=4, sizes=(2, 2))
    assert all(batch.image.storage_offset() == 0 and len(batch) == 2 for step in mixed for batch in step)


@pytest.mark.parametrize(("seen", "workers"), [(0, 0), (3, 1), (7, 0), (9, 1)])
def test_a_restored_mixture_goes_on_with_the_next_step(many_dir, seen, workers):
    """The seventh is the last of the epoch."""
    whole = mixture(many_dir)
    expected = [step for _ in range(3) for step in ids(whole)]
    saved, count = mixture(many_dir), 0
    while count < seen:
        for _ in saved:
            count += 1
            if count == seen:
                break
    restored = mixture(many_dir, workers=workers)
    restored.load_state_dict(json.loads(json.dumps(saved.state_dict())))
    end = (seen // 7 + 1) * 7
    assert ids(restored) == expected[seen:end]
    assert ids(restored) == expected[end : end + 7]


def test_an_epoch_left_early_is_not_taken_up_again(many_dir):
    whole, left = mixture(many_dir), mixture(many_dir)
    expected = [step for _ in range(2) for step in ids(whole)]
    for _ in zip(range(3), left, strict=False):
        pass
    assert ids(left) == expected[7:]


def test_a_source_without_an_image_in_a_step_is_left_out(many_dir):
    mixed = mixture(many_dir, ratios=(9, 1), batch_size=4, sizes=(2, 1))
    steps = [len(step) for step in mixed]
    assert set(steps) == {1, 2} and all(step for step in steps)
    assert [len(batch) for batch in next(iter(mixed))] in ([4], [3, 1])


def test_ranks_have_as_many_steps_and_other_images(many_dir):
    ranks = [mixture(many_dir, batch_size=3, sizes=(2, 1), rank=rank, world_size=2) for rank in range(2)]
    steps = [ids(rank) for rank in ranks]
    assert len(steps[0]) == len(steps[1]) == len(ranks[0])
    seen = [{name for step in rank for batch in step[:1] for name in batch} for rank in steps]
    assert not seen[0] & seen[1]
    assert [[len(batch) for batch in step] for step in steps[0]] == [
        [len(batch) for batch in step] for step in steps[1]
    ]


def test_a_state_of_another_mixture_is_refused(many_dir):
    state = json.loads(json.dumps(mixture(many_dir).state_dict()))
    twice = [loaders(many_dir)[0], BatchLoader(ImageBatches(many_dir, "train", batching(3)))]
    cases = {
        "ratios was": mixture(many_dir, ratios=(1, 1)),
        "batch_size was 5 and is 6": mixture(many_dir, batch_size=6),
        "steps was 7 and is 4": mixture(many_dir, steps=4),
        "source 1: batch_size was 2 and is 4": mixture(many_dir, sizes=(4, 3)),
        "source 2: the images are others": Mixture(twice, (2, 1), 5),
        "there were 2 sources and are 1": Mixture(loaders(many_dir)[:1], (1,), 5),
    }
    for reason, other in cases.items():
        with pytest.raises(InputError, match=reason):
            other.load_state_dict(state)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda d: mixture(d, ratios=(1, 0)), "give one above 0 for each"),
        (lambda d: mixture(d, ratios=()), "give one above 0"),
        (lambda d: mixture(d, ratios=(1, 1, 1)), "2 sources have 3 ratios"),
        (lambda d: mixture(d, batch_size=0), "batch_size is 0"),
        (lambda d: mixture(d, steps=0), "steps 0"),
        (lambda d: Mixture([BatchLoader(ImageBatches(d, "train", Batching(2)))], (1,), 2), "need drop_last"),
        (lambda d: Mixture([loaders(d)[0], loaders(d, rank=1, sizes=(2, 1), world_size=2)[1]], (1, 1), 2), "different ranks"),
    ],
)  # fmt: skip
def test_impossible_mixtures_are_refused(many_dir, make, reason):
    with pytest.raises(InputError, match=reason):
        make(many_dir)


def test_joining_one_batch_costs_nothing(many_dir):
    batch = next(iter(ImageBatches(many_dir, "train", Batching(4), masks=["mask_hands"])))
    assert ImageBatch.joined([batch]) is batch
    both = ImageBatch.joined([batch[:1], batch[1:]])
    assert both.sample_ids == batch.sample_ids and torch.equal(both.masks["mask_hands"], batch.masks["mask_hands"])
    assert batch[1:3].image.data_ptr() != batch.image.data_ptr() and batch[1:3].image._base is not None
