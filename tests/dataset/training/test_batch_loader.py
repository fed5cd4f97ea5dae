"""Workers change nothing but the speed; a loader goes on exactly where it was."""

import json

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from dataset.errors import InputError
from dataset.training.batch_loader import BatchLoader
from dataset.training.batching import Batching
from dataset.training.image_batches import ImageBatches
from tests.dataset.training.small_groups import write_images

TWO = Batching(batch_size=2, window=2, lanes=4, seed=4)


pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")


def ids(batches) -> list[list[str]]:
    return [batch.sample_ids for batch in batches]


@pytest.fixture
def images(many_dir) -> ImageBatches:
    return ImageBatches(many_dir, "train", TWO, masks=["mask_hands"])


@pytest.fixture(scope="module")
def epochs(many_dir) -> list[list]:
    """The batches of three epochs, made in this process."""
    images = ImageBatches(many_dir, "train", TWO, masks=["mask_hands"])
    found = []
    for epoch in range(3):
        images.start_at(epoch)
        found.append(list(images))
    return found


def same(one, other) -> bool:
    tensors = [
        [
            batch.image,
            batch.K,
            batch.R,
            batch.t,
            *batch.right.tensors(),
            *batch.left.tensors(),
            batch.masks["mask_hands"],
        ]
        for batch in (one, other)
    ]
    return one.sample_ids == other.sample_ids and all(map(torch.equal, *tensors))


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_any_number_of_workers_gives_the_same_epochs(images, epochs, workers):
    loader = BatchLoader(images, workers)
    for expected in epochs:
        found = list(loader)  # kept: more batches than the pool has places
        assert all(map(same, found, expected))
        assert len(found) == len(expected) == len(loader)


def test_spawned_workers_give_the_same(images, epochs):
    loader = BatchLoader(images, 2, start_method="spawn")
    for expected in epochs[:2]:
        assert all(map(same, loader, expected))


@pytest.mark.parametrize("workers", [0, 2])
def test_pytorchs_own_loader_gives_the_same(images, epochs, workers):
    loader = DataLoader(images, batch_size=None, num_workers=workers, persistent_workers=workers > 0)
    for epoch in (0, 2):
        images.start_at(epoch)
        assert all(map(same, loader, epochs[epoch]))


@pytest.mark.parametrize("workers", [(0, 2), (2, 0), (2, 3)])
@pytest.mark.parametrize("seen", [0, 1, 5, 12])
def test_a_restored_loader_goes_on_with_the_next_batch(many_dir, epochs, workers, seen):
    """The twelfth is the last of the epoch."""
    first, second = (BatchLoader(ImageBatches(many_dir, "train", TWO), n) for n in workers)
    list(first)
    for _, batch in zip(range(seen), first, strict=False):
        last = batch.sample_ids
    assert seen == 0 or last == epochs[1][seen - 1].sample_ids
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert ids(second) == ids(epochs[1][seen:] or epochs[2])
    assert ids(second) == ids(epochs[2]) or seen == 12


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_left_early_is_not_taken_up_again(images, epochs, workers):
    loader = BatchLoader(images, workers)
    next(iter(loader))
    assert ids(loader) == ids(epochs[1])


def test_restoring_twice_or_the_own_state_is_possible(images, epochs):
    loader = BatchLoader(images)
    walk = iter(loader)
    next(walk)
    state = loader.state_dict()
    next(walk)
    loader.load_state_dict(state)
    assert ids(loader) == ids(epochs[0][1:])
    loader.load_state_dict(state)
    assert ids(loader) == ids(epochs[0][1:])


def test_the_state_of_one_rank_restores_all(many_dir):
    def loader(rank):
        return BatchLoader(ImageBatches(many_dir, "train", Batching(2, seed=1, rank=rank, world_size=2)))

    whole = [ids(loader(rank)) for rank in range(2)]
    saved = loader(0)
    for _ in zip(range(3), saved, strict=False):
        state = saved.state_dict()
    for rank in range(2):
        restored = loader(rank)
        restored.load_state_dict(state)
        assert ids(restored) == whole[rank][3:]


def test_a_state_of_other_batches_is_refused(images, many_dir):
    state = BatchLoader(images).state_dict()
    other = BatchLoader(ImageBatches(many_dir, "train", Batching(batch_size=3, window=2, lanes=4, seed=4)))
    with pytest.raises(InputError, match="batch_size was 2 and is 3"):
        other.load_state_dict(state)
    with pytest.raises(InputError, match="the images are others"):
        BatchLoader(ImageBatches(many_dir, "validation", TWO)).load_state_dict(state)


def test_memory_is_lent_again_and_never_while_it_is_used(images, epochs):
    """A view, or an array that shares the memory, keeps a batch as it is; what nobody keeps is filled again."""
    loader = BatchLoader(images, 2)
    places, views, arrays = set(), [], []
    for number, batch in enumerate(loader):
        places.add(batch.image.data_ptr())
        if number == 1:
            views.append(batch.image[0, 1:])
        if number == 3:
            arrays.append(batch.image.numpy()[1])
    del batch
    list(loader)
    assert len(places) < len(loader)
    assert torch.equal(views[0], epochs[0][1].image[0, 1:])
    assert np.array_equal(arrays[0], epochs[0][3].image[1].numpy())


def test_a_damaged_picture_in_a_worker_is_one_sentence(many_rows, tmp_path):
    rows = [dict(row) for row in many_rows["b"]]
    rows[1]["image"] = {"bytes": b"no picture", "path": "x"}
    loader = BatchLoader(ImageBatches(write_images(tmp_path / "bad", {"b": rows}), "validation", Batching(2)), 1)
    with pytest.raises(InputError, match=f"^{rows[1]['sample_id']}: its image cannot be used"):
        list(loader)


def test_loading_leaves_the_global_generator_alone(images):
    before = torch.get_rng_state()
    list(BatchLoader(images, 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_too_little_shared_memory_is_refused(images, monkeypatch):
    def full(tensor):
        raise RuntimeError("unable to mmap: No space left on device")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    with pytest.raises(InputError, match="MiB of shared memory for 2 workers; use fewer"):
        BatchLoader(images, 2)
