"""The data folder: private, for one `up` at a time, and its secrets are never replaced in silence."""

from __future__ import annotations

import json
import os
import stat

import pytest

from openfn_platform.local.data_folder import DataFolder
from openfn_platform.local.processes import CannotStart


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "da ta"


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_up_on_the_same_data_is_told_where_the_first_one_is(path):
    first = DataFolder(path)
    first.say_who("http://127.0.0.1:8123")
    with pytest.raises(
        CannotStart, match=rf"already runs on .*: http://127.0.0.1:8123 \(process {os.getpid()}\)"
    ):
        DataFolder(path)
    first.close()
    DataFolder(path).close()


def test_everything_in_it_is_for_its_owner_only(path):
    folder = DataFolder(path)
    folder.secrets()
    folder.remember(port=1)
    folder.announce({"url": "here"})
    assert mode(path) == 0o700
    assert {mode(path / name) for name in ("up.json", "secrets.json", "remembered.json")} == {0o600}
    folder.close()


def test_up_json_is_gone_when_nothing_runs(path):
    folder = DataFolder(path)
    folder.announce({"url": "here"})
    assert json.loads((path / "up.json").read_text()) == {"url": "here"}
    folder.close()
    assert not (path / "up.json").exists()


def test_secrets_stay_and_new_kinds_are_added(path):
    folder = DataFolder(path)
    first = folder.secrets()
    assert first == folder.secrets()
    (path / "secrets.json").write_text(json.dumps({"secret_key": "older than the others"}))
    later = folder.secrets()
    assert later["secret_key"] == "older than the others"
    assert later.keys() == first.keys()
    folder.close()


@pytest.mark.parametrize("damage", ["", "{", "[]"])
def test_damaged_secrets_stop_the_start(path, damage):
    folder = DataFolder(path)
    (path / "secrets.json").write_text(damage)
    with pytest.raises(CannotStart, match="is damaged"):
        folder.secrets()
    folder.close()


def test_what_is_remembered_adds_up(path):
    folder = DataFolder(path)
    folder.remember(one=1)
    folder.remember(two=2)
    assert folder.remembered() == {"one": 1, "two": 2}
    folder.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_refused(path):
    path.mkdir(parents=True)
    os.chown(path, 1, 1)
    with pytest.raises(CannotStart, match="belongs to another user"):
        DataFolder(path)
