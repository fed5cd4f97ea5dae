"""JSON files larger than memory: entries come one by one, and one bad word costs one entry."""

import json
import tracemalloc
from pathlib import Path

import pytest

from dataset.readers import json_stream
from dataset.readers.frame import Refusal
from dataset.readers.json_stream import FiniteJson, entries, items, small_json


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_entries_two_objects_deep(tmp_path):
    content = {"13": {"7": {"a": [1, {"b": None}]}, "8": None}, "14": {}, "15": {"1": []}}
    found = list(entries(write(tmp_path, json.dumps(content)), 2))
    assert found == [(("13", "7"), {"a": [1, {"b": None}]}), (("13", "8"), None), (("15", "1"), [])]


def test_a_value_where_an_object_belongs_is_given_with_the_keys_it_has(tmp_path):
    found = list(entries(write(tmp_path, '{"13": [1, 2], "14": {"1": 5.5}}'), 2))
    assert found == [(("13",), [1, 2]), (("14", "1"), 5.5)]


def test_a_key_that_occurs_twice_is_given_twice(tmp_path):
    assert [keys for keys, _ in entries(write(tmp_path, '{"a": {"1": 0, "1": 1}}'), 2)] == [("a", "1")] * 2


@pytest.mark.parametrize(
    "text", ['{"a": {"1": 5}, "a', '{"a": {"1": 5} "b"}', '{"a": {"1": 5}, "b": tru}', '{"a": {"1": 5}}]']
)
def test_what_comes_before_the_damage_is_given(tmp_path, text):
    found = entries(write(tmp_path, text), 2)
    assert next(found) == (("a", "1"), 5)
    with pytest.raises(Refusal, match="unreadable file"):
        list(found)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe{", b"PAR1\x00\x00", b"   "])
def test_what_is_no_json_is_refused(tmp_path, text):
    with pytest.raises(Refusal, match="unreadable file"):
        list(entries(write(tmp_path, text), 1))
    with pytest.raises(Refusal, match="unreadable file"):
        list(items(tmp_path / "file.json", "item"))
    with pytest.raises(Refusal, match="unreadable file"):
        small_json(tmp_path / "file.json")


def test_a_list_where_an_object_belongs_is_refused_without_reading_it(tmp_path):
    with pytest.raises(Refusal, match="wrong type"):
        list(entries(write(tmp_path, "[" + "1, " * 100 + "{"), 1))


def test_missing_files_are_refused(tmp_path):
    for read in (lambda path: list(entries(path, 1)), lambda path: list(items(path, "item")), small_json):
        with pytest.raises(Refusal):
            read(tmp_path / "nowhere.json")


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 64])
def test_nan_and_infinity_cost_one_value_wherever_the_file_is_cut(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    text = '{"a": {"1": [1.5, NaN], "2": [-Infinity,Infinity],"NaN, Infinity": NaN}, "b": {"3": "NaN", "4": 7}}'
    found = dict(entries(write(tmp_path, text), 2))
    assert found[("a", "1")] == [1.5, None] and found[("a", "2")] == [None, None]
    assert found[("b", "3")] == "NaN" and found[("b", "4")] == 7


def test_long_files_without_a_comma_are_not_gathered(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "_LONGEST", 4 << 10)
    monkeypatch.setattr(json_stream, "_CHUNK", 1 << 10)
    with write(tmp_path, b" " * (64 << 10)).open("rb") as file:
        reader = FiniteJson(file)
        assert reader.read(0) == b""
        sizes = [len(part) for part in iter(lambda: reader.read(10), b"")]
    assert sum(sizes) == 64 << 10 and max(sizes) <= 5 << 10


def test_memory_does_not_grow_with_the_file(tmp_path):
    hand = {"pose": [0.123456789] * 48, "shape": [0.5] * 10, "trans": [0.1, 0.2, 0.3]}
    frame, peaks = json.dumps({"right": hand, "left": hand}), []
    for count in (200, 1600):
        path = write(tmp_path, '{"13": {' + ", ".join(f'"{n}": {frame}' for n in range(count)) + "}}")
        tracemalloc.start()
        assert sum(1 for _ in entries(path, 2)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert path.stat().st_size > 2_000_000 and peaks[1] < 1.1 * peaks[0]
