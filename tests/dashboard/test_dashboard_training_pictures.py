"""Pictures of trainings: put beside each other, and served from their listing alone."""

import json
import os
from pathlib import Path

import pytest

from dashboard.training.pictures import LARGEST, MOST, picture, pictures_of, steps_of
from tests.dashboard.serving import client_of, desk_of
from tests.dashboard.trainings import JPEG, LINE, PNG, make, paint


def test_pictures_with_one_name_stand_beside_each_other(tmp_path):
    at = tmp_path / "pictures" / "step-00000020"
    paint(
        at,
        "7.ground_truth.jpg",
        "7.prediction.jpg",
        "7.input.jpg",
        "8.mesh.jpg",
        "8.prediction.jpg",
        "sample.jpg",
        "other.jpg",
    )
    paint(at, ".hidden.jpg", "notes.txt")
    about = [
        {"file": "7.prediction.jpg", "title": "seven", "caption": "9 mm"},
        {"file": "other.jpg", "pair": "8"},
        3,
        {"x": 1},
    ]
    (at / "about.json").write_text(json.dumps(about))
    paint(tmp_path / "pictures" / "9", "a.jpg")
    paint(tmp_path / "pictures" / "best", "a.jpg")
    assert steps_of(tmp_path)[0] == (9, 20)
    groups = {group.name: group for group in pictures_of(tmp_path, 20).groups}
    assert groups.keys() == {"7", "8", "sample"} and groups["7"].title == "seven"
    assert [part.kind for part in groups["7"].pictures] == ["input", "prediction", "ground_truth"]
    assert groups["7"].pictures[1].caption == "9 mm" and groups["8"].pictures[0].file == "8.prediction.jpg"
    assert {part.file for part in groups["8"].pictures} == {"8.prediction.jpg", "8.mesh.jpg", "other.jpg"}


def test_many_and_large_pictures_are_told_not_shown(tmp_path):
    at = tmp_path / "pictures" / "1"
    paint(at, *(f"{k:04d}.jpg" for k in range(MOST + 5)))
    with (at / "0000.jpg").open("r+b") as file:
        file.truncate(LARGEST + 1)
    shown = pictures_of(tmp_path, 1)
    assert shown.left_out == 5 and len(shown.groups) == MOST
    assert shown.groups[0].pictures[0].is_too_large and picture(tmp_path, 1, "0000.jpg") is None


@pytest.fixture
def hostile(tmp_path) -> Path:
    """A training beside a private file, with links and files that lie about what they are."""
    folder = make(tmp_path / "jobs" / "one", [LINE])
    private = tmp_path / "private"
    paint(private, "face.jpg")
    at = folder / "pictures" / "10"
    paint(at, "good.jpg", "späte hand & <b>.jpg")
    paint(at, "good.png", content=PNG)
    paint(at, "page.jpg", content=b"<script>alert(1)</script>")
    paint(at, "vector.svg", content=b"<svg/>")
    (at / "out.jpg").symlink_to(private / "face.jpg")
    (at / "circle.jpg").symlink_to(at / "circle.jpg")
    (at / "inside.jpg").symlink_to(at / "good.jpg")
    os.mkfifo(at / "pipe.jpg")
    (at / "folder.jpg").mkdir()
    (folder / "pictures" / "11").symlink_to(private)
    return folder


def test_only_pictures_of_the_listing_are_served(hostile):
    with desk_of(hostile.parent) as desk:
        client = client_of(desk)
        address = "/training/one/pictures/10/"
        good = client.get(address + "good.jpg")
        assert good.content == JPEG and good.headers["content-type"] == "image/jpeg"
        assert good.headers["x-content-type-options"] == "nosniff"
        assert client.get(address + "good.png").headers["content-type"] == "image/png"
        assert client.get(address + "inside.jpg").content == JPEG
        assert client.get(address + "good.jpg", headers={"If-None-Match": good.headers["etag"]}).status_code == 304
        bad = [
            "out.jpg",
            "circle.jpg",
            "pipe.jpg",
            "folder.jpg",
            "page.jpg",
            "vector.svg",
            "none.jpg",
            "..%2f..%2fjob.json",
        ]
        bad += [
            "%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fprivate%2fface.jpg",
            "%2fetc%2fpasswd",
            "good.jpg%00",
            "a" * 5000 + ".jpg",
        ]
        for name in bad:
            assert client.get(address + name).status_code == 404, name
        for step in ("11", "..", "-1", "1e1", "²", "9" * 30, "10%2f..%2f10"):
            assert client.get(f"/training/one/pictures/{step}/face.jpg").status_code == 404, step


def test_names_of_pictures_are_escaped_and_quoted(hostile):
    with desk_of(hostile.parent) as desk:
        client = client_of(desk)
        text = client.get("/training/one").text
        assert "<b>.jpg" not in text and "out.jpg" not in text and "pipe.jpg" not in text
        quoted = "/training/one/pictures/10/sp%C3%A4te%20hand%20%26%20%3Cb%3E.jpg"
        assert quoted in text and client.get(quoted).status_code == 200
