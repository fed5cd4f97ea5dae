from pathlib import Path

import pytest

from dataset.errors import InputError
from flows.operation import definition
from flows.operation.home import enter_home


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """As in a worker: some folder is the current one, and nothing is set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RENDER_IH_HOME", raising=False)


def test_the_named_folder_comes_first(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("RENDER_IH_HOME", str(tmp_path / "home"))
    assert enter_home() == {"directory": str(tmp_path / "home")}
    assert Path.cwd() == tmp_path / "home"


def test_then_the_checkout():
    enter_home()
    assert (Path.cwd() / "prefect.yaml").is_file()
    assert Path.cwd() == Path(definition.__file__).parents[2]


def test_an_installed_package_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(definition, "_CODE", tmp_path / "site-packages")
    assert enter_home() == {"directory": str(tmp_path)}


def test_a_folder_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RENDER_IH_HOME", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"RENDER_IH_HOME names .*gone, which is no folder here; make it"):
        enter_home()
