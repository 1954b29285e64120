"""What is said to be importable is, and does nothing but bind names."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes_bundle import FakeInstaller, project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flash.bundle.assemble import BuildRequest, build
from flash.bundle.cache import Cache
from flash.bundle.discover import discover
from flash.bundle.importable import Importable
from flash.bundle.modules import read_modules
from flash.bundle.sources import project_files
from flash.errors import FlashError
from flash.preview.describer import Describer

if TYPE_CHECKING:
    from collections.abc import Collection

HERE = ".".join(map(str, sys.version_info[:2]))
WORKER = "from flash import Endpoint\n@Endpoint(name='w', cpu='cpu3c-1-2')\ndef work(value: int) -> int: return value\n"


def importable(
    root: Path, *, taken: Collection[str] = (), installed: Collection[str] = (), python_version: str = HERE
) -> Importable:
    """Of the project there."""
    modules = read_modules(root, project_files(root).files)
    return Importable(modules, taken=taken, installed=installed, python_version=python_version)


@pytest.mark.parametrize(
    "top",
    [
        "'''Docs.'''\npass",
        "import os, urllib.request as web",
        "from pathlib import Path\ndef f(path: Path) -> None: ...",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy",
        "import typing\nif typing.TYPE_CHECKING:\n    import numpy",
        "if __name__ == '__main__':\n    raise SystemExit",
        "LIMITS: dict[str, int] = {'a': 1}\nFIRST = LAST = LIMITS\n__all__ = ['work']",
        "from flash import GpuGroup\nPOOLS = [GpuGroup.ADA_24]",
        "from helpers import LIMIT, deep\nfrom helpers.deep import twice\ndef f(x: int = LIMIT): return twice(x)",
        "from other import NAME",
        "api = Endpoint(name='api', cpu='cpu3c-1-2')\n@api.get('/x/{id}')\ndef f(id: str) -> dict: ...",
        "@Endpoint(name='c', gpu='ADA_24')\nclass C:\n    '''A.'''\n    size = 3\n    def run(self, x: dict): ...",
        "from __future__ import annotations\ndef f(x: no.such.name) -> Neither: ...",
    ],
)
def test_modules_that_do_nothing_can_be_imported(tmp_path: Path, top: str) -> None:
    """Also by way of others of the project."""
    first = "" if "__future__" in top else WORKER
    files = {
        "worker.py": f"{first}{top}\n",
        "helpers/__init__.py": "LIMIT = 3",
        "helpers/deep.py": "from . import LIMIT\nfrom .again import twice",
        "helpers/again.py": "def twice(x): return 2 * x",
        "other.py": "NAME = 'n'",
    }
    assert importable(project(tmp_path, files)).is_certain("worker")


@pytest.mark.parametrize(
    "top",
    [
        "import numpy",
        "import not_there",
        "import os.not_there",
        "from typing import NotThere",
        "from flash import NotThere",
        "from other import NOT_THERE",
        "from other import *",
        "from . import other",
        "from .. import other",
        "import raises",
        "from folder import raises",
        "import circle",
        "print('hello')",
        "X = open('x')",
        "X = not_there",
        "X = {[]: 1}",
        "X = [1][2]",
        "X, Y = 1, 2",
        "X += 1",
        "from flash import GpuGroup\nX = GpuGroup.NOT_THERE",
        "for x in (): pass",
        "try:\n    import json\nexcept ImportError: pass",
        "if True:\n    pass",
        "if __name__ == '__main__':\n    pass\nelse:\n    raise OSError",
        "if TYPE_CHECKING:\n    import numpy",
        "def f(x: not_there): ...",
        "def f(x: None | None): ...",
        "def f(x: list['int'] | 'str'): ...",
        "def f(x=len(1)): ...",
        "@cache\ndef f(): ...",
        "@Endpoint(name='x', cpu='cpu3c-1-2')\n@other\ndef f(): ...",
        "class A(B): ...",
        "class A(metaclass=B): ...",
        "class A:\n    x = not_there",
        "class A:\n    x: int = 1",
        "class A:\n    __slots__ = ('x',)\n    x = 1",
        "class A:\n    def list(self): ...\n    def f(self) -> list[int]: ...",
        "class A:\n    @property\n    def f(self): ...",
        "def f():\n    nonlocal x",
        "def f(a, a): ...",
        "def __path__(): ...",
        "del work",
        "E = Endpoint(name=LATER, cpu='cpu3c-1-2')\nLATER = 'e'",
        "E = Endpoint(id=LATER)",
        "raise OSError",
    ],
)
def test_of_others_it_is_not_known(tmp_path: Path, top: str) -> None:
    """They raise, or do something, or might."""
    files = {
        "worker.py": f"{WORKER}{top}\n",
        "raises.py": "1 / 0",
        "folder/__init__.py": "1 / 0",
        "folder/raises.py": "",
        "circle.py": "import worker",
        "other.py": "NAME = 'n'",
    }
    assert not importable(project(tmp_path, files)).is_certain("worker")


def test_nothing_is_known_where_names_may_mean_something_else(tmp_path: Path) -> None:
    """A module of the standard library is hidden, or one of the project by a distribution, or Python is older."""
    project(tmp_path, {"worker.py": WORKER, "pack/job.py": ""})
    assert importable(tmp_path, taken=("worker", "data")).is_certain("worker")
    assert not importable(tmp_path, taken=("random",)).is_certain("worker")
    assert not importable(tmp_path, installed=("sitecustomize",)).is_certain("worker")
    assert not importable(tmp_path, installed=("worker",)).is_certain("worker")
    assert not importable(tmp_path, python_version="3.9").is_certain("worker")
    assert importable(tmp_path, installed=("pack",)).is_certain("worker")
    assert not importable(tmp_path, installed=("pack",)).is_certain("pack.job")
    assert not importable(tmp_path).is_certain("not_there")
    project(tmp_path, {"random.py": ""})
    assert not importable(tmp_path).is_certain("worker")


def test_warnings_of_a_users_source_are_not_told(tmp_path: Path) -> None:
    """They are neither ours nor in the way."""
    project(tmp_path, {"worker.py": f"{WORKER}def f(x):\n    return x is 1 or '\\d'\n"})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert importable(tmp_path).is_certain("worker")
    assert told == []


def test_what_a_name_is_at_the_end_is_told(tmp_path: Path) -> None:
    """The last of several definitions, and none of what is something else by then or is not run."""
    source = "from typing import TYPE_CHECKING\ndef f(): ...\ndef f(x): ...\ndef g(): ...\ng = 1\n"
    project(tmp_path, {"worker.py": f"{source}if TYPE_CHECKING:\n    def f(y): ...\n    def h(): ...\n"})
    found = importable(tmp_path)
    node = found.definition("worker", "f")
    assert node is not None
    assert node.lineno == 3
    assert found.definition("worker", "g") is found.definition("worker", "h") is None


STATEMENTS = st.sampled_from(
    [
        *("import os", "import os as list", "from typing import Any, Optional", "from pathlib import Path as int"),
        *("NAME = 'x'", "VALUE = NAME", "BOTH: int = 3", "LATER: Optional[int] = None", "list = [1]", "dict = VALUE"),
        *("def f(x: int = VALUE): ...", "def g(x: list[int]) -> dict[str, Any]: ...", "def list(x: Path): ..."),
        *("def h(x: list | None, *y: Any) -> Optional[list[int]]: ...", "def i(x: dict[str, int] = NAME): ..."),
        *("class A:\n    size = 3\n    def run(self, x: int | None = VALUE) -> list[int]: ...", "class int: ..."),
        "class C:\n    def list(self): ...\n    def get(self) -> list[int]: ...",
        *("@Endpoint(name=NAME, cpu='cpu3c-1-2')\ndef work(x: int) -> list: ...", "from flash import Endpoint"),
        *("api = Endpoint(name='api', cpu='cpu3c-1-2')", "@api.get('/y')\ndef route(x: str) -> None: ..."),
        *("Endpoint = 1", "api = 1", "from flash import GpuGroup", "POOL = GpuGroup.ADA_24", "GpuGroup = NAME"),
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STATEMENTS, max_size=8, unique=True))
def test_what_is_certain_does_not_raise(tmp_path: Path, statements: list[str]) -> None:
    """In whatever order its statements are."""
    source = "\n".join(statements)
    project(tmp_path, {"worker.py": source})
    try:
        discover(tmp_path, ["worker.py"], app_name="demo")
    except FlashError as error:
        if "no endpoint found" not in str(error):
            return
    if importable(tmp_path).is_certain("worker"):
        exec(compile(source, "worker.py", "exec", dont_inherit=True), {"__name__": "worker"})  # noqa: S102  the law


MANY = """
from typing import Any, Literal, Optional

from flash import Endpoint

api = Endpoint(name="api", cpu="cpu3c-1-2")


@Endpoint(name="queue", cpu="cpu3c-1-2")
async def queue(value: int, text: str = "x", *, mode: Literal["a", "b"] = "a") -> dict[str, Any]:
    return {}


@Endpoint(name="stream", cpu="cpu3c-1-2")
def stream(data: dict):
    yield data


@Endpoint(name="worker", cpu="cpu3c-1-2")
class Worker:
    scale = 2

    def __init__(self):
        self.ready = True

    def run(self, values: list[float], limit: Optional[int] = None) -> tuple[float, ...]:
        return ()

    def many(self, *names: str, **more: bool):
        yield names


@api.get("/items/{item}")
def item(item: int, size: float = 1.5) -> list[bytes] | None: ...
"""


@dataclass
class Asked:
    """Implements `Describer` by this Python, and counts."""

    count: int = 0
    identity = "here"

    def __call__(self, *given: Any) -> Any:
        self.count += 1
        return Describer(self)(*given)  # type: ignore[arg-type]  # a part of the bases

    def python(self, _version: str, _provided: object = ()) -> Path:
        """The base environment."""
        return Path(sys.executable)


def test_a_manifest_says_the_same_whether_modules_are_imported_or_not(tmp_path: Path) -> None:
    """To the order of the keys; and nothing is imported where nothing has to be."""

    def contracts(name: str, source: str) -> dict[str, Any]:
        request = BuildRequest(root=project(tmp_path / name, {"m.py": source}), app_name="demo", python_version=HERE)
        cache = Cache(tmp_path / "cache")
        made = build(request, installer=FakeInstaller({}), describer=asked, cache=cache, report=lambda _line: None)
        resources = made.manifest.as_json()["resources"]
        return {key: {one["name"]: one["contract"] for one in each["functions"]} for key, each in resources.items()}

    asked = Asked()
    read = contracts("read", MANY)
    assert asked.count == 0
    assert all(contract for functions in read.values() for contract in functions.values())
    assert json.dumps(contracts("asked", f"{MANY}\nprint()\n")) == json.dumps(read)
    assert asked.count == 1
