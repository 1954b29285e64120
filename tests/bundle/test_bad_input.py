"""What is wrong with a project, as ``flash build`` tells it: one line with the place, a hint, exit status 1.

And nothing half-written: an artifact that was there before stays as it was.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fakes_bundle
import pytest
from fakes_bundle import QUEUE, Building, FakeInstaller, Package, flash_build, project

from flash.bundle import archive
from flash.bundle.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator

BEFORE = b"what was built before"
CAPABILITIES = "-dac_override,-dac_read_search,-fowner"


def queue(**arguments: str) -> str:
    """A worker whose endpoint has *arguments*, as they would be written."""
    given = ", ".join(f"{key}={value}" for key, value in arguments.items())
    return f"from flash import Endpoint\n\n@Endpoint({given})\ndef work(): ...\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that was built before."""
    monkeypatch.setenv("NO_COLOR", "1")
    folder = project(tmp_path / "app", {"pyproject.toml": "[tool.flash]\napp = 'demo'\npython = '3.11'\n"})
    (folder / ".flash").mkdir()
    (folder / ".flash/.gitignore").write_text("*\n", encoding="utf-8")
    (folder / ".flash/artifact.tar.gz").write_bytes(BEFORE)
    return folder


def refused(root: Path, capsys: pytest.CaptureFixture[str], services: Building | None = None) -> str:
    """What ``flash build`` says about a project that it refuses."""
    assert flash_build(root, services) == 1
    assert_untouched(root)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def assert_untouched(root: Path) -> None:
    assert (root / ".flash/artifact.tar.gz").read_bytes() == BEFORE
    assert {path.name for path in (root / ".flash").iterdir()} == {".gitignore", "artifact.tar.gz"}


@pytest.mark.parametrize("name", ["../../evil name", "a/b", "/etc/passwd", "a\\\\b", "..", "a b", ""])
def test_a_name_that_is_a_path_is_refused(root: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """It becomes the name of a file in the artifact."""
    project(root, {"worker.py": queue(name=f"'{name}'")})
    said = refused(root, capsys)
    assert f"worker.py:3: endpoint name '{name}'" in said
    assert "hint: " in said


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("numpy>>1", "worker.py:3", "endpoint 'w': 'numpy>>1' is no requirement"),
        ("numpy==", "worker.py:3", "endpoint 'w': 'numpy==' is no requirement"),
        ("-r other.txt", "worker.py:3", "is no requirement"),
    ],
)
def test_what_is_no_requirement_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], text: str, place: str, message: str
) -> None:
    """Whoever asks for it; nothing is guessed."""
    project(root, {"worker.py": queue(name="'w'", dependencies=f"['{text}']")})
    said = refused(root, capsys)
    assert place in said
    assert message in said
    assert "hint: " in said
    project(root, {"worker.py": queue(name="'w'"), "requirements.txt": "six\n\nnumpy>>1\n"})
    assert "requirements.txt:3: 'numpy>>1' is no requirement" in refused(root, capsys)


@pytest.mark.parametrize(
    ("first", "second", "contradicts"),
    [
        ("six==1.16.0", "six==1.17.0", True),
        ("six==1.16.0", "six>=1.17", True),
        ("six>=1.17", "six==1.16.0", True),
        ("six==1.16.0", "six>=1.10", False),
        ("six==1.16.0", "six==1.16", False),
        ("six==1.16.*", "six==1.16.0", False),
        ("six==1.16.0", "six==1.17.0; python_version < '3.11'", False),
    ],
)
def test_pins_that_contradict_name_both_endpoints(
    root: Path, capsys: pytest.CaptureFixture[str], first: str, second: str, contradicts: bool
) -> None:
    """Before anything is downloaded; a marker for another Python does not count."""
    source = "from flash import Endpoint\n\n@Endpoint(name='{}', dependencies=[\"{}\"])\ndef {}(): ...\n"
    project(root, {"a.py": source.format("one", first, "f"), "b.py": source.format("two", second, "g")})
    services = Building(FakeInstaller({"six": Package()}))
    if not contradicts:
        assert flash_build(root, services) == 0
        return
    said = refused(root, capsys, services)
    assert services.installer.calls == []
    assert "contradicts" in said
    assert "(endpoint 'one'" in said
    assert "(endpoint 'two'" in said
    assert "a.py:3" in said
    assert "b.py:3" in said
    assert "hint: all endpoints of an app share one set" in said


def test_a_marker_is_judged_for_the_workers_python(root: Path) -> None:
    """Not for the one that runs Flash."""
    dependencies = "[\"six; python_version == '3.13'\", \"numpy; python_version != '3.13'\"]"
    project(root, {"worker.py": queue(name="'w'", cpu="'cpu3c-1-2'", dependencies=dependencies)})
    for python, wanted in [("3.13", "six"), ("3.10", "numpy")]:
        project(root, {"pyproject.toml": f"[tool.flash]\napp = 'demo'\npython = '{python}'\n"})
        services = Building()
        assert flash_build(root, services) == 0
        assert [line.split(";")[0] for line in services.installer.calls[0][0]] == [wanted]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"X = 1\nNAME = 'caf\xe9'\n", "bad.py:2: "),
        (b"# -*- coding: nonsense -*-\n", "bad.py:1: its encoding cannot be told: unknown encoding: nonsense"),
        (b"X = '\0'\n", "bad.py"),
        (b"def broken(:\n", "bad.py:1: syntax error"),
    ],
)
def test_source_that_cannot_be_decoded_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    """With the line."""
    project(root, {"worker.py": QUEUE})
    (root / "bad.py").write_bytes(content)
    said = refused(root, capsys)
    assert message in said
    assert "hint: " in said


def test_a_legal_coding_line_is_honoured(root: Path) -> None:
    """Names and values are what the encoding says."""
    (root / "worker.py").write_bytes(
        b"# -*- coding: latin-1 -*-\nfrom flash import Endpoint\n@Endpoint(env={'A': 'caf\xe9'})\ndef work(): ...\n"
    )
    assert flash_build(root) == 0
    assert archive.read(root / ".flash/artifact.tar.gz").manifest.resources["work"].env == {"A": "café"}


def test_a_file_name_that_is_not_utf_8_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, as far as it can be."""
    project(root, {"worker.py": QUEUE})
    (root / os.fsdecode(b"caf\xe9.txt")).write_text("x", encoding="utf-8")
    said = refused(root, capsys)
    assert "b'caf\\xe9.txt' is not UTF-8" in said
    assert "hint: rename the file" in said


@pytest.mark.parametrize(
    ("link", "target", "message"),
    [
        ("link.txt", "../outside.txt", "link.txt: the link leaves the project: '../outside.txt'"),
        ("folder", "..", "folder: the link leaves the project: '..'"),
        ("sub/loop", "..", "sub/loop: the link leads in a circle"),
        ("self", "self", "self: the link points at nothing"),
        ("gone", "missing", "gone: the link points at nothing: 'missing'"),
        ("worker2.py", "/etc/hostname", "worker2.py: the link leaves the project"),
    ],
)
def test_links_that_mean_nothing_elsewhere_are_refused(
    root: Path, capsys: pytest.CaptureFixture[str], link: str, target: str, message: str
) -> None:
    """Once, with the way to leave them out."""
    project(root, {"worker.py": QUEUE, "sub/a.txt": "", "../outside.txt": ""})
    (root / link).symlink_to(target)
    said = refused(root, capsys)
    assert said.count(message) == 1
    assert "hint: " in said
    assert ".flashignore" in said
    (root / ".flashignore").write_text(f"/{link}\n", encoding="utf-8")
    assert flash_build(root) == 0


def packed(root: Path) -> set[str]:
    with tarfile.open(root / ".flash/artifact.tar.gz") as tar:
        return {name for name in tar.getnames() if not name.startswith("flash/")}


def test_pipes_secrets_and_what_nested_ignore_files_hide_are_not_packed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The build says which secrets and pipes it left out."""
    names = (
        ".env.production",
        ".env.example",
        "id_rsa",
        "keys/credentials.json",
        "data/.gitignore",
        "data/raw.bin",
        "data/kept.bin",
    )
    project(root, {"worker.py": QUEUE, **dict.fromkeys(names, "secret"), "data/.gitignore": "*.bin\n!kept.bin\n"})
    os.mkfifo(root / "pipe")
    assert flash_build(root) == 0
    assert packed(root) == {
        *("flash_manifest.json", "handler_worker.py", "pyproject.toml", "requirements.txt", "worker.py"),
        "data/kept.bin",
    }
    said = capsys.readouterr().err
    assert "left out, as it may hold a secret: .env.production, id_rsa, keys/credentials.json" in said
    assert "left out, as it is neither a file nor a folder: pipe" in said


def test_a_requirement_for_another_python_is_left_out_and_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be meant so: the build goes on, and names it with its place, its marker and the workers' Python."""
    declared = QUEUE.replace('"cpu3c-1-2"', '"cpu3c-1-2", dependencies=["six; python_version<\'3.9\'"]')
    project(root, {"worker.py": declared, "requirements.txt": "numpy\nsix; python_version >= '4'\n"})
    assert flash_build(root) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "marker" in line]
    assert line == (
        "left out, as its marker does not hold for the workers, Python 3.11 on Linux x86-64:"
        """ 'six; python_version >= "4"' (requirements.txt:2), 'six; python_version < "3.9"' (endpoint 'worker')"""
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import os; os._exit(7)", "ended the interpreter with status 7"),
        ("raise SystemExit(3)", "it exits when it is imported, with status 3 (worker.py:2)"),
        ("import os; os.fork()", "it forks when it is imported (worker.py:2)"),
        ("input()", "it reads standard input when it is imported (worker.py:2)"),
    ],
)
def test_a_module_that_must_be_run_and_misbehaves_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], body: str, message: str
) -> None:
    """It is run at all because the name is worked out; otherwise none of it would matter."""
    project(root, {"worker.py": f"from flash import *\n{body}\n@Endpoint(name=''.join(c for c in 'w'))\ndef f(): ..."})
    said = refused(root, capsys)
    assert "worker.py:3: " in said
    assert message in said
    assert "hint: " in said
    project(root, {"worker.py": f"from flash import *\n{body}\n@Endpoint(name='w')\ndef f(): ..."})
    assert flash_build(root) == 0


# --------------------------------------------------------------------------------------------------------- Permissions


def unprivileged() -> list[str]:
    """What makes a command mind permissions, which root does not."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is not None:
        return [setpriv, f"--bounding-set={CAPABILITIES}", f"--inh-caps={CAPABILITIES}"]
    drop = "import ctypes, os, sys; [ctypes.CDLL(None).prctl(24, n, 0, 0, 0) for n in (1, 2, 3)]"
    return [sys.executable, "-c", f"{drop}; os.execv(sys.argv[1], sys.argv[1:])"]


def build_unprivileged(root: Path) -> subprocess.CompletedProcess[str]:
    command = [*unprivileged(), sys.executable, str(Path(fakes_bundle.__file__)), str(root)]
    folders = [str(Path(fakes_bundle.__file__).parent), str(Path(archive.__file__).parents[2])]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(folders), "NO_COLOR": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("closed", "mode", "message"),
    [
        ("worker.py", 0o000, "worker.py: cannot read it: Permission denied"),
        ("data.bin", 0o000, "data.bin: cannot "),
        ("folder", 0o000, "folder/: cannot read the folder: Permission denied"),
        (".flashignore", 0o000, ".flashignore: cannot read it"),
        (".flash", 0o555, ".flash"),
        ("listed", 0o444, "listed/a.txt: cannot "),
        (".flash/.build/stale", 0o000, ": cannot build there: Permission denied"),
    ],
)
def test_what_cannot_be_read_or_written_is_refused(root: Path, closed: str, mode: int, message: str) -> None:
    """Nothing is left out in silence."""
    files = ("data.bin", "folder/a.txt", "listed/a.txt", ".flash/.build/stale/a.txt")
    project(root, {"worker.py": QUEUE, ".flashignore": "# none\n", **dict.fromkeys(files, "x")})
    path = root / closed
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        done = build_unprivileged(root)
    finally:
        path.chmod(before)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert (root / ".flash/artifact.tar.gz").read_bytes() == BEFORE


def test_a_project_folder_that_cannot_be_written_is_refused(root: Path) -> None:
    """It has no .flash folder yet."""
    project(root, {"worker.py": QUEUE})
    shutil.rmtree(root / ".flash")
    root.chmod(0o555)
    try:
        done = build_unprivileged(root)
    finally:
        root.chmod(0o755)
    assert done.returncode == 1, done.stderr
    assert ".flash: cannot write there: Permission denied" in done.stderr
    assert "hint: the project's folder has to be writable" in done.stderr


# -------------------------------------------------------------------------------------------------------- Interruption


class Interrupted(FakeInstaller):
    """Stands for installing: Ctrl+C arrives when some of it is done."""

    def install(self, *_: Any, target: Path, **__: Any) -> Any:
        (target / "half").write_text("x", encoding="utf-8")
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_while_installing_leaves_what_was_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 130, and no traceback."""
    project(root, {"worker.py": queue(dependencies="['six']")})
    services = Building()
    services.installer = Interrupted()
    assert flash_build(root, services) == 130
    assert_untouched(root)
    assert "Traceback" not in capsys.readouterr().err


def test_ctrl_c_while_packing_leaves_what_was_there(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No truncated archive under the final name, and none under another."""
    project(root, {"worker.py": QUEUE})
    chunks = Layer.chunks
    packed = []

    def interrupted(layer: Layer) -> Iterator[bytes]:
        for chunk in chunks(layer):
            packed.append(chunk)
            yield chunk
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Layer, "chunks", interrupted)
    assert flash_build(root) == 130
    assert_untouched(root)
    assert len(packed) == 1
