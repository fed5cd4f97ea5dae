"""Storage that ignores conditions is found out before two workers rely on it."""

import pytest

from dataset.errors import InputError
from dataset.storage.folder import FolderStore
from dataset.storage.store import Stored
from dataset.storage.suitability import refuse_unsuitable


def test_both_kinds_are_suitable(store):
    refuse_unsuitable(store)
    assert store.names("") == []


class OverwritingStore(FolderStore):
    """As servers are that do not know If-None-Match."""

    def create(self, name, content):
        return self._put(name, content)


class TaglessStore(FolderStore):
    """As servers are that do not know If-Match."""

    def replace(self, name, content, tag):
        return self._put(name, content)


class LateStore(FolderStore):
    """As servers are that show an old content for a while."""

    def read(self, name):
        return Stored(b"old", "old") if self.names("") else None

    def replace(self, name, content, tag):
        return self._put(name, content) if super().read(name).tag == tag else None


class FullStore(FolderStore):
    """As servers are that answer every conditional write with a conflict."""

    def create(self, name, content):
        return None


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (OverwritingStore, "creates a file that is there already"),
        (TaglessStore, "replaces a file whose tag has changed"),
        (LateStore, "does not show what was just written"),
        (FullStore, "says of a new file that it is there already"),
    ],
)
def test_others_are_refused(tmp_path, kind, fault):
    store = kind(tmp_path / "demo")
    with pytest.raises(InputError, match=rf"demo: this storage {fault}, so two workers could make the same shard"):
        refuse_unsuitable(store)
    assert store.names("") == []
