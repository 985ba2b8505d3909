"""The code editor's JavaScript: built by npm where there is one. Without it the screens show a plain text area."""

from __future__ import annotations

import hashlib
import os
import shutil

from openfn_platform.local.files import write_private
from openfn_platform.local.installing import CHECKOUT
from openfn_platform.local.processes import Command

SOURCE = CHECKOUT / "openfn_platform" / "workspace" / "editor"
TARGET = CHECKOUT / "static-built" / "bundle"
STAMP = CHECKOUT / "static-built" / "bundle.stamp"
BUILD_SECONDS = 100.0


def command() -> Command | None:
    """What builds the bundle, or None where that is not needed or not possible."""
    npm = shutil.which("npm")
    if not (SOURCE / "package.json").exists() or up_to_date() or npm is None:
        return None
    if not os.access(SOURCE, os.W_OK) or not os.access(CHECKOUT, os.W_OK):
        return None
    install = "ci" if (SOURCE / "package-lock.json").exists() else "install --no-package-lock"
    # One lock for all: two that start side by side would write the same files.
    STAMP.parent.mkdir(exist_ok=True)
    script = f'exec 9>"$1"; flock 9; "$0" {install} --no-audit --no-fund --loglevel=error && "$0" run build'
    return Command(
        name="editor", argv=("/bin/sh", "-c", script, npm, str(STAMP.with_suffix(".lock"))), folder=SOURCE
    )


def up_to_date() -> bool:
    try:
        return TARGET.is_dir() and STAMP.read_text("ascii") == digest()
    except OSError:
        return False


def remember() -> None:
    """Note from which sources the bundle was built."""
    write_private(STAMP, digest())


def digest() -> str:
    """Of the sources' names and content; what npm downloads is pinned by them."""
    total = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        inside = path.relative_to(SOURCE)
        if path.is_file() and "node_modules" not in inside.parts and not inside.name.startswith("."):
            total.update(f"{inside}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def missing() -> str:
    """Why there is no bundle, in words; empty when there is one, or nothing to build one from."""
    if not (SOURCE / "package.json").exists() or up_to_date():
        return ""
    if shutil.which("npm") is None:
        return "npm is not installed: code is edited in a plain text area."
    return "the code editor could not be built: code is edited in a plain text area."
