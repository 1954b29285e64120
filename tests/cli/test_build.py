"""``flash build``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fakes_cli import DIGEST

from flash.cli.main import main
from flash.errors import ArtifactTooLarge, DiscoveryError

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from fakes_cli import FakeServices


def test_the_result_is_on_stdout_and_progress_on_stderr(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that a pipe gets the result only."""
    assert main(["build"], services) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("✓ Build Complete\n")
    assert DIGEST in captured.out
    assert captured.err == "building\n"


def test_options_reach_the_build(project: Path, services: FakeServices) -> None:
    """``--exclude`` takes several at once, and may be given again."""
    assert main(["build", "--exclude", "a, b", "--exclude=c", "--keep-build-dir"], services) == 0
    assert services.asked == [
        ("build", {"root": project.resolve(), "exclude": ("a", "b", "c"), "keep_build_dir": True, "upgrade": False})
    ]


def test_the_project_can_be_elsewhere(
    project: Path, services: FakeServices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--root`` names it; ``--app`` names the app."""
    monkeypatch.chdir(tmp_path)
    assert main(["build", "--root", "project", "--app", "other"], services) == 0
    assert services.asked[0][1]["root"] == project.resolve()


def test_the_result_can_be_json(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """Progress stays on stderr."""
    assert main(["build", "--json"], services) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["sha256"] == DIGEST
    assert captured.err == "building\n"


def test_a_build_that_fails_exits_with_1(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, with the place, and a hint."""
    services.refuse["build"] = DiscoveryError("no endpoint found", hint="decorate one", path="app.py", line=3)
    assert main(["build"], services) == 1
    assert capsys.readouterr().err == "✗ app.py:3: no endpoint found\nhint: decorate one\n"


def test_a_failed_build_is_json_too(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """The same exit status, and the error on stdout."""
    services.refuse["build"] = ArtifactTooLarge("612 MiB, limit 500 MiB", size_bytes=2, limit_bytes=1, hint="--exclude")
    assert main(["build", "--json"], services) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"error": {"message": "612 MiB, limit 500 MiB", "hint": "--exclude"}}


def test_wrong_settings_exit_with_2(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is built with settings that nobody understood."""
    (project / "pyproject.toml").write_text("[tool.flash]\nexlude = []\n", encoding="utf-8")
    assert main(["build"], services) == 2
    assert "'exlude'" in capsys.readouterr().err
    assert services.asked == []


def test_an_interrupted_build_exits_with_130(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl+C is no failure of anybody's, and no traceback."""
    services.refuse["build"] = KeyboardInterrupt()
    assert main(["build"], services) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_an_error_of_the_operating_system_names_the_file(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk is no bug of ours."""
    services.refuse["build"] = OSError(28, "No space left on device", ".flash/artifact.tar.gz")
    assert main(["build"], services) == 1
    assert capsys.readouterr().err == "✗ .flash/artifact.tar.gz: No space left on device\n"
