"""``flash build --json``: whatever comes of a build, stdout is one JSON document, and the exit status says the rest."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from fakes_bundle import Building, flash_build, project

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = "[tool.flash]\napp = 'demo'\npython = '3.11'\nsize-limit-mib = 1\n"
WORKER = "from flash import Endpoint\nprint('seen')\n\n@Endpoint(name='w', cpu='cpu3c-1-2')\ndef work(): ...\n"
TOKEN = "AKIA" + "IOSFODNN7EXAMPLQ"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "app", {"pyproject.toml": SETTINGS, "worker.py": WORKER})


def told(root: Path, capfd: pytest.CaptureFixture[str], services: Any = None, *options: str) -> tuple[int, Any]:
    """The exit status, and the document: anything else on stdout would not parse."""
    status = flash_build(root, services, "--json", *options)
    out, err = capfd.readouterr()
    if status:
        assert "✗ " in err or "interrupted" in err
    return status, json.loads(out)


def test_a_build_is_one_document(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also where a module had to be run, and printed."""
    (root / "worker.py").write_text(WORKER.replace("'w'", "'-'.join(n for n in 'ab')"), encoding="utf-8")
    status, data = told(root, capfd)
    assert status == 0
    assert data["endpoints"]
    assert "error" not in data


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"worker.py": "import os\n"},
            {"kind": "DiscoveryError", "message": "no endpoint found"},
        ),
        (
            {"worker.py": WORKER + "def broken(:\n"},
            {"kind": "DiscoveryError", "path": "worker.py", "line": 6, "message": "worker.py:6: syntax error"},
        ),
        (
            {"worker.py": WORKER.replace("cpu=", "cpus=")},
            {"kind": "DeclarationError", "path": "worker.py", "line": 4, "message": "worker.py:4: "},
        ),
        (
            {"worker.py": f"{WORKER}KEY = '{TOKEN}'\n"},
            {"kind": "SecretFound", "path": "worker.py", "line": 6, "message": "worker.py:6: "},
        ),
        (
            {"requirements.txt": "nowhere\n"},
            {"kind": "DependencyError", "message": "requirements.txt:1: cannot install"},
        ),
        (
            {"requirements.txt": "six>>1\n"},
            {"kind": "DependencyError", "path": "requirements.txt", "line": 1, "message": "requirements.txt:1: "},
        ),
        (
            {"worker.py": f"import nowhere_at_all\n{WORKER}"},
            {"kind": "AuditFailed", "path": "worker.py", "line": 1, "message": "worker.py:1: "},
        ),
        (
            {"data.bin": hashlib.shake_256(b"").hexdigest(3 * 2**20)},
            {"kind": "ArtifactTooLarge", "limit_bytes": 2**20, "message": "the artifact is "},
        ),
        (
            {"flash/__init__.py": ""},
            {"kind": "BuildError", "path": "flash/__init__.py", "message": "flash/__init__.py: "},
        ),
    ],
)
def test_an_error_is_one_document_with_what_where_and_what_to_do(
    root: Path, capfd: pytest.CaptureFixture[str], files: dict[str, str], expected: dict[str, object]
) -> None:
    """Exit status 1."""
    project(root, files)
    status, data = told(root, capfd)
    assert status == 1
    error = data["error"]
    message = expected.pop("message")
    assert error["message"].startswith(message)
    assert error["hint"]
    assert {name: error.get(name) for name in expected} == expected
    assert TOKEN not in json.dumps(data)


def test_each_secret_and_each_finding_is_listed(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """For programs that would not take a text apart; what the secret is, is nowhere."""
    project(root, {"a.py": f"KEY = '{TOKEN}'\n", "worker.py": f"{WORKER}KEY = '{TOKEN}'\n"})
    _, data = told(root, capfd)
    assert [(one["path"], one["line"]) for one in data["error"]["found"]] == [("a.py", 1), ("worker.py", 6)]
    project(root, {"a.py": "", "worker.py": f"import nowhere_at_all, nor_here\n{WORKER}"})
    _, data = told(root, capfd)
    assert len(data["error"]["findings"]) == 2


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (KeyboardInterrupt(), 130, {"kind": "Interrupted", "message": "interrupted", "hint": ""}),
        (
            OSError(28, "No space left on device", ".flash/artifact.tar.gz"),
            1,
            {
                "kind": "FlashError",
                "message": ".flash/artifact.tar.gz: No space left on device",
                "hint": "make room there; flash sweep trims what builds have kept",
                "path": ".flash/artifact.tar.gz",
            },
        ),
    ],
)
def test_an_interruption_and_an_error_of_the_system_are_one_document(
    root: Path, capfd: pytest.CaptureFixture[str], error: BaseException, status: int, expected: dict[str, object]
) -> None:
    """Wherever they come from."""

    class Failing(Building):
        def build(self, *_: Any, **__: Any) -> Any:
            raise error

    assert told(root, capfd, Failing()) == (status, {"error": expected})


@pytest.mark.parametrize(
    ("settings", "options"),
    [("[tool.flash]\nexlude = []\n", ()), (SETTINGS, ("--nonsense",)), (SETTINGS, ("--sbom=-",))],
)
def test_a_wrong_call_is_one_document(
    root: Path, capfd: pytest.CaptureFixture[str], settings: str, options: tuple[str, ...]
) -> None:
    """Exit status 2."""
    project(root, {"pyproject.toml": settings})
    status, data = told(root, capfd, None, *options)
    assert status == 2
    assert data["error"]["message"]
    assert data["error"]["hint"]
