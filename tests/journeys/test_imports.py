"""How often a build imports the user's modules, counted by themselves."""

from __future__ import annotations

from collections import Counter
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from journeys.conftest import Shell


COUNTING = """
    from pathlib import Path
    import shared

    with Path({log!r}).open("a") as log:
        log.write(__name__ + "\\n")
"""
"""Writes a line whenever it is imported."""


def counted(log: Path, body: str = "") -> str:
    return dedent(COUNTING.format(log=str(log))) + dedent(body)


READ = """
    from flash import Endpoint

    @Endpoint(name="{name}-1", cpu="cpu3c-1-2")
    def {name}_1(x: int) -> int: ...

    @Endpoint(name="{name}-2", cpu="cpu3c-1-2")
    def {name}_2(x: int) -> int: ...

    @Endpoint(name="{name}-3", cpu="cpu3c-1-2")
    async def {name}_3(x: int) -> int: ...
"""
RUN = READ.replace('"{name}-', 'shared.PREFIX + "{name}-')


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where imports are noted: outside of the project."""
    return tmp_path / "imports.log"


def test_a_module_is_imported_once_in_a_build(project: Shell, log: Path) -> None:
    """However many endpoints it has and whoever imports it: to describe their functions, and never to find them."""
    project.write(
        {
            "greeter.py": counted(log, READ.format(name="greet")),
            "other.py": counted(log, READ.format(name="other")),
            "shared.py": counted(log).replace("import shared", "import greeter"),
            "unused.py": counted(log),
        }
    )
    assert project.flash("build").returncode == 0
    assert Counter(log.read_text(encoding="utf-8").split()) == {"greeter": 1, "other": 1, "shared": 1}
    # and not at all when nothing has changed
    assert project.flash("build").returncode == 0
    assert len(log.read_text(encoding="utf-8").split()) == 3


def test_a_module_that_must_be_run_to_be_read_is_imported_once_more(project: Shell, log: Path) -> None:
    """Before anything is installed, as what it declares decides what is; all such modules together in one process."""
    project.write(
        {
            "greeter.py": counted(log, RUN.format(name="greet")),
            "other.py": counted(log, RUN.format(name="other")),
            "shared.py": counted(log, "PREFIX = ''.join(c for c in 'x-')\n").replace("import shared", ""),
        }
    )
    done = project.flash("build")
    assert done.returncode == 0, done.stderr
    assert Counter(log.read_text(encoding="utf-8").split()) == {"greeter": 2, "other": 2, "shared": 2}
