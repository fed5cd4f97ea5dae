"""The diversity page of datasets that are finished, unfinished, empty or unreadable, and what its map asks for."""

import json
import shutil

import pytest

from dashboard.diversity import pose_map
from dashboard.diversity.placing import computed
from dashboard.pages import diversity
from dataset.manifest import FILE
from tests.dashboard.serving import client_of, desk_of, look, wait_until
from tests.dataset.synthetic import write_dataset

HTML = {"accept": "text/html"}


def page(client, run="finished", path=""):
    answer = client.get(f"/runs/{run}/diversity{path}", headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.fixture(scope="module", autouse=True)
def _in_this_process():
    """Torch is here already; a process of its own is tested with the map."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pose_map, "elsewhere", computed)
        patch.setattr(diversity, "elsewhere", computed)
        yield


@pytest.fixture(scope="module")
def drawn(client, desk):
    """The page after everything in the background is done."""
    assert "is being computed" in page(client)
    is_drawn = lambda text: "<pose-map" in text and 'class="globe"' in text.split("Images from each")[0]  # noqa: E731
    wait_until(lambda: look(desk) or is_drawn(page(client)), why="the map and the cameras were not drawn")
    return page(client)


def test_figures_charts_and_holes_are_there(drawn):
    assert "12 images of 12 poses" in drawn
    assert "3.0" in drawn and "in effect, of 3" in drawn and "in effect, of 4" in drawn
    assert "12 images are too few to judge each of the 96 directions" in drawn
    assert "skin-3" in drawn and "forest" in drawn and "palms" in drawn
    assert 'class="globe"' in drawn and drawn.count('class="hole"') >= 84
    assert " style=" not in drawn and "onclick" not in drawn, "the policy of contents forbids them"


def test_the_map_is_handed_to_the_script(drawn, client):
    assert "<pose-map data-src=" in drawn and "All 12 poses" in drawn
    content = client.get("/runs/finished/diversity/map.json").json()
    assert len(content["name"]) == len(content["x"]) == len(content["y"]) == 12
    assert content["colours"]["base"]["names"] == ["apart", "cross", "palms"]


def test_nothing_is_computed_again_while_nothing_changes(drawn, client, desk):
    before = desk.background.version
    assert page(client, path="?again") and client.get("/runs/finished/diversity/map.json").status_code == 200
    assert desk.background.version == before and "newer map is being computed" not in page(client, path="?more")


def test_a_dot_shows_its_pose(client):
    told = client.get("/runs/finished/diversity/pose", params={"id": "000004"}).text
    assert "/runs/finished/samples/000004-0" in told and "/runs/finished/pictures/000004-0.jpg" in told
    assert "gallery?base_pose=cross" in told and "copy 1" in told


@pytest.mark.parametrize("id", ["", "nothing", "<script>", "../../etc/passwd", "' OR 1=1 --", "x" * 5000])
def test_a_pose_that_is_not_there_is_a_sentence(client, id):
    answer = client.get("/runs/finished/diversity/pose", params={"id": id}, headers=HTML)
    assert answer.status_code == 404 and "has no pose called" in answer.text
    assert "<script>" not in answer.text.split("<main")[1]


def test_a_run_that_is_not_there_is_a_sentence(client):
    for path in ("", "/map.json", "/pose?id=1"):
        assert client.get(f"/runs/nobody/diversity{path}", headers=HTML).status_code == 404


def test_a_name_from_outside_is_escaped(shown_samples, tmp_path):
    strange = {table: dict(row) for table, row in shown_samples[0].items()}
    strange["images"]["render"] = strange["images"]["render"] | {"hdri": "<img src=x>"}
    strange["images"]["provenance"] = strange["images"]["provenance"] | {"base_pose": "<b>"}
    strange["poses"]["base_pose"] = "<b>"
    folder = write_dataset(tmp_path / "strange", [strange]).folder
    with desk_of(folder) as desk:
        client = client_of(desk)
        for text in (page(client, "strange"), page(client, "strange", "/pose?id=000000")):
            assert "<img src=x>" not in text and "<b></" not in text and "&lt;b&gt;" in text


def test_few_poses_are_told_how_many_are_needed(shown_samples, tmp_path):
    folder = write_dataset(tmp_path / "few", shown_samples[:4]).folder
    with desk_of(folder) as desk:
        client = client_of(desk)
        assert "A map needs 10 poses or more; there are 4." in page(client, "few")
        assert client.get("/runs/few/diversity/map.json").status_code == 404


@pytest.fixture
def begun(finished, tmp_path):
    """A copy of the finished dataset that has so few shards of each table that it goes on."""

    def begin(**kept):
        folder = tmp_path / "begun"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(finished, folder)
        content = json.loads((folder / FILE).read_text())
        content["splits"] = {}
        for table, of in content["tables"].items():
            of["shards"] = of["shards"][: kept.get(table, 0)]
            of["rows"] = sum(shard["rows"] for shard in of["shards"])
        (folder / FILE).write_text(json.dumps(content))
        return folder

    return begin


def test_an_unfinished_run_says_what_is_to_come(begun):
    with desk_of(begun(images=2, plan=4, poses=4, rejected=1)) as desk:
        text = page(client_of(desk), "begun")
    assert "6 images of 12 poses; 6 planned images to come" in text
    assert "paler: planned and still to come" in text and "coming" in text


@pytest.mark.parametrize("kept", [{}, {"poses": 4}, {"poses": 1, "rejected": 1}])
def test_a_run_without_images_has_a_page(begun, kept):
    with desk_of(begun(**kept)) as desk:
        text = page(client_of(desk), "begun")
    assert "No image yet" in text and "0 images of" in text and "nan" not in text


def test_more_poses_make_a_new_map(shown_samples, tmp_path):
    folder = write_dataset(tmp_path / "grows", [dict(sample) for sample in shown_samples], rows_per_shard=10).folder
    whole = (folder / FILE).read_text()
    content = json.loads(whole)
    content["splits"] = {}
    for table in content["tables"].values():
        table["shards"] = table["shards"][:1] if table is content["tables"]["poses"] else []
    (folder / FILE).write_text(json.dumps(content))
    with desk_of(folder) as desk:
        client = client_of(desk)
        desk.background._rest = 0

        def poses_on_map() -> int:
            answer = client.get("/runs/grows/diversity/map.json")
            return len(answer.json()["name"]) if answer.status_code == 200 else 0

        wait_until(lambda: poses_on_map() == 10)
        assert "All 10 poses" in page(client, "grows")
        (folder / FILE).write_text(whole)
        look(desk)
        assert "All 10 poses, of 12 by now" in page(client, "grows"), "the older map stays until there is a newer one"
        wait_until(lambda: poses_on_map() == 12)


def test_damage_is_told_and_the_rest_is_shown(begun):
    folder = begun(images=4, plan=4, poses=4, rejected=1)
    (folder / "images" / "00002.parquet").write_bytes(b"damaged")
    with desk_of(folder) as desk:
        text = page(client_of(desk), "begun")
    assert "cannot be read" in text and "9 images of 12 poses" in text
