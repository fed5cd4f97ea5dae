"""Shuffling: every row once, one split a shard, the same again, and no trace of the order in which rows were made."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataset.shuffling import in_pieces, shuffled_by_split


def write(folder, count, parts=3):
    folder.mkdir()
    names = [f"s{number:05d}" for number in range(count)]
    splits = ["test" if number % 5 == 0 else "train" for number in range(count)]
    table = pa.table(
        {"sample_id": names, "split": splits, "K": pa.array([[1.0, 2.0]] * count, pa.list_(pa.float64(), 2))}
    )
    cuts = np.linspace(0, count, parts + 1).astype(int)
    for part, (first, last) in enumerate(itertools.pairwise(cuts)):
        pq.write_table(table.slice(first, last - first), folder / f"{part}.parquet")
    return sorted(folder.glob("*.parquet"))


def test_shards_hold_every_row_once_and_one_split_each(tmp_path):
    shards = dict(shuffled_by_split(write(tmp_path / "a", 1000), 3, 300))
    assert [len(shards[name]) for name in sorted(shards)] == [200, 300, 300, 200]
    assert all(set(rows["split"].to_pylist()) == {name.split("-")[0]} for name, rows in shards.items())
    names = [name for rows in shards.values() for name in rows["sample_id"].to_pylist()]
    assert sorted(names) == [f"s{number:05d}" for number in range(1000)]


def test_order_is_random_and_depends_on_seed_and_names_alone(tmp_path):
    def order(files, seed):
        return [n for _, rows in shuffled_by_split(files, seed, 10_000) for n in rows["sample_id"].to_pylist()]

    first = order(write(tmp_path / "a", 1000), 3)
    assert first == order(write(tmp_path / "b", 1000, parts=7), 3)
    assert first != order(sorted((tmp_path / "a").glob("*")), 4)
    place = np.array([int(name[1:]) for name in first if int(name[1:]) % 5])
    assert abs(np.corrcoef(place, np.arange(len(place)))[0, 1]) < 0.1


def test_pieces_are_full_but_the_last():
    table = pa.table({"n": list(range(10))})
    batches = [*table.slice(0, 1).to_batches(), *table.slice(1, 7).to_batches(), *table.slice(8).to_batches()]
    pieces = [piece["n"].to_pylist() for piece in in_pieces(batches, 4)]
    assert pieces == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [p["n"].to_pylist() for p in in_pieces(table.to_batches(), 5)] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_nothing_gives_nothing():
    assert list(shuffled_by_split([], 0, 10)) == []
