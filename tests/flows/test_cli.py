"""The command: help everywhere, exit codes as promised, one sentence for bad input."""

import shutil

import pytest
from click.testing import CliRunner, Result

from flows.cli import main
from tests.flows.small_run import rows


def call(*words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize(
    "command",
    [
        *main.commands,
        "assets list",
        "assets pull",
        "assets verify",
        "assets anchors",
        "assets build-hand",
        "train naturalness",
    ],
)
def test_every_command_explains_itself(command):
    result = call(*command.split(), "--help")
    assert result.exit_code == 0 and len(result.output) > 100


def test_an_unknown_command_or_option_is_refused_with_2():
    assert call("fly").exit_code == 2
    assert call("run", "--speed", "9").exit_code == 2


@pytest.mark.render
def test_doctor_says_what_is_here():
    result = call("doctor")
    assert result.exit_code == 0, result.output
    assert "8 of 300 here and whole" in result.output and "Cycles can use" in result.output and "CPU" in result.output


def test_doctor_says_what_is_missing(tmp_path):
    result = call("doctor", "--mano", str(tmp_path))
    assert result.exit_code == 1
    assert "MISS MANO" in result.output and "MANO_RIGHT.pkl" in result.output


def test_assets_are_listed_and_whole():
    listed = call("assets", "list")
    assert (
        listed.exit_code == 0
        and "8 of 300 environments" in listed.output
        and "polyhaven.com/a/courtyard" in listed.output
    )
    assert call("assets", "verify").output.count("whole") == 8


@pytest.mark.render
def test_inspect_counts_and_writes_a_page(made):
    result = call("inspect", str(made))
    assert result.exit_code == 0, result.output
    assert "hand_heart 2" in result.output
    assert (made / "inspection.html").stat().st_size > 5000


@pytest.mark.render
def test_verify_passes_a_sound_dataset_and_fails_a_damaged_one(made, tmp_path):
    assert call("verify", str(made)).exit_code == 0
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    shard = next((copy / "images").glob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    result = call("verify", str(copy))
    assert result.exit_code == 1 and "checksum" in result.output


@pytest.mark.render
def test_a_dataset_of_another_hand_is_not_judged_with_this_one(made, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"right": "', '"right": "0', 1))
    result = call("verify", str(copy))
    assert result.exit_code == 2 and "another hand model" in result.output


@pytest.mark.render
def test_rows_name_what_made_them(made):
    for row in rows(made, "images"):
        assert row["render"]["device"].startswith("CPU") and row["render"]["bpy_version"].startswith("4.5")
        assert row["provenance"]["source"] == "gestures"
