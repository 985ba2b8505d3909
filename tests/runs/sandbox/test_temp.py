"""Temp folders go with their runs, and those of killed workers with the next worker."""

import os
import tempfile
import time

import pytest

from runs.sandbox.temp import TempFolders, folder_remove, folder_use


@pytest.fixture
def somewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def age(path) -> None:
    os.utime(path, (time.time() - 3600,) * 2)


def test_the_folder_of_a_killed_worker_is_swept_and_that_of_a_living_one_is_not(somewhere):
    living = TempFolders()
    dead = somewhere / "openfn-runs-dead"
    (dead / "run-1").mkdir(parents=True)
    for folder in (dead, living.path):
        age(folder)
    TempFolders().close()
    assert not dead.exists()
    assert living.path.exists()
    living.close()
    assert not living.path.exists()


def test_what_is_used_is_counted_without_following_links(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"x" * 100_000)
    (tmp_path / "root").symlink_to("/")
    size, files = folder_use(tmp_path, most_files=100)
    assert 100_000 <= size < 200_000
    assert files == 3


def test_removing_a_folder_never_follows_a_link_out_of_it(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    folder_remove(inside)
    assert not inside.exists()
    assert (outside / "kept").exists()
