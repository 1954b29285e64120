"""What the build writes down about each function."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from fakes_runtime import importable, lb_resource, make_artifact, queue_resource

from flash.errors import BuildError
from flash.model.manifest import CallSchema, FunctionEntry, Resource
from flash.runtime.describe import describe

if TYPE_CHECKING:
    from pathlib import Path

QUEUE = """
from flash import Endpoint

@Endpoint(name="q", cpu="cpu3c-1-2")
def double(x: int) -> int:
    return 2 * x

@Endpoint(name="c", cpu="cpu3c-1-2")
class Model:
    def __init__(self):
        raise RuntimeError("nothing is constructed at build time")
    def predict(self, x: float) -> list[float]:
        return [x]
    def reset(self) -> None: ...
"""

WEB = """
from runpod_flash import Endpoint

api = Endpoint(name="web", cpu="cpu3c-1-2")

@api.post("/process")
def process(input: dict): ...

@api.get("/items/{id}")
def item(id: int, n: int = 3) -> str: ...
"""


def test_functions_classes_and_routes_are_described(tmp_path: Path) -> None:
    """By endpoint, function and method; a class is not constructed."""
    manifest = make_artifact(
        tmp_path,
        {"seen_queue.py": QUEUE, "seen_web.py": WEB.replace("runpod_flash", "flash")},
        {
            "q": queue_resource("seen_queue", "double"),
            "c": queue_resource("seen_queue", "Model", is_class=True),
            "web": lb_resource("seen_web", "process", "item"),
        },
    )
    with importable(tmp_path):
        found = describe(manifest)
    assert found["q"]["double"][""].example == {"x": 0}
    assert found["q"]["double"][""].output == {"type": "integer"}
    assert list(found["c"]["Model"]) == ["predict", "reset"]
    assert found["c"]["Model"]["predict"].example == {"x": 0}
    assert found["web"]["process"][""].untyped == ["return"]
    assert found["web"]["item"][""].example == {"id": 0}


def test_only_the_endpoints_asked_for_are_described(tmp_path: Path) -> None:
    """The others are not imported."""
    manifest = make_artifact(
        tmp_path,
        {"seen_queue.py": QUEUE, "seen_broken.py": "raise RuntimeError"},
        {"q": queue_resource("seen_queue", "double"), "b": queue_resource("seen_broken", "f")},
    )
    with importable(tmp_path):
        assert list(describe(manifest, ["q"])) == ["q"]


def test_what_cannot_be_imported_is_untyped_with_the_reason(tmp_path: Path) -> None:
    """A library that only the image may have; a name that is not there."""
    entry = FunctionEntry(name="Model", module="seen_torch", is_class=True, class_methods=["a", "b"])
    manifest = make_artifact(
        tmp_path,
        {"seen_torch.py": "raise ModuleNotFoundError('no torch', name='torch')", "seen_empty.py": ""},
        {
            "t": queue_resource("seen_torch", "f"),
            "m": Resource(functions=[entry]),
            "e": queue_resource("seen_empty", "f"),
        },
    )
    with importable(tmp_path):
        found = describe(manifest)
    missing = CallSchema(error="untyped: ModuleNotFoundError: no torch")
    assert found["t"]["f"][""] == missing
    assert found["m"]["Model"] == {"a": missing, "b": missing}
    assert "no 'f'" in (found["e"]["f"][""].error or "")


def test_a_module_that_raises_is_a_failure_with_its_place(tmp_path: Path) -> None:
    """It could never serve, whatever a worker has."""
    manifest = make_artifact(
        tmp_path, {"seen_raises.py": "x = 1\nraise RuntimeError('boom')"}, {"x": queue_resource("seen_raises", "f")}
    )
    with importable(tmp_path), pytest.raises(BuildError, match="endpoint 'x' cannot be imported: RuntimeError: boom"):
        describe(manifest)


def test_a_module_that_exits_ends_the_description(tmp_path: Path) -> None:
    """It could never serve, and the build must not pass over it: who runs the description sees how it ended."""
    manifest = make_artifact(tmp_path, {"seen_exit.py": "raise SystemExit(3)"}, {"x": queue_resource("seen_exit", "f")})
    with importable(tmp_path), pytest.raises(SystemExit, match="3"):
        describe(manifest)


def test_it_runs_as_a_program_in_the_staged_tree(tmp_path: Path) -> None:
    """As a build runs it: nothing but the tree and the base environment, both spellings of the import."""
    tree = tmp_path / "tree"
    make_artifact(
        tree,
        {"seen_web.py": WEB, "seen_broken.py": "open('/nowhere/weights')"},
        {"web": lb_resource("seen_web", "process", "item"), "b": queue_resource("seen_broken", "f")},
        with_flash=True,
    )
    data = described(tree)["endpoints"]
    assert CallSchema.model_validate(data["web"]["item"][""]).example == {"id": 0}
    assert data["b"]["f"][""]["error"].startswith("untyped: FileNotFoundError: ")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize(
    "does",
    [
        "open('data.txt', 'w').close()",
        "open('data.txt', 'a').write('more')",
        "open('data.txt', 'r+b').write(b'more')",
        "import os; os.write(os.open('data.txt', os.O_WRONLY), b'more')",
        "import os; os.truncate('data.txt', 1)",
        "import os; os.chmod('data.txt', 0o600)",
        "import pathlib; pathlib.Path(__file__).with_name('data.txt').write_text('more')",
        "import shutil; shutil.copyfile(__file__, 'data.txt')",
    ],
)
def test_importing_a_module_changes_no_file_that_has_another_name(tmp_path: Path, does: str) -> None:
    """The tree may be made of links to the user's own files."""
    tree = tmp_path / "tree"
    source = f"{does}\ndef f(x: int): ...\n"
    make_artifact(tree, {"seen_writing.py": source}, {"e": queue_resource("seen_writing", "f")}, with_flash=True)
    own = tmp_path / "own.txt"
    own.write_text("the user's", encoding="utf-8")
    before = own.stat()
    (tree / "data.txt").hardlink_to(own)
    assert "error" not in described(tree)["endpoints"]["e"]["f"][""]
    assert own.read_text(encoding="utf-8") == "the user's"
    assert (own.stat().st_mode, own.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert own.stat().st_ino != (tree / "data.txt").stat().st_ino


def test_a_failure_is_written_for_who_started_it(tmp_path: Path) -> None:
    """As an error's attributes."""
    make_artifact(tmp_path / "t", {"seen_zero.py": "\n1 / 0"}, {"b": queue_resource("seen_zero", "f")}, with_flash=True)
    failure = described(tmp_path / "t")["failure"]
    assert (failure["path"], failure["line"]) == ("seen_zero.py", 2)
    assert failure["message"] == "endpoint 'b' cannot be imported: ZeroDivisionError: division by zero"


def test_modules_of_a_source_folder_are_found(tmp_path: Path) -> None:
    """As the handlers find them."""
    tree = tmp_path / "tree"
    make_artifact(tree, {}, {"q": queue_resource("seen_queue", "double")}, with_flash=True)
    (tree / "src").mkdir()
    (tree / "src" / "seen_queue.py").write_text(QUEUE, encoding="utf-8")
    assert described(tree)["endpoints"]["q"]["double"][""]["example"] == {"x": 0}


def described(tree: Path) -> Any:
    """What the program writes about *tree*."""
    out = tree.with_name("schemas.json")
    command = [sys.executable, "-m", "flash.runtime.describe", str(out)]
    env = {"PATH": os.environ.get("PATH", "")}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(out.read_text())


def test_it_ends_by_itself_whatever_a_module_does(tmp_path: Path) -> None:
    """The build that started it may have been killed, and nobody else would end it."""
    make_artifact(
        tmp_path,
        {"seen_endless.py": "while True:\n    pass\n"},
        {"e": queue_resource("seen_endless", "f")},
        with_flash=True,
    )
    program = "from flash.runtime.describe import main; main(end_s=1)"
    command = [sys.executable, "-c", program, str(tmp_path / "out.json")]
    env = {"PATH": os.environ.get("PATH", "")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert "seen_endless.py" in done.stderr
