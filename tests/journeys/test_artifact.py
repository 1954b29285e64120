"""An artifact as its users have it: built with its papers, compared and verified, by the commands as typed."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import TYPE_CHECKING

import pytest
from journeys.conftest import APP, Shell

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.journey


def test_an_artifact_is_built_with_papers_compared_and_verified(tmp_path: Path, home: Path) -> None:
    """A change of one file changes that file and its endpoint's fingerprint; old papers are not the new artifact's."""
    shell = Shell(tmp_path / "demo", home)
    shell.root.mkdir()
    shell.write(
        {name: text.replace("{python}", ".".join(map(str, sys.version_info[:2]))) for name, text in APP.items()}
    )
    papers = ("--sbom", ".flash/bom.json", "--provenance", ".flash/made.json")
    first = shell.flash("build", *papers, "--json")
    assert first.returncode == 0, first.stderr
    digest = json.loads(first.stdout)["sha256"]
    artifact, bill = shell.root / ".flash/artifact.tar.gz", json.loads((shell.root / ".flash/bom.json").read_bytes())
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert hashlib.sha256(artifact.read_bytes()).hexdigest() == digest
    assert shell.flash("inspect", "--verify", ".flash/made.json").returncode == 0

    old = tmp_path / "old.tar.gz"
    old.write_bytes(artifact.read_bytes())
    shell.write({"greeter.py": APP["greeter.py"].replace("Hello", "Goodbye")})
    assert shell.flash("build").returncode == 0
    changed = json.loads(shell.flash("inspect", "--diff", str(old), "--json").stdout)
    assert changed["files"] == {"project": {"added": [], "removed": [], "changed": ["greeter.py"]}}
    assert [one["name"] for one in changed["settings"]["greeter"]] == ["fingerprint"]
    refused = shell.flash("inspect", "--verify", ".flash/made.json")
    assert (refused.returncode, "it is about another artifact" in refused.stderr) == (1, True)
    assert shell.flash("inspect", str(old), "--verify", ".flash/made.json").returncode == 0
