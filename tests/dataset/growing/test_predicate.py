"""A condition is a condition: on the columns of one image, in SQL, and nothing else."""

import pytest

from dataset.errors import InputError
from dataset.growing.choice import choose
from dataset.growing.inputs import Input
from dataset.manifest import Manifest
from dataset.shards import iterate_rows


@pytest.fixture(scope="module")
def dataset(ours) -> Input:
    return Input.read(ours)


@pytest.fixture(scope="module")
def images(ours) -> list[dict]:
    return list(iterate_rows(Manifest.read(ours).paths("images")))


def chosen(dataset: Input, where: str, limit: int | None = None) -> list[int]:
    """Numbers of the images that are chosen, in the order of the dataset."""
    starts = {name: 2 * place for place, name in enumerate(sorted(dataset.manifest.shards["images"]))}
    with choose(dataset, where, limit) as choice:
        return [starts[name] + n for name in choice.counts("images") for n in choice.numbers("images", name)]


CONDITIONS = {
    "split = 'train'": lambda row: row["split"] == "train",
    "right.visible_fraction > 0.7": lambda row: row["right"]["visible_fraction"] > 0.7,
    "LEFT.visible_fraction < 0.9 and Right.bbox[3] > 20": lambda row: (
        row["left"]["visible_fraction"] < 0.9 and row["right"]["bbox"][2] > 20
    ),
    "\"left\".bbox[1] > 100 OR left ['bbox'][2] > 100": lambda row: max(row["left"]["bbox"][:2]) > 100,
    "left(sample_id, 6) = '000003'": lambda row: row["sample_id"][:6] == "000003",
    "render.hdri LIKE '%sunset' -- and right. of it": lambda row: row["render"]["hdri"].endswith("sunset"),
    "render.hdri <> 'right.' and split in ('test')": lambda row: row["split"] == "test",
    "interaction.contact_vertices between 5 and 15": lambda row: 5 <= row["interaction"]["contact_vertices"] <= 15,
    "provenance.base_pose = 'train-palms'": lambda row: row["provenance"]["base_pose"] == "train-palms",
    "list_contains(right.joint_state, 2)": lambda row: 2 in row["right"]["joint_state"],
}


@pytest.mark.parametrize("where", CONDITIONS)
def test_conditions_choose_what_they_say(dataset, images, where):
    expected = [number for number, row in enumerate(images) if CONDITIONS[where](row)]
    assert 0 < len(expected) < len(images), "the example tells images apart"
    assert chosen(dataset, where) == expected


REFUSED = {
    "split = 'train'; DROP TABLE images": "is no condition",
    "true; COPY images TO '/tmp/x'": "is no condition",
    "true) UNION ALL (SELECT true": "is no condition",
    "true LIMIT 1": "is no condition",
    "true FROM read_csv('/etc/passwd')": "is no condition",
    "exists (SELECT * FROM read_text('/etc/hostname'))": "asks a question of its own",
    "width > (SELECT avg(width) FROM images)": "asks a question of its own",
    "width IN (FROM images SELECT width)": "asks a question of its own",
    "width IN (SELECT 256)": "asks a question of its own",
    "true) UNION ALL SELECT (true": "is no condition",
    "true); COPY (SELECT 1) TO '/tmp/x'; SELECT (true": "is no condition",
    "random() < 0.5": r"random\(\) gives something else at every call",
    "RANDOM() < 0.5": r"random\(\) gives something else at every call",
    "split = 'train' and sleep_ms(10) is null": r"sleep_ms\(\) gives something else",
    "sum(width) > 2": "aggregates",
    "row_number() OVER () = 1": "window functions",
    "read_text('/etc/hostname') = ''": "read_text",
    "depth IS NOT NULL": '"depth" not found',
    "colour = 'red'": '"colour" not found',
    "render.colour = 'red'": "colour",
    "width = 'wide'": "'wide'",
    "render.hdri": "is no condition",
    "right > 1": "is no condition",
    "width = ": "is no condition",
    "width = 3 /*": "is no condition",
    "": "is no condition",
    "width = $1": "is no condition",
    "width > 1e9": "no image meets this",
    "NULL": "no image meets this",
}


@pytest.mark.parametrize("where", REFUSED)
def test_anything_else_is_one_sentence(dataset, where):
    with pytest.raises(InputError, match=REFUSED[where]) as caught, choose(dataset, where):
        pass
    assert "\n" not in str(caught.value) and str(caught.value).startswith("--where")


def test_no_file_but_those_of_the_dataset_can_be_read(dataset, tmp_path):
    """Even by a function that nobody thought of."""
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with choose(dataset, "true") as choice, pytest.raises(Exception, match="disabled"):
        choice.connection.sql(f"SELECT * FROM read_csv('{tmp_path}/secret.csv')").fetchall()


def test_pictures_are_no_columns_of_a_condition(dataset):
    """So that none is read to decide."""
    for column in ("image", "mask_hands", "mask_parts", "mask_right_amodal", "mask_left_amodal", "depth", "normals"):
        with pytest.raises(InputError, match=f'"{column}" not found'), choose(dataset, f"{column} IS NULL"):
            pass


@pytest.mark.parametrize(("limit", "expected"), [(1, [4]), (2, [2, 4]), (3, [1, 3, 4]), (5, [0, 1, 2, 3, 4]), (9, 5)])
def test_a_limit_takes_evenly_from_all(dataset, limit, expected):
    found = chosen(dataset, "true", limit)
    assert found == expected or len(found) == expected


def test_plan_and_poses_follow(dataset, images):
    with choose(dataset, "sample_id in ('000001-0', '000004-0')") as choice:
        assert choice.counts("plan") == choice.counts("poses") == {"00000": 1, "00002": 1}
        assert choice.numbers("plan", "00000") == choice.numbers("poses", "00000") == [1]
        assert choice.runs() == {images[0]["provenance"]["config_sha256"]}
