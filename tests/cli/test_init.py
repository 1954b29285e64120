"""``flash init``: what it writes, and that it never overwrites."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from flash.cli.init import SKELETON, skeleton_files
from flash.cli.main import main
from flash.project import load_project, target_of


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_project_is_the_skeleton_under_its_own_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the running Python, an environment on this machine and one on Runpod."""
    assert main(["init", "demo"]) == 0
    assert content(here / "demo").keys() == content(SKELETON).keys()
    project = load_project(here / "demo")
    assert (project.settings.app, project.settings.python) == ("demo", "{}.{}".format(*sys.version_info))
    assert [target_of(project, name) for name in project.settings.environments] == ["local", "runpod"]
    assert (here / "demo/README.md").read_text(encoding="utf-8").startswith("# demo\n")
    assert "  cd demo\n" in capsys.readouterr().out


def test_the_next_command_can_be_pasted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder may have a name that a shell takes apart."""
    assert main(["init", "my demo"]) == 0
    assert "  cd 'my demo'\n" in capsys.readouterr().out


def test_the_skeleton_is_a_project_itself() -> None:
    """Its own name and Python are the ones that a new project changes."""
    settings = load_project(SKELETON).settings
    assert skeleton_files(settings.app, settings.python) == content(SKELETON)


def test_no_secret_is_asked_for_or_written() -> None:
    """The example's variables are empty, and the real file is ignored."""
    files = skeleton_files("demo", "3.11")
    assert [line for line in files[".env.example"].splitlines() if line and line[0] != "#"] == ["RUNPOD_API_KEY="]
    assert ".env" in files[".gitignore"].splitlines()


def test_the_current_folder_can_become_a_project(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It keeps what it has."""
    (here / "notes.txt").write_text("mine", encoding="utf-8")
    assert main(["init", ".", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "app": "here",
        "folder": str(here),
        "python": "{}.{}".format(*sys.version_info),
        "files": sorted(content(SKELETON)),
    }
    assert content(here)["notes.txt"] == "mine"


@pytest.mark.parametrize("in_the_way", ["pyproject.toml", "tests/test_endpoints.py", ".gitignore"])
def test_nothing_is_written_where_a_file_is_in_the_way(
    here: Path, in_the_way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is listed."""
    path = here / in_the_way
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine", encoding="utf-8")
    assert main(["init", "."]) == 1
    assert content(here) == {in_the_way: "mine"}
    assert f"- {in_the_way}\n" in capsys.readouterr().err


def test_a_dangling_link_is_in_the_way_too(here: Path) -> None:
    """Writing through it would write elsewhere."""
    (here / "gpu_worker.py").symlink_to(here / "elsewhere.py")
    assert main(["init", "."]) == 1
    assert not (here / "elsewhere.py").exists()


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_a_file_where_a_folder_is_to_be_is_in_the_way(here: Path, name: str) -> None:
    """The project's own or one in it."""
    (here / name).write_text("mine", encoding="utf-8")
    assert main(["init", "demo" if name == "demo" else "."]) == 1
    assert content(here) == {name: "mine"}


def test_what_was_written_before_a_failure_goes_again(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A half of a project is none."""
    real = Path.open

    def opens(path: Path, *args: str, **options: str) -> object:
        if path.name == "pyproject.toml" and args == ("x",):
            raise OSError(28, "No space left on device", str(path))
        return real(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", opens)
    assert main(["init", "demo"]) == 1
    assert content(here) == {}
    assert "No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["---", "…"])
def test_a_folder_whose_name_is_no_app_is_a_usage_error(here: Path, name: str) -> None:
    """An app has a name."""
    assert main(["init", "--", name]) == 2
    assert content(here) == {}


def test_another_python_than_workers_have_is_said(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the default taken."""
    monkeypatch.setattr("flash.model.hardware.PYTHON_VERSIONS", ("3.10",))
    assert main(["init", "demo"]) == 0
    assert 'python = "3.12"' in (here / "demo/pyproject.toml").read_text(encoding="utf-8")
    assert "! workers have no Python" in capsys.readouterr().err
