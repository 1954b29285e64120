"""Base environments: made once, complete or not at all, and never of another Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes_preview import FakeUv

from flash.errors import DependencyError, TargetPythonMissing
from flash.preview.bases import BASE_REQUIREMENTS, Bases

HERE = Path("/usr/bin/python3.11")


def bases(tmp_path: Path, uv: FakeUv, said: list[str]) -> Bases:
    return Bases(tmp_path / "bases", uv, said.append)


def test_a_base_is_made_once(tmp_path: Path) -> None:
    """The second question is answered from the folder."""
    uv, said = FakeUv(HERE), []

    first = bases(tmp_path, uv, said).python("3.11")
    second = bases(tmp_path, uv, said).python("3.11")

    assert first == second
    assert uv.installed == [BASE_REQUIREMENTS]
    assert said == ["making the base environment for Python 3.11"]


def test_a_gpu_base_adds_what_its_endpoint_needs_and_says_so(tmp_path: Path) -> None:
    """What the image ships and the endpoint uses is installed in the image's version, in an environment of its own."""
    uv, said = FakeUv(HERE), []
    plain = bases(tmp_path, uv, said).python("3.11")

    gpu = bases(tmp_path, uv, said).python("3.11", ("torch", "numpy"))

    assert gpu != plain
    assert uv.installed[-1] == (*BASE_REQUIREMENTS, "numpy", "torch==2.9.1")
    assert said[-1] == "making the base environment for Python 3.11 with numpy, torch"


def test_a_base_that_could_not_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    """A failed install is not taken for a base by the next run."""
    uv = FakeUv(HERE)
    uv.refuse_install = True

    with pytest.raises(DependencyError):
        bases(tmp_path, uv, []).python("3.11")

    assert list((tmp_path / "bases").iterdir()) == []


def test_a_base_whose_interpreter_is_gone_is_made_anew(tmp_path: Path) -> None:
    """An uninstalled Python leaves a broken link where the interpreter was."""
    uv = FakeUv(HERE)
    python = bases(tmp_path, uv, []).python("3.11")
    python.unlink()
    python.symlink_to(tmp_path / "uninstalled")

    again = bases(tmp_path, uv, []).python("3.11")

    assert again == python
    assert again.read_text() == str(HERE)


def test_a_missing_interpreter_is_downloaded_and_announced(tmp_path: Path) -> None:
    """There is one download, and it is said."""
    said: list[str] = []

    python = bases(tmp_path, FakeUv(None, can_download=True), said).python("3.12")

    assert python.read_text() == "/downloaded/3.12/python"
    assert said[0] == "downloading Python 3.12: none is on this machine"


def test_another_version_is_never_taken_instead(tmp_path: Path) -> None:
    """Where the target's Python cannot be had, the error says what to set."""
    with pytest.raises(TargetPythonMissing) as raised:
        bases(tmp_path, FakeUv(None), []).python("3.13")

    assert raised.value.message.startswith("Python 3.13")
    assert "[tool.flash]" in raised.value.hint
    assert raised.value.detail == "no route"


def test_a_library_is_the_same_distributions_as_a_layer_compiled_and_made_once(tmp_path: Path) -> None:
    """Its folder is named for what is in it; what a GPU image ships makes another."""
    uv, said = FakeUv(HERE), []

    first = bases(tmp_path, uv, said).library("3.11")
    second = bases(tmp_path, uv, said).library("3.11")
    gpu = bases(tmp_path, uv, said).library("3.11", ("torch",))

    assert first == second != gpu
    assert (first / "fastapi.py").exists()
    assert uv.installed == [BASE_REQUIREMENTS, (*BASE_REQUIREMENTS, "torch==2.9.1")]
    assert uv.compiled == [(HERE, "library")] * 2
    assert len(said) == 2


def test_without_the_targets_interpreter_a_library_is_not_compiled_and_says_so_in_its_name(tmp_path: Path) -> None:
    """Where the interpreter comes later, another one is made."""
    uv = FakeUv(None)

    plain = bases(tmp_path, uv, []).library("3.11")
    bases(tmp_path, uv, []).compile("3.11", plain)

    assert uv.compiled == []
    assert bases(tmp_path, FakeUv(HERE), []).library("3.11") != plain


def test_a_library_that_could_not_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    """As for environments."""
    uv = FakeUv(HERE)
    uv.refuse_install = True

    with pytest.raises(DependencyError):
        bases(tmp_path, uv, []).library("3.11")

    assert [path.name for path in (tmp_path / "bases").iterdir() if not path.name.endswith(".lock")] == []
