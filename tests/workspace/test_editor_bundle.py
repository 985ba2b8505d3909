"""Building the editor's script: when it is needed, and what is said when it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openfn_platform.local import bundle as local_bundle
from openfn_platform.workspace import editor_bundle
from openfn_platform.workspace.editor_bundle import (
    BundleNotBuilt,
    build,
    bundle_is_built,
    bundle_needs_building,
)
from tests.waiting import wait_for


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place with sources of its own and an `npm` that a test writes."""
    source = tmp_path / "editor"
    source.mkdir()
    (source / "package.json").write_text("{}")
    built = tmp_path / "static-built"
    monkeypatch.setattr(editor_bundle, "SOURCE", source)
    monkeypatch.setattr(editor_bundle, "BUILT", built)
    monkeypatch.setattr(editor_bundle, "SCRIPT", built / "bundle" / "editor" / "editor.js")
    monkeypatch.setattr(editor_bundle, "STAMP", built / "bundle.stamp")
    monkeypatch.setattr(editor_bundle, "LOCK", built / "bundle.lock")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.defpath}")
    return tmp_path


def npm(workshop: Path, script: str) -> None:
    program = workshop / "bin" / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


MAKES_IT = 'echo "$1" >> ../asked\n[ "$1" = ci ] || { mkdir -p ../static-built/bundle/editor; echo "//" > ../static-built/bundle/editor/editor.js; }'


def test_it_is_built_once_and_again_when_a_source_changes(workshop):
    npm(workshop, MAKES_IT)
    said: list[str] = []
    assert (bundle_is_built(), bundle_needs_building()) == (False, True)
    build(say=said.append)
    build(say=said.append)
    assert (workshop / "asked").read_text().split() == ["ci", "run"]
    assert (bundle_is_built(), bundle_needs_building()) == (True, False)
    assert said[-1] == "The code editor is up to date."
    (workshop / "editor" / "main.js").write_text("1")
    assert (bundle_is_built(), bundle_needs_building()) == (True, True)


def test_what_npm_fetched_is_no_source(workshop):
    before = editor_bundle.digest()
    (workshop / "editor" / "node_modules" / "part").mkdir(parents=True)
    (workshop / "editor" / "node_modules" / "part" / "index.js").write_text("1")
    assert editor_bundle.digest() == before


def test_a_failure_of_npm_is_told_in_its_own_words_and_leaves_no_stamp(workshop):
    npm(workshop, 'echo "no such part"; exit 3')
    with pytest.raises(BundleNotBuilt, match=r"`npm ci .*no such part"):
        build(say=lambda line: None)
    assert bundle_needs_building()


def test_without_npm_the_sentence_says_what_to_install(workshop, monkeypatch):
    monkeypatch.setenv("PATH", str(workshop / "bin"))
    with pytest.raises(BundleNotBuilt, match=r"install Node\.js"):
        build(say=lambda line: None)


def test_an_npm_that_hangs_is_stopped_with_its_children(workshop):
    npm(workshop, "sleep 60 & echo $! > ../child; wait")
    with pytest.raises(BundleNotBuilt, match=r"not done .* after 0\.5 seconds"):
        build(say=lambda line: None, seconds=0.5)
    child = (workshop / "child").read_text().strip()
    status = Path(f"/proc/{child}/status")

    def gone() -> bool:  # killed at once, buried when its turn comes
        try:
            return "zombie" in status.read_text()
        except OSError:
            return True

    wait_for(gone, lambda: "the child goes on")


def test_the_lock_file_names_versions_and_checksums_but_no_place_to_load_from():
    lock = json.loads((Path(editor_bundle.__file__).parent / "editor" / "package-lock.json").read_text())
    parts = {name: part for name, part in lock["packages"].items() if name}
    assert parts["node_modules/codemirror"]["version"] == "6.0.2"  # the registry's latest is version 5's code
    assert all(part["integrity"].startswith("sha512-") for part in parts.values())
    assert not any("resolved" in part for part in parts.values())


def test_up_and_a_build_by_hand_agree_on_what_is_built():
    assert local_bundle.digest() == editor_bundle.digest()
    assert local_bundle.STAMP == editor_bundle.STAMP


def test_it_can_be_asked_before_django_is_set_up():
    code = "import sys, openfn_platform.workspace.editor_bundle; print('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
