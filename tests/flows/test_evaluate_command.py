"""`render-ih evaluate ihdiff` as a user calls it, with untrained networks."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result

from dataset.assets.gestures import load_gestures
from dataset.assets.hand_files import hand_checksum
from dataset.rows import pose_cell
from flows.cli import main
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose
from models.ihdiff import checkpoint
from models.ihdiff.network import Denoiser, NetworkConfig
from models.ihdiff.representation import Standard, pack
from models.ihdiff.vae import VAE, VAEConfig
from tests.dataset.readers.writers import interhand, save_interhand
from tests.flows.refusals import sentence_of

SMALL = ("--samples", 4, "--poses", 2, "--steps", 2, "--sampling-steps", 2, "--batch", 2)
GESTURES = ("clasp", "prayer", "hand_heart", "fist_bump")


def call(*words: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", "ihdiff", *[str(word) for word in words]])


def refused(*words: object) -> str:
    """The sentence with which the command refuses."""
    return sentence_of(call(*words))


@pytest.fixture(scope="module")
def poses(hands) -> TwoHandPose:
    gestures = load_gestures(names=GESTURES)
    raw = TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures])
    every = raw[torch.arange(4).repeat_interleave(4)]
    shift = torch.tensor([0.0, 0.001, 0.002, 0.003]).repeat(4)[:, None] * torch.tensor([0.0, 0.0, 1.0])
    return TwoHandPose(every.right, every.left.moved(shift))


def folder_of(place: Path, poses: TwoHandPose, splits: list[str]) -> Path:
    """A folder with the table `poses`."""
    rows = []
    for number, split in enumerate(splits):
        about = {"pose_id": f"p{number:02d}", "source": "gestures", "base_pose": f"g{number // 4}", "split": split}
        cells = {str(side): pose_cell(poses.side(side)[[number]]) for side in Side}
        rows.append(about | {side: {name: v.tolist() for name, v in cell.items()} for side, cell in cells.items()})
    (place / "poses").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), place / "poses" / "00000.parquet")
    return place


@pytest.fixture(scope="module")
def place(tmp_path_factory, poses) -> Path:
    return folder_of(tmp_path_factory.mktemp("data") / "set", poses, ["train"] * 12 + ["test"] * 4)


@pytest.fixture(scope="module")
def networks(tmp_path_factory, hands, poses) -> dict[str, Path]:
    """Not really trained."""
    folder, draws = tmp_path_factory.mktemp("networks"), torch.Generator().manual_seed(0)
    made = {
        "cross": Denoiser(NetworkConfig(width=16, heads=2, depth=1), draws),
        "self": Denoiser(NetworkConfig(attention="self", width=16, heads=2, depth=1), draws),
        "vae": VAE(VAEConfig(width=16, heads=2, layers=1, latents=2), draws),
    }
    standard = Standard.of(pack(poses, hands).x)
    for name, network in made.items():
        with (folder / name).open("wb") as file:
            checkpoint.save(file, network, standard, {"hands": hand_checksum(hands)})
    return {name: folder / name for name in made}


@pytest.fixture(scope="module")
def done(tmp_path_factory, place, networks) -> tuple[list[object], Path]:
    """All tables of all networks."""
    out = tmp_path_factory.mktemp("out") / "tables"
    given = ("--checkpoint", networks["cross"], "--self-attention", networks["self"], "--vae", networks["vae"])
    given += ("--without-collision", networks["cross"], "--tables", "1,2,3", "--regressor", "simulated")
    words = [place, *given, *SMALL, "--out", out]
    result = call(*words)
    assert result.exit_code == 0, result.output
    assert "| IHDiff (SA only) |" in result.output
    return words, out


def test_every_row_and_column_is_there(done):
    _, out = done
    tables = json.loads((out / "tables.json").read_text())["tables"]
    assert list(tables["1"]) == ["data-train", "data", "vae", "without_collision", "ihdiff"]
    assert set(tables["2"]) == {"truth", "search", "vae", "self_attention", "ihdiff"}
    assert list(tables["3"]) == ["regressor", "regression", "vae", "ihdiff"]
    assert tables["1"]["ihdiff"]["all"]["samples"] == 4 and tables["1"]["data"]["all"]["in_contact_percent"] == 100
    for kind in ("clean", "jitter", "swap", "partial"):
        result = tables["2"]["ihdiff"][kind]
        low, high = result["vertex_error_95_mm"]
        each = result["each"]["vertex_error_mm"]
        assert len(each) == result["poses"] == 2 and result["vertex_error_mm"] == pytest.approx(sum(each) / 2)
        assert low <= result["vertex_error_mm"] <= high and result["each"]["pose"] == ["p12", "p14"]
    assert tables["2"]["truth"]["all"]["contact_accuracy_percent"] == 100
    same, other = (tables["1"][name]["all"]["APD_mm"] for name in ("without_collision", "ihdiff"))
    assert same == other, "the same network with the same noise"
    page = (out / "tables.md").read_text()
    assert page.count("\n## ") + page.startswith("## ") == 3 and "The regressor is simulated" in page
    assert f"{tables['1']['vae']['all']['APD_mm']:.2f}" in page


def test_the_same_command_goes_on_from_what_is_there(done):
    words, out = done
    part, kept = out / "parts" / "table2-ihdiff-swap.json", out / "parts" / "table2-vae-clean.json"
    first = json.loads(part.read_text())
    part.unlink()
    other = json.loads(kept.read_text())
    original = kept.read_text()
    other["result"]["vertex_error_mm"] = [123.0, 125.0]
    kept.write_text(json.dumps(other))
    assert call(*words).exit_code == 0
    again = json.loads(part.read_text())
    assert again["settings"] == first["settings"]
    assert again["result"]["vertex_error_mm"] == pytest.approx(first["result"]["vertex_error_mm"], rel=1e-4)
    tables = json.loads((out / "tables.json").read_text())["tables"]
    assert tables["2"]["vae"]["clean"]["vertex_error_mm"] == 124, "a finished part is read, not computed"
    kept.write_text(original)


def test_other_settings_and_damage_are_refused(done):
    words, out = done
    assert "table1-data-train.json: is a result of another seed" in refused(*words, "--seed", 1)
    assert "table2-truth.json: is a result of another fitted" in refused(*words, "--poses", 1, "--tables", 2)
    part = out / "parts" / "table2-truth.json"
    original = part.read_text()
    part.write_text("{")
    assert "table2-truth.json: is damaged; remove it" in refused(*words)
    part.write_text(original)


def test_a_network_that_is_not_given_is_no_row(place, networks, tmp_path):
    words = ("--vae", networks["vae"], "--tables", 2, "--targets", "clean", *SMALL, "--out", tmp_path / "out")
    result = call(place, *words)
    assert result.exit_code == 0, result.output
    tables = json.loads((tmp_path / "out" / "tables.json").read_text())["tables"]
    assert {name: list(row) for name, row in tables["2"].items()} == {
        "truth": ["all"],
        "search": ["clean"],
        "vae": ["clean"],
    }
    assert "| IHDiff" not in result.output and "## Table 1" not in result.output


def test_a_regressors_file_is_refined(place, networks, poses, tmp_path):
    answers = folder_of(tmp_path / "answers", poses, ["test"] * 16) / "poses" / "00000.parquet"
    words = ("--vae", networks["vae"], "--tables", 3, "--regressor", answers, *SMALL, "--out", tmp_path / "out")
    assert call(place, *words).exit_code == 0
    found = json.loads((tmp_path / "out" / "tables.json").read_text())["tables"]["3"]
    assert found["regressor"]["all"]["vertex_error_mm"] == pytest.approx(0, abs=0.01), "its answers are the truth"
    assert list(found) == ["regressor", "regression", "vae"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--tables", "4"), "tables: there is no '4'; give some of 1, 2, 3"),
        (("--tables", ""), "tables: none is given"),
        (("--targets", "clean,blur"), "targets: there is no 'blur'; give some of clean, jitter, swap, partial"),
        (("--tables", "3"), "Table 3 refines a regressor's answers; give --regressor"),
        (("--tables", "3", "--regressor", "nowhere.parquet"), "nowhere.parquet: no such file"),
        (("--split", "validation"), "has no poses of the split validation"),
        (("--device", "tpu9"), "device: 'tpu9' is no device"),
        (("--checkpoint", "nowhere"), "nowhere: no checkpoint"),
    ],
)
def test_bad_input_is_one_sentence(place, tmp_path, words, sentence):
    said = refused(place, *SMALL, "--out", tmp_path / "out", *words)
    assert sentence in said and not (tmp_path / "out" / "tables.json").exists()


def test_networks_are_not_confused(place, networks, tmp_path):
    out = ("--out", tmp_path / "out", *SMALL)
    assert "has self-attention, where the row IHDiff is about cross-attention" in refused(
        place, "--checkpoint", networks["self"], *out
    )
    assert "has cross-attention" in refused(place, "--self-attention", networks["cross"], *out)
    assert "holds the VAE baseline" in refused(place, "--checkpoint", networks["vae"], *out)
    assert "holds IHDiff" in refused(place, "--vae", networks["cross"], *out)


def test_a_folder_with_other_things_is_left_alone(place, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    assert "holds something else (thesis.tex)" in refused(place, *SMALL, "--out", tmp_path)
    assert "is a file; give a directory" in refused(place, *SMALL, "--out", tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_recording_in_subsets_is_searched_in_one_and_judged_on_another(poses, hands, tmp_path):
    """InterHand2.6M: the bank is its training subset, the poses are those of the test subset."""
    recorded = tmp_path / "recorded"
    for subset, rows in (("train", slice(0, 12)), ("test", slice(12, 16))):
        save_interhand(recorded, interhand(poses[rows], hands, subset), subset, f"annotations/{subset}")
    place = f"interhand26m={recorded}"
    result = call(place, *SMALL, "--tables", 2, "--targets", "clean", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    read = json.loads((tmp_path / "out" / "tables.json").read_text())["settings"]["read"]
    assert "interhand26m (train)" in read and "interhand26m (test)" in read
    part = json.loads((tmp_path / "out" / "parts" / "table2-search-clean.json").read_text())["result"]
    assert len(part["pose"]) == 2 and all("test" in name for name in part["pose"])
