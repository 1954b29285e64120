"""docs/discovery.md: what it calls run is run, what it calls refused is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes_bundle import QUEUE, project

from flash.bundle.discover import discover
from flash.bundle.evaluation import LIMIT_S, evaluate_modules
from flash.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flash.bundle.evaluation import Evaluation
    from flash.bundle.modules import Module, Modules

PAGE = (Path(__file__).parents[2] / "docs/discovery.md").read_text(encoding="utf-8")
SETUP = (
    "import flash\nfrom importlib import import_module\nfrom flash import Endpoint\n"
    "PREFIX = 'p'\ndef named(n): return n\n"
)
ENDS = {
    '`name=named("a")`': '@Endpoint(name=named("a"))\ndef f(): ...\n',
    '`name="%s-a" % PREFIX`': '@Endpoint(name="%s-a" % PREFIX)\ndef f(): ...\n',
    "`register(api)`": "api = Endpoint(name='a')\ndef f(): ...\ndef register(app): app(f)\nregister(api)\n",
    "`[Endpoint]`": "@[Endpoint][0](name='a')\ndef f(): ...\n",
    '`getattr(flash, "Endpoint")`': "@getattr(flash, 'Endpoint')(name='a')\ndef f(): ...\n",
    '`import_module("flash")`': "@import_module('flash').Endpoint(name='a')\ndef f(): ...\n",
    "`globals()`": "@globals()['Endpoint'](name='a')\ndef f(): ...\n",
    "`if`": "if PREFIX:\n    @Endpoint(name='a')\n    def f(): ...\n",
    "`Endpoint(name=n)(function)`": "def f(): ...\nfor n in 'a':\n    Endpoint(name=n)(f)\n",
}


@pytest.mark.parametrize("way", ENDS)
def test_what_the_page_says_is_run_is_run(tmp_path: Path, way: str) -> None:
    """And found by that; a module beside it is read."""
    assert way in PAGE
    project(tmp_path, {"other.py": QUEUE})
    (tmp_path / "worker.py").write_text(SETUP + ENDS[way], encoding="utf-8")
    run: list[str] = []

    def evaluate(root: Path, wanted: Sequence[Module], modules: Modules) -> Mapping[str, Evaluation]:
        run.extend(module.path for module in wanted)
        return evaluate_modules(root, wanted, modules)

    app = discover(tmp_path, ["other.py", "worker.py"], app_name="demo", evaluate=evaluate)
    assert run == ["worker.py"]
    assert len(app.endpoints) == 2


@pytest.mark.parametrize("path", ["__main__.py", "__init__.py", "v1.2/worker.py"])
def test_names_that_the_page_refuses_are_refused(tmp_path: Path, path: str) -> None:
    """They could not be imported."""
    project(tmp_path, {path: QUEUE})
    with pytest.raises(DiscoveryError, match="rename it"):
        discover(tmp_path, [path], app_name="demo")


def test_the_limit_is_the_pages() -> None:
    """In seconds."""
    assert re.search(r"A module has (\d+) seconds", PAGE)[1] == f"{LIMIT_S:g}"  # type: ignore[index]
