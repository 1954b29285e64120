"""Describing a staged artifact in processes of this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from flash.errors import BuildError, PreviewError
from flash.preview.describer import DESCRIBE_DEADLINE_S, Describer


class _ThisPython:
    identity = "this"

    def python(self, python_version: str, provided: tuple[str, ...] = ()) -> Path:
        return Path(sys.executable)


def staged(tmp_path: Path, module: str) -> Path:
    """A staged tree with one endpoint ``w``, whose function is in this module."""
    import flash

    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "mod.py").write_text(module, encoding="utf-8")
    (staging / "flash").symlink_to(Path(flash.__file__).parent)
    resource = {"functions": [{"name": "f", "module": "mod"}], "handler_file": "handler_w.py"}
    manifest = {"python_version": "3.11", "resources": {"w": resource}, "function_registry": {"f": "w"}}
    (staging / "flash_manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return staging


def described(staging: Path, deadline_s: float = DESCRIBE_DEADLINE_S) -> Any:
    from flash.model.manifest import Manifest

    manifest = Manifest.read(staging / "flash_manifest.json")
    describer = Describer(_ThisPython(), deadline_s=deadline_s)  # type: ignore[arg-type]
    return dict(describer(staging, manifest))


def test_a_module_that_hangs_is_an_error_with_the_line_that_it_hangs_at(tmp_path: Path) -> None:
    """Its interpreter was asked before it was ended."""
    staging = staged(tmp_path, "import threading\n\nthreading.Event().wait(600)\n")

    with pytest.raises(PreviewError, match=r"^mod.py:3: importing the handlers of w took more than 2 s") as raised:
        described(staging, deadline_s=2)

    assert "move it into the function" in raised.value.hint


def test_a_child_that_a_module_leaves_behind_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    """It holds a lock as long as it lives."""
    lock = tmp_path / "lock"
    staging = staged(
        tmp_path,
        "import fcntl, os, signal\n"
        f"lock = open({str(lock)!r}, 'w')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "if os.fork() == 0:\n    signal.pause()\n"
        "def f(x: int = 1): ...\n",
    )

    assert described(staging)["w"]["f"][""].error is None

    import fcntl

    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def test_a_module_that_ends_the_interpreter_is_a_named_error(tmp_path: Path) -> None:
    """``os._exit`` while a handler is imported leaves nothing to describe, and the error says whose handler."""
    staging = staged(tmp_path, "import os, sys\nsys.stderr.write('bye')\nsys.stderr.flush()\nos._exit(3)\n")

    with pytest.raises(PreviewError, match="handlers of w ended the interpreter with status 3") as raised:
        described(staging)

    assert "bye" in raised.value.detail


def test_a_module_that_raises_at_import_is_an_error_with_its_place(tmp_path: Path) -> None:
    """Not where it needs a variable that its endpoint declares."""
    staging = staged(tmp_path, "import os\n\nos.environ['TOKEN']\ndef f(): ...\n")

    with pytest.raises(
        BuildError, match=r"^mod.py:3: endpoint 'w' cannot be imported: KeyError: 'TOKEN'\nhint: .*env="
    ):
        described(staging)

    path = staging / "flash_manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["resources"]["w"]["env"] = {"TOKEN": "t"}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert described(staging)["w"]["f"][""].error is None


def test_schemas_come_from_the_staged_tree(tmp_path: Path) -> None:
    """The interpreter of the base environment imports the module and reads its signature."""
    staging = staged(tmp_path, "def f(x: int = 1) -> list[int]:\n    return [x]\n")

    schema = described(staging)["w"]["f"][""]

    assert schema.input["properties"]["x"]["type"] == "integer"
    assert schema.output == {"items": {"type": "integer"}, "type": "array"}


def test_a_module_that_writes_to_a_file_of_the_project_gets_a_copy(tmp_path: Path) -> None:
    """A build stages links: what a module does when it is imported does not reach the user's own file."""
    staging = staged(
        tmp_path,
        "from pathlib import Path\n"
        "data = Path(__file__).with_name('data.txt')\n"
        "data.write_text('changed')\n"
        "assert data.read_text() == 'changed'\n"
        "with open('log.txt', 'a') as log:\n    log.write('more')\n"
        "Path('run.sh').chmod(0o700)\n"
        "def f(x: int = 1): ...\n",
    )
    names = ("data.txt", "log.txt", "run.sh")
    for name in names:
        (tmp_path / name).write_text("mine", encoding="utf-8")
        (tmp_path / name).chmod(0o644)
        (staging / name).hardlink_to(tmp_path / name)

    assert described(staging)["w"]["f"][""].error is None

    assert [(tmp_path / name).read_text(encoding="utf-8") for name in names] == ["mine"] * 3
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in names] == [0o644] * 3
