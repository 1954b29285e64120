"""A Python that is on this machine only as an image: what the functions accept is found out in a container."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from containers.conftest import HOST, Engine
from journeys.conftest import Shell

from flash.bundle.install import Uv
from flash.emulator.artifacts import ArtifactStore
from flash.emulator.launchers.sdk import DockerContainers
from flash.errors import PreviewError
from flash.model.manifest import MANIFEST_NAME, Manifest
from flash.preview.bases import Bases
from flash.preview.describer import Describer
from flash.preview.describing import ContainerDescriber


class WithoutPython(Uv):
    """A machine with no interpreter but the one that runs Flash."""

    def find_python(self, version: str) -> Path | None:
        return None


@pytest.fixture
def staged(shell: Shell, tmp_path: Path) -> Path:
    """A built artifact, unpacked."""
    built = shell.flash("build")
    assert built.returncode == 0, built.stderr
    store = ArtifactStore(tmp_path / "store")
    content = (shell.root / ".flash" / "artifact.tar.gz").read_bytes()
    store.upload_path("built").write_bytes(content)
    return store.unpack("built", hashlib.sha256(content).hexdigest())


@pytest.fixture
def describer(home: Path, machine: Engine) -> ContainerDescriber:
    """In containers, with a base that could not be compiled here."""
    bases = Bases(home / "bases", WithoutPython(dict(os.environ)), lambda _: None)
    return ContainerDescriber(DockerContainers(HOST), bases, home)


def test_a_container_describes_as_the_machine_does(
    staged: Path, describer: ContainerDescriber, home: Path, machine: Engine
) -> None:
    """So that the digest is the same; the container is gone."""
    before = machine.all()
    manifest = Manifest.read(staged / MANIFEST_NAME)
    here = Describer(Bases(home / "bases", Uv(dict(os.environ)), lambda _: None))(staged, manifest)
    assert describer(staged, manifest) == here
    assert here["greeter"]["greet"][""].input
    assert machine.all() == before


def test_a_module_that_ends_the_interpreter_is_an_error_with_what_it_said(
    staged: Path, describer: ContainerDescriber, machine: Engine
) -> None:
    """As on the machine."""
    before = machine.all()
    module = staged / "greeter.py"
    module.write_text("import os, sys\nprint('bye', file=sys.stderr, flush=True)\nos._exit(3)\n" + module.read_text())
    with pytest.raises(PreviewError, match="ended the interpreter with status 3") as raised:
        describer(staged, Manifest.read(staged / MANIFEST_NAME))
    assert "bye" in raised.value.detail
    assert machine.all() == before
