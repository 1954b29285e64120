"""What may not be imported here and may in a worker, and what is told of the rest."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from flash.model.manifest import Manifest, Resource
from flash.runtime import excuses
from flash.runtime.excuses import failure, has_excuse

if TYPE_CHECKING:
    from pathlib import Path

CPU = Resource(instance_ids=["cpu3c-1-2"])
GPU = Resource(gpu_ids="ADA_24")
PLAIN = Manifest(excluded={"torch": "the GPU image ships it"})


def raised(code: str) -> Exception:
    try:
        exec(compile(code, "app.py", "exec"), {})  # noqa: S102  written below
    except Exception as error:  # noqa: BLE001  of any kind
        return error
    raise AssertionError(code)


@pytest.fixture
def without_gpu_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in excuses._DRIVEN:
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("without_gpu_libraries")
@pytest.mark.parametrize("resource", [CPU, GPU], ids=["CPU", "GPU"])
@pytest.mark.parametrize(
    "code",
    [
        *("raise RuntimeError('boom')", "1 / 0", "undefined", "None.x", "import os; os.environ['HF_TOKEN_OF_NOBODY']"),
        *(
            "from json import nothing_of_that_name",
            "import nothing_of_that_name",
            "assert False",
            "compile('(', '', 'exec')",
        ),
    ],
)
def test_what_a_worker_would_raise_too_has_none(code: str, resource: Resource) -> None:
    """It could never serve."""
    assert not has_excuse(raised(code), resource, PLAIN)


@pytest.mark.parametrize(
    "code",
    [
        *("raise ModuleNotFoundError(name='torch.cuda')", "raise ModuleNotFoundError(name='runpod')"),
        *("raise ModuleNotFoundError(name='huggingface_hub')", "open('/nowhere/weights')", "raise ConnectionError"),
        "try:\n    open('/nowhere/weights')\nexcept OSError:\n    raise RuntimeError('no weights')",
        "try:\n    open('/nowhere/weights')\nexcept OSError as error:\n    raise RuntimeError('no weights') from error",
        *("raise MemoryError", "import os; os.environ['RUNPOD_POD_ID_OF_NOBODY']"),
        "raise ImportError('libGL.so.1: cannot open shared object file', name='cv2', path='/app/cv2/cv2.abi3.so')",
        "raise ImportError('pandas wants openpyxl')",
    ],
)
def test_what_only_a_worker_may_have_is_one(code: str) -> None:
    """Libraries of the image, volumes, the network, memory, variables of the platform."""
    assert has_excuse(raised(code), CPU, PLAIN)


def test_a_module_of_a_distribution_that_the_user_excluded_may_have_any_name() -> None:
    """``opencv-python`` is ``cv2``: whoever excludes it has it in the image."""
    manifest = Manifest(excluded={"opencv-python": "--exclude, or exclude in [tool.flash]"})
    assert has_excuse(raised("raise ModuleNotFoundError(name='cv2')"), CPU, manifest)


def test_a_library_that_asks_for_a_gpu_may_find_one_in_a_gpu_worker_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """But no GPU makes up for a name that is not defined."""
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    for code in ("raise RuntimeError('No CUDA GPUs are available')", "assert not 'CUDA'"):
        assert has_excuse(raised(code), GPU, PLAIN)
        assert not has_excuse(raised(code), CPU, PLAIN)
    assert not has_excuse(raised("undefined"), GPU, PLAIN)


def test_a_failure_has_the_innermost_place_in_the_project(tmp_path: Path) -> None:
    """Not in a library, whether bundled or Python's own; paths are the user's, and what is ours is left out."""
    written = {
        "worker.py": "import lib.part",
        "lib/part.py": "import bundled\n\nbundled.work()",
        "bundled.py": "import json\n\ndef work():\n    json.loads('{')",
    }
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "bundled-1.0.dist-info").mkdir()
    (tmp_path / "bundled-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: bundled\nVersion: 1.0\n")
    (tmp_path / "bundled-1.0.dist-info/RECORD").write_text("bundled.py,,\n")
    sys.path.insert(0, str(tmp_path))
    try:
        error = failure("w", raised("import worker"), tmp_path)
    finally:
        sys.path.remove(str(tmp_path))
        for name in ("worker", "lib", "lib.part", "bundled"):
            sys.modules.pop(name, None)
    assert error.headline.startswith("lib/part.py:3: endpoint 'w' cannot be imported: JSONDecodeError: ")
    assert error.detail.splitlines()[:3] == [
        "Traceback (most recent call last):",
        '  File "worker.py", line 1, in <module>',
        "    import lib.part",
    ]
    assert str(tmp_path) not in str(error)


def test_a_file_that_this_python_cannot_read_is_named_itself(tmp_path: Path) -> None:
    """It has no frame: the target's Python may be older than the one that read the sources first."""
    (tmp_path / "seen_newer.py").write_text("x = 1\ndef f(:\n", encoding="utf-8")
    sys.path.insert(0, str(tmp_path))
    try:
        error = failure("w", raised("import seen_newer"), tmp_path)
    finally:
        sys.path.remove(str(tmp_path))
    assert (error.path, error.line) == ("seen_newer.py", 2)
    assert error.hint == "correct it; a worker would raise it too"


@pytest.mark.parametrize(
    ("code", "hint"),
    [("import nothing_of_that_name", "list what has it in dependencies"), ("1 / 0", "move the work into the function")],
)
def test_the_hint_is_about_the_error(code: str, hint: str, tmp_path: Path) -> None:
    """What mends a missing library mends nothing else."""
    assert hint in failure("w", raised(code), tmp_path).hint
