"""Describing an artifact in containers, on an engine in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes_docker import FakeContainers
from fakes_preview import FakeUv

from flash.emulator.launchers.containers import Ended
from flash.errors import BuildError, PreviewError
from flash.model.manifest import Manifest
from flash.preview.bases import Bases
from flash.preview.describing import ContainerDescriber

MANIFEST = Manifest.parse(
    {
        "python_version": "3.11",
        "project_name": "demo",
        "resources": {
            "cpu": {
                "functions": [{"name": "f", "module": "m"}],
                "env": {"MODE": "fast", "PYTHONPATH": "/nowhere"},
                "template": {"env": [{"key": "MODE", "value": "slow"}, {"key": "TOKEN", "value": "t"}]},
            },
            "gpu": {"functions": [{"name": "g", "module": "m"}], "provided": ["torch"]},
            "image": {},
        },
    }
)


@pytest.fixture
def engine() -> FakeContainers:
    made = FakeContainers()
    made.images["python:3.11-slim"] = "sha256:1"
    return made


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    folder = tmp_path / "staged"
    folder.mkdir()
    (folder / "m.py").touch()
    return folder


def describer(engine: FakeContainers, tmp_path: Path) -> ContainerDescriber:
    return ContainerDescriber(engine, Bases(tmp_path / "bases", FakeUv(None), lambda _: None), tmp_path)


def test_each_base_describes_its_endpoints_over_a_copy_of_the_artifact(
    engine: FakeContainers, staging: Path, tmp_path: Path
) -> None:
    """No network of ours, nothing mounted; labelled, in case the build is killed; connections are let go."""
    engine.answer = Ended(0, b'{"endpoints": {"cpu": {"f": {"": {"untyped": ["x"]}}}}}', b"chatter")

    described = describer(engine, tmp_path)(staging, MANIFEST)

    assert described["cpu"]["f"][""].untyped == ["x"]
    (cpu, names), (gpu, _) = engine.ran
    assert (cpu.command or ())[-1:] == ("cpu",)
    assert (gpu.command or ())[-1:] == ("gpu",)
    assert cpu.image != gpu.image
    assert names == ["app", "app/m.py"]
    assert cpu.labels["flash.home"] == str(tmp_path.resolve())
    assert not Path(cpu.labels["flash.folder"]).exists()
    assert engine.closed == 1
    # what endpoints declare, its modules may need as they are imported
    assert (cpu.environment["MODE"], cpu.environment["TOKEN"]) == ("fast", "t")
    assert cpu.environment["PYTHONPATH"] != "/nowhere"
    assert "MODE" not in gpu.environment


def test_one_that_could_never_be_served_is_an_error(engine: FakeContainers, staging: Path, tmp_path: Path) -> None:
    """As it was told in there."""
    engine.answer = Ended(
        0, b'{"failure": {"message": "boom", "path": "m.py", "line": 3, "hint": "", "detail": ""}}', b""
    )
    with pytest.raises(BuildError, match=r"^m.py:3: boom$"):
        describer(engine, tmp_path)(staging, MANIFEST)


def test_one_that_takes_too_long_is_an_error(engine: FakeContainers, staging: Path, tmp_path: Path) -> None:
    """It names the endpoints."""
    with pytest.raises(PreviewError, match="handlers of cpu took more than"):
        describer(engine, tmp_path)(staging, MANIFEST)
    assert engine.closed == 1


def test_one_that_ends_the_interpreter_is_an_error(engine: FakeContainers, staging: Path, tmp_path: Path) -> None:
    """With the end of what it said."""
    engine.answer = Ended(3, b"", b"bye\n")
    with pytest.raises(PreviewError, match="handlers of cpu ended the interpreter with status 3") as raised:
        describer(engine, tmp_path)(staging, MANIFEST)
    assert raised.value.detail == "bye"
