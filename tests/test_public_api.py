"""What ``from flash import …`` gives, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import flash

SOURCE = Path(flash.__file__)
PAGE = {"Endpoint", "GpuGroup", "GpuType"}


def _imported(code: str) -> set[str]:
    """The modules that *code* has loaded in a new interpreter."""
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(SOURCE.parents[1])!r})\n{code}"]
    command[-1] += "\nprint(*sys.modules)"
    return set(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split())


def test_there_are_at_most_twelve_names() -> None:
    """Nouns only, so that no subpackage can shadow one."""
    assert len(flash.__all__) <= 12
    assert sorted(set(flash.__all__)) == flash.__all__
    assert all(name[0].isupper() for name in flash.__all__)
    assert set(flash.__all__) >= PAGE


def test_every_name_is_there() -> None:
    """Loaded on first use, and then kept."""
    for name in flash.__all__:
        value = getattr(flash, name)
        assert value.__name__ == name
        assert vars(flash)[name] is value
    assert set(flash.__all__) <= set(dir(flash))


def test_type_checkers_see_the_same_names() -> None:
    """The imports for them are the lazy table."""
    blocks = [node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.asname: node.module for node in imports for alias in node.names if alias.asname}
    assert seen == {name: getattr(flash, name).__module__ for name in flash.__all__}


def test_another_name_is_an_attribute_error() -> None:
    """As in any module."""
    with pytest.raises(AttributeError, match="'flash' has no attribute 'Endpiont'"):
        getattr(flash, "Endpiont")  # noqa: B009  type checkers know that it is not there


def test_import_flash_loads_nothing_else_of_ours() -> None:
    """And next to nothing of the standard library."""
    loaded = _imported("import flash")
    assert {name for name in loaded if name.startswith("flash")} == {"flash"}
    assert not loaded & {"typing", "enum", "dataclasses", "inspect", "re"}


def test_import_endpoint_loads_the_standard_library_only() -> None:
    """Of ours, the model's part that needs no more."""
    loaded = _imported("from flash import Endpoint")
    ours = {name for name in loaded if name.startswith("flash")}
    assert ours == {"flash", "flash.errors", "flash.model"} | {
        f"flash.model.{name}" for name in ("dispatch", "endpoint", "hardware", "secret")
    }
    assert {name.partition(".")[0] for name in loaded - ours} <= sys.stdlib_module_names | {"__main__"}
    assert not loaded & {"asyncio", "difflib", "pathlib", "json", "importlib.metadata"}


def test_the_version_is_one() -> None:
    """Three numbers."""
    assert len([int(part) for part in flash.__version__.split(".")]) == 3
