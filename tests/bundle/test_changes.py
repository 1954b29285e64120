"""What a declaration is read as is what running its file gives; a name that may change meanwhile is not read.

The law is Python itself: each module below is imported, and what its endpoint is made of then is what a build must say.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from flash.bundle.discover import discover
from flash.bundle.sources import project_files
from flash.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flash.bundle.evaluation import Evaluation
    from flash.bundle.modules import Module, Modules
    from flash.model.app import App

HEAD: Final = "from flash import Endpoint\n"
WITH_ENV: Final = "@Endpoint(name='{name}', cpu='cpu3c-1-2', env=ENV)\ndef work_{name}(): ...\n"
WITH_DEPS: Final = "@Endpoint(name='{name}', cpu='cpu3c-1-2', dependencies=DEPS)\ndef work_{name}(): ...\n"
WITH_A: Final = "@Endpoint(name='{name}', cpu='cpu3c-1-2', env={'A': A})\ndef work_{name}(): ...\n"

READ: Final[dict[str, dict[str, str]]] = {
    "constants": {"worker": "ENV = {'A': '1'}\n" + WITH_ENV},
    "constants of another file": {"settings": "ENV = {'A': '1'}\n", "worker": "from .settings import ENV\n" + WITH_ENV},
    "a sum": {"worker": "BASE = ['x']\nDEPS = BASE + ['y']\n" + WITH_DEPS},
    "a copy that changes": {"worker": "ENV = {'A': '1'}\nOTHER = dict(ENV)\nOTHER['B'] = '2'\n" + WITH_ENV},
    "an unpacked copy that changes": {"worker": "ENV = {'A': '1'}\nO = {**ENV}\nO.update(B='2')\n" + WITH_ENV},
    "a list that another is made of": {"worker": "DEPS = ['x']\nALL = [*DEPS, 'y']\nALL.append('z')\n" + WITH_DEPS},
    "printed": {"worker": "ENV = {'A': '1'}\nprint(len(ENV), sorted(ENV), ENV)\n" + WITH_ENV},
    "text of it": {"worker": "DEPS = ['x']\nprint(', '.join(DEPS), f'{DEPS}')\n" + WITH_DEPS},
    "looked into": {"worker": "ENV = {'A': '1'}\nfor k, v in ENV.items(): print(k, v)\nX = ENV['A']\n" + WITH_ENV},
    "checked": {"worker": "ENV = {'A': '1'}\nassert 'A' in ENV and ENV\nif ENV.get('A') == '2': print()\n" + WITH_ENV},
    "for two endpoints": {
        "worker": "ENV = {'A': '1'}\n@Endpoint(name='{name}2', cpu='cpu3c-1-2', env=ENV)\ndef other_{name}(): ...\n"
        + WITH_ENV
    },
    "a local of the same name": {
        "worker": "ENV = {'A': '1'}\ndef f(ENV):\n    ENV['B'] = '2'\ndef g():\n    ENV = {}\n    ENV['B'] = '2'\n"
        + WITH_ENV
    },
    "a field of the same name": {"worker": "ENV = {'A': '1'}\nclass C:\n    ENV = {}\n    ENV['B'] = '2'\n" + WITH_ENV},
    "used where the work is done": {
        "worker": "ENV = {'A': '1'}\ndef helper(): return send(ENV)\ndef send(x): ...\n"
        + WITH_ENV.replace("...", "return helper()")
    },
    "another file's own": {
        "other": "ENV = {}\nENV['B'] = '2'\n",
        "worker": "from . import other\nENV = {'A': '1'}\n" + WITH_ENV,
    },
    "a fallback for an import": {
        "worker": "try:\n    from flash import Endpoint\nexcept ImportError:\n    from runpod_flash import Endpoint\n"
        "A = '1'\n" + WITH_A
    },
    "beside names that lead in a circle": {
        "worker": "A = '1'\ntry:\n    B = C.x\n    C = B.y\nexcept NameError: ...\nprint(B.z if not A else 1)\n"
        + WITH_A
    },
    "text that is passed on": {"worker": "A = '1'\ndef log(x): ...\nlog(A)\n" + WITH_A},
    "logged": {
        "worker": "import logging\nlogger = logging.getLogger(__name__)\nDEPS = ['x']\nlogger.info('%s', DEPS)\n"
        + WITH_DEPS
    },
    "the environment of the process": {"worker": "import os\nENV = {'A': '1'}\nos.environ.update(ENV)\n" + WITH_ENV},
}
"""What is read although its names are used: nothing below may change what they stand for."""

RUN: Final[dict[str, dict[str, str]]] = {
    # ---- items
    "items in a loop": {"worker": "ENV = {}\nfor n in range(3): ENV[f'K{n}'] = str(n)\n" + WITH_ENV},
    "an item": {"worker": "ENV = {}\nENV['A'] = '1'\n" + WITH_ENV},
    "an item with a type": {"worker": "ENV = {}\nENV['A']: str = '1'\n" + WITH_ENV},
    "an item that is added to": {"worker": "ENV = {'A': '1'}\nENV['A'] += '2'\n" + WITH_ENV},
    "an item deleted": {"worker": "ENV = {'A': '1', 'B': '2'}\ndel ENV['A']\n" + WITH_ENV},
    "a slice": {"worker": "DEPS = ['x']\nDEPS[1:] = ['y']\n" + WITH_DEPS},
    "an item among others": {"worker": "ENV = {}\nx, ENV['A'] = 1, '1'\n" + WITH_ENV},
    "an item as a loop's variable": {"worker": "ENV = {}\nfor ENV['A'] in 'xyz': ...\n" + WITH_ENV},
    "an item of an item": {"worker": "C = {'env': {}}\nC['env']['A'] = '1'\nENV = C['env']\n" + WITH_ENV},
    "an item in a class": {"worker": "ENV = {}\nclass C:\n    ENV['A'] = '1'\n" + WITH_ENV},
    "an item under a condition": {"worker": "ENV = {}\nif len('x'):\n    ENV['A'] = '1'\n" + WITH_ENV},
    "an item after a try": {"worker": "ENV = {}\ntry: ...\nfinally:\n    ENV['A'] = '1'\n" + WITH_ENV},
    "an item where a case matches": {"worker": "ENV = {}\nmatch 1:\n    case 1: ENV['A'] = '1'\n" + WITH_ENV},
    "an item while it lasts": {"worker": "ENV = {}\nwhile not ENV: ENV['A'] = '1'\n" + WITH_ENV},
    # ---- methods
    "update": {"worker": "ENV = {}\nENV.update(A='1')\n" + WITH_ENV},
    "append": {"worker": "DEPS = []\nDEPS.append('x')\n" + WITH_DEPS},
    "extend in a loop": {"worker": "DEPS = []\nfor x in 'ab': DEPS.extend([x])\n" + WITH_DEPS},
    "reverse": {"worker": "DEPS = ['x', 'y']\nDEPS.reverse()\n" + WITH_DEPS},
    "popitem": {"worker": "ENV = {'A': '1', 'B': '2'}\nENV.popitem()\n" + WITH_ENV},
    "a method in an assignment": {"worker": "ENV = {}\nx = ENV.setdefault('A', '1')\n" + WITH_ENV},
    "a method in a comprehension": {"worker": "DEPS = []\n[DEPS.append(x) for x in 'ab']\n" + WITH_DEPS},
    "a method in an argument": {"worker": "DEPS = ['x']\nprint(DEPS.pop())\n" + WITH_DEPS},
    "a method that is kept": {"worker": "DEPS = []\nadd = DEPS.append\nadd('x')\n" + WITH_DEPS},
    "a method of the type": {"worker": "ENV = {}\ndict.update(ENV, A='1')\n" + WITH_ENV},
    "a method by its long name": {"worker": "ENV = {}\nENV.__setitem__('A', '1')\n" + WITH_ENV},
    "a method of an item": {"worker": "C = {'d': []}\nC['d'].append('x')\nDEPS = C['d']\n" + WITH_DEPS},
    "a method of a method's result": {"worker": "C = {'d': []}\nC.get('d').append('x')\nDEPS = C['d']\n" + WITH_DEPS},
    # ---- operators
    "added to": {"worker": "DEPS = []\nDEPS += ['x']\n" + WITH_DEPS},
    "joined": {"worker": "ENV = {}\nENV |= {'A': '1'}\n" + WITH_ENV},
    "text added to": {"worker": "A = '1'\nfor x in 'ab': A += x\n" + WITH_A},
    # ---- other names
    "another name": {"worker": "ENV = {}\nE = ENV\nE['A'] = '1'\n" + WITH_ENV},
    "two names at once": {"worker": "E = ENV = {}\nE['A'] = '1'\n" + WITH_ENV},
    "another name that is added to": {"worker": "DEPS = []\nD = DEPS\nD += ['x']\n" + WITH_DEPS},
    "names unpacked": {"worker": "ENV = {}\nE, x = ENV, 1\nE['A'] = '1'\n" + WITH_ENV},
    "one of two names": {"worker": "ENV = {}\nE = ENV if len('x') else {}\nE['A'] = '1'\n" + WITH_ENV},
    "or": {"worker": "ENV = {}\nE = None or ENV\nE['A'] = '1'\n" + WITH_ENV},
    "a name in an expression": {"worker": "ENV = {}\nprint(E := ENV)\nE['A'] = '1'\n" + WITH_ENV},
    "in a list": {"worker": "ENV = {}\nALL = [ENV]\nALL[0]['A'] = '1'\n" + WITH_ENV},
    "in a loop's variable": {"worker": "ENV = {}\nfor e in [ENV]: e['A'] = '1'\n" + WITH_ENV},
    "in an item": {"worker": "ENV = {}\nALL = {}\nALL['e'] = ENV\nALL['e']['A'] = '1'\n" + WITH_ENV},
    "appended": {"worker": "ENV = {}\nALL = []\nALL.append(ENV)\nALL[0]['A'] = '1'\n" + WITH_ENV},
    "of a copy": {"worker": "C = {'env': {}}\nD = dict(C)\nD['env']['A'] = '1'\nENV = C['env']\n" + WITH_ENV},
    "a field": {"worker": "ENV = {}\nclass C:\n    env = ENV\nC.env['A'] = '1'\n" + WITH_ENV},
    "with": {
        "worker": "from contextlib import nullcontext\nENV = {}\nwith nullcontext(ENV) as e: e['A'] = '1'\n" + WITH_ENV
    },
    "with, as an item": {
        "worker": "from contextlib import nullcontext\nENV = {}\nwith nullcontext('1') as ENV['A']: ...\n" + WITH_ENV
    },
    "matched": {"worker": "ENV = {}\nmatch ENV:\n    case e: e['A'] = '1'\n" + WITH_ENV},
    # ---- calls
    "passed to a function": {"worker": "def fill(e): e['A'] = '1'\nENV = {}\nfill(ENV)\n" + WITH_ENV},
    "passed by its name": {"worker": "def fill(*, e): e['A'] = '1'\nENV = {}\nfill(e=ENV)\n" + WITH_ENV},
    "passed in a dict": {"worker": "def fill(c): c['e']['A'] = '1'\nENV = {}\nfill({'e': ENV})\n" + WITH_ENV},
    "passed starred": {"worker": "def fill(e): e['A'] = '1'\nENV = {}\nfill(*[ENV])\n" + WITH_ENV},
    "passed by a function": {
        "worker": "def fill():\n    put(ENV)\ndef put(e): e['A'] = '1'\nENV = {}\nfill()\n" + WITH_ENV
    },
    "passed by a method": {
        "worker": "def put(e): e['A'] = '1'\nclass C:\n    def __init__(self): put(ENV)\nENV = {}\nC()\n" + WITH_ENV
    },
    "passed to what is a decorator": {
        "worker": "def put(e):\n    e['A'] = '1'\n    return lambda f: f\nENV = {}\n@put(ENV)\ndef x(): ...\n"
        + WITH_ENV
    },
    "changed by a function": {"worker": "ENV = {}\ndef fill(): ENV['A'] = '1'\nfill()\n" + WITH_ENV},
    "changed by a lambda": {"worker": "ENV = {}\nfill = lambda: ENV.update(A='1')\nfill()\n" + WITH_ENV},
    "changed by a decorated function": {"worker": "ENV = {}\n@lambda f: f()\ndef fill(): ENV['A'] = '1'\n" + WITH_ENV},
    "returned by a function": {"worker": "ENV = {}\ndef env(): return ENV\nenv()['A'] = '1'\n" + WITH_ENV},
    "a default": {"worker": "ENV = {}\ndef fill(e=ENV): e['A'] = '1'\nfill()\n" + WITH_ENV},
    "a local name": {"worker": "ENV = {}\ndef fill():\n    e = ENV\n    e['A'] = '1'\nfill()\n" + WITH_ENV},
    "shuffled": {"worker": "from heapq import heapify\nDEPS = ['y', 'x']\nheapify(DEPS)\n" + WITH_DEPS},
    "a method of the type that is asked for": {"worker": "ENV = {}\ntype(ENV).update(ENV, A='1')\n" + WITH_ENV},
    "a key of a sort": {"worker": "def put(e): e['A'] = '1'\nENV = {}\nL = [ENV]\nsorted(L, key=put)\n" + WITH_ENV},
    "in what dict makes": {"worker": "ENV = {}\ndict(e=ENV)['e']['A'] = '1'\n" + WITH_ENV},
    "the largest": {"worker": "ENV = {}\nmax(ENV, ENV, key=len)['A'] = '1'\n" + WITH_ENV},
    # ---- bound again
    "assigned again": {"worker": "A = '1'\nA = '2'\n" + WITH_A},
    "assigned again in a loop": {"worker": "A = '1'\nfor x in 'ab':\n    A = x\n" + WITH_A},
    "a loop's variable": {"worker": "A = '1'\nfor A in 'ab': ...\n" + WITH_A},
    "a loop's variable inside another": {"worker": "A = '1'\nfor x in 'ab':\n    for A in 'cd': ...\n" + WITH_A},
    "assigned while": {"worker": "A = '1'\nwhile A == '1':\n    A = '2'\n" + WITH_A},
    "assigned in an expression": {"worker": "A = '1'\nprint(A := '2')\n" + WITH_A},
    "assigned in a comprehension": {"worker": "A = '1'\n[A := x for x in 'ab']\n" + WITH_A},
    "assigned where a case matches": {"worker": "A = '1'\nmatch 1:\n    case 1: A = '2'\n" + WITH_A},
    "a case's name": {"worker": "A = '1'\nmatch '2':\n    case A: ...\n" + WITH_A},
    "a case's rest": {"worker": "A = '1'\nmatch ['2', '3']:\n    case [x, *A]: A = A[0]\n" + WITH_A},
    "as": {"worker": "from contextlib import nullcontext\nA = '1'\nwith nullcontext('2') as A: ...\n" + WITH_A},
    "unpacked": {"worker": "A = '1'\nA, b = '23'\n" + WITH_A},
    "global": {"worker": "A = '1'\ndef set():\n    global A\n    A = '2'\nset()\n" + WITH_A},
    "global in a class": {"worker": "A = '1'\nclass C:\n    global A\n    A = '2'\n" + WITH_A},
    "a function": {"worker": "A = '1'\ndef A(): ...\nA = '2'\n" + WITH_A},
    "imported over": {"settings": "A = '2'\n", "worker": "A = '1'\nfrom .settings import A\n" + WITH_A},
    "imported over in a loop": {
        "settings": "A = '2'\n",
        "worker": "A = '1'\nfor x in 'a':\n    from .settings import A\n" + WITH_A,
    },
    "imported and assigned": {"settings": "A = '1'\n", "worker": "from .settings import A\nA = '2'\n" + WITH_A},
    "one of two imports": {
        "one": "A = '1'\n",
        "two": "A = '2'\n",
        "worker": "if len(''):\n    from .one import A\nelse:\n    from .two import A\n" + WITH_A,
    },
    "imported twice": {
        "one": "A = '1'\n",
        "two": "A = '2'\n",
        "worker": "from .one import A\nfrom .two import A\n" + WITH_A,
    },
    "all names imported over": {"settings": "A = '2'\n", "worker": "A = '1'\nfrom .settings import *\n" + WITH_A},
    "all names of two files": {
        "one": "A = '1'\n",
        "two": "A = '2'\n",
        "worker": "from .one import *\nfrom .two import *\n" + WITH_A,
    },
    "all names of one of two files": {
        "one": "A = '1'\n",
        "two": "A = '2'\n",
        "worker": "from .one import *\nif len(''):\n    from .two import *\n" + WITH_A,
    },
    "all names of a library": {"worker": "pi = '1'\nfrom math import *\nA = str(pi)[:4]\n" + WITH_A},
    "assigned or not": {
        "settings": "A = '1'\n",
        "worker": "from .settings import *\nif len(''):\n    A = '2'\n" + WITH_A,
    },
    "assigned later": {"settings": "A = '1'\n", "worker": "from .settings import *\n" + WITH_A + "A = '2'\n"},
    "by globals": {"worker": "A = '1'\nglobals()['A'] = '2'\n" + WITH_A},
    "by exec": {"worker": "A = '1'\nexec('A = \"2\"')\n" + WITH_A},
    "by vars": {"worker": "A = '1'\nvars()['A'] = '2'\n" + WITH_A},
    "by sys.modules": {"worker": "import sys\nA = '1'\nsetattr(sys.modules[__name__], 'A', '2')\n" + WITH_A},
    "a function of the same name as a built-in": {"worker": "A = str(1)\ndef str(x): return '2'\n" + WITH_A},
    # ---- by other files
    "another file's item": {
        "settings": "ENV = {}\n",
        "fill": "from .settings import ENV\nENV['A'] = '1'\n",
        "worker": "from . import fill\nfrom .settings import ENV\n" + WITH_ENV,
    },
    "another file's item by its module": {
        "settings": "ENV = {}\n",
        "fill": "from . import settings as s\ns.ENV['A'] = '1'\n",
        "worker": "from . import fill, settings\n" + WITH_ENV.replace("ENV", "settings.ENV"),
    },
    "another file's item by another name of its module": {
        "settings": "ENV = {}\n",
        "worker": "from . import settings\ns = settings\ns.ENV['A'] = '1'\nfrom .settings import ENV\n" + WITH_ENV,
    },
    "another file's method": {
        "settings": "DEPS = []\n",
        "worker": "from .settings import DEPS\nDEPS.append('x')\n" + WITH_DEPS,
    },
    "another file adds": {
        "settings": "DEPS = []\n",
        "fill": "from .settings import DEPS\nDEPS += ['x']\n",
        "worker": "from . import fill\nfrom .settings import DEPS\n" + WITH_DEPS,
    },
    "another file assigns": {
        "settings": "A = '1'\n",
        "worker": "from . import settings\nsettings.A = '2'\n" + WITH_A.replace("A}", "settings.A}"),
    },
    "another file sets": {
        "settings": "A = '1'\n",
        "fill": "from . import settings\nsetattr(settings, 'A', '2')\n",
        "worker": "from . import fill, settings\n" + WITH_A.replace("A}", "settings.A}"),
    },
    "another file's dict": {
        "settings": "A = '1'\n",
        "worker": "from . import settings\nsettings.__dict__['A'] = '2'\n" + WITH_A.replace("A}", "settings.A}"),
    },
    "another file under another name": {
        "settings": "ENV = {}\n",
        "hub": "from .settings import ENV as E\n",
        "fill": "from .hub import E as F\nF['A'] = '1'\n",
        "worker": "from . import fill\nfrom .settings import ENV\n" + WITH_ENV,
    },
    "another file by all names": {
        "settings": "ENV = {}\n",
        "fill": "from .settings import *\nENV['A'] = '1'\n",
        "worker": "from . import fill\nfrom .settings import ENV\n" + WITH_ENV,
    },
    "another file adds to one of all names": {
        "settings": "DEPS = []\n",
        "fill": "from .settings import *\nDEPS += ['x']\n",
        "worker": "from . import fill\nfrom .settings import DEPS\n" + WITH_DEPS,
    },
    "all names of another file, and one of them again": {
        "settings": "ENV = {}\n",
        "fill": "from .settings import *\nENV['A'] = '1'\nENV = ENV\n",
        "worker": "from . import fill\nfrom .settings import ENV\n" + WITH_ENV,
    },
    "another file passes it on": {
        "settings": "ENV = {}\n",
        "fill": "from .settings import ENV\ndef put(e): e['A'] = '1'\nput(ENV)\n",
        "worker": "from . import fill\nfrom .settings import ENV\n" + WITH_ENV,
    },
    "another file's function": {
        "settings": "ENV = {}\ndef put(): fill(ENV)\ndef fill(e): e['A'] = '1'\n",
        "worker": "from .settings import ENV, put\nput()\n" + WITH_ENV,
    },
    "another file's function by another name": {
        "settings": "ENV = {}\ndef put(): fill(ENV)\ndef fill(e): e['A'] = '1'\n",
        "worker": "from .settings import ENV, put as p\np()\n" + WITH_ENV,
    },
    "another file's own exec": {
        "settings": "A = '1'\nexec('A = \"2\"')\n",
        "worker": "from .settings import A\n" + WITH_A,
    },
    "another file imports in a function": {
        "settings": "ENV = {}\n",
        "worker": "def fill():\n    from .settings import ENV\n    ENV['A'] = '1'\nfill()\nfrom .settings import ENV\n"
        + WITH_ENV,
    },
    "beside what is nested too deeply to be looked at": {
        "worker": f"A = '1'\nB = {' + '.join(['A'] * 900)}\nC = B\n" + WITH_A
    },
    # ---- endpoints
    "changed once it was given": {"worker": "ENV = {'A': '1'}\n" + WITH_ENV + "ENV['B'] = '2'\n"},
    "an endpoint's name bound again": {
        "worker": "api = Endpoint(name='{name}')\n@api.get('/x')\ndef f_{name}(): ...\n"
        "class api:\n    get = staticmethod(lambda p: lambda f: f)\n@api.get('/y')\ndef g(): ...\n"
    },
    "Endpoint under its own name": {
        "worker": "from functools import partial\n"
        "Endpoint = partial(Endpoint, cpu='cpu3c-1-2')\n@Endpoint(name='{name}')\ndef work_{name}(): ...\n"
    },
    "one of two makers": {
        "one": "def make(n): return lambda f: f\n",
        "two": "from flash import Endpoint\ndef make(n): return Endpoint(name=n)\n",
        "worker": "if len(''):\n    from .one import make\nelse:\n    from .two import make\n"
        "@make('{name}')\ndef work_{name}(): ...\n",
    },
    "a maker bound again": {
        "two": "from flash import Endpoint\ndef make(n): return Endpoint(name=n)\n",
        "worker": "from . import two\nm = print\nm = two.make\n@m('{name}')\ndef work_{name}(): ...\n",
    },
}
"""What only running the file tells, or what is not worth being told from it."""

LAW: Final = """
import importlib, json, sys
from flash.model.endpoint import bound
sys.path.insert(0, sys.argv[1])
found = {}
for package in json.loads(sys.argv[2]):
    module = importlib.import_module(f"{package}.worker")
    served = {}
    for name, value in vars(module).items():
        mark = bound(value)
        if mark is not None and value.__module__ == module.__name__:
            spec = mark.spec
            served.setdefault(spec.name, [dict(spec.env), list(spec.dependencies), []])[2].append(name)
    found[package] = served
print(json.dumps(found), file=open(sys.argv[3], "w"))
"""


class Asked(Exception):
    """A module would be run."""


def refuse(_root: Path, wanted: Sequence[Module], _modules: Modules) -> Mapping[str, Evaluation]:
    raise Asked([module.path for module in wanted])


def package_of(group: str, number: int) -> str:
    return f"{group}{number:03}"


SHAPES: Final = {
    package_of(group, number): files
    for group, shapes in (("read", READ), ("run", RUN))
    for number, files in enumerate(shapes.values())
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One package for each shape."""
    root = tmp_path_factory.mktemp("changes")
    for package, files in SHAPES.items():
        (root / package).mkdir()
        for name, source in {"__init__": "", **files}.items():
            text = source.replace("{name}", package)
            (root / package / f"{name}.py").write_text(HEAD * (name == "worker") + text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def law(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What importing each of them makes, told by no part of a build."""
    out = tmp_path_factory.mktemp("law") / "out.json"
    subprocess.run([sys.executable, "-c", LAW, str(project), json.dumps([*SHAPES]), str(out)], check=True)
    return json.loads(out.read_text(encoding="utf-8"))


def told(app: App) -> dict[str, Any]:
    return {
        endpoint.name: [
            dict(endpoint.spec.env),
            list(endpoint.spec.dependencies),
            [function.name for function in endpoint.functions],
        ]
        for endpoint in app
    }


def files_of(package: str) -> list[str]:
    return [f"{package}/{name}.py" for name in ("__init__", *SHAPES[package])]


@pytest.mark.parametrize("shape", READ)
def test_what_cannot_change_is_read(project: Path, law: dict[str, Any], shape: str) -> None:
    """No process is started for it, and it is what running the file gives."""
    package = package_of("read", [*READ].index(shape))
    app = discover(project, files_of(package), app_name="demo", evaluate=refuse)
    assert told(app) == law[package]


@pytest.mark.parametrize("shape", RUN)
def test_what_may_change_is_not_read(project: Path, shape: str) -> None:
    """Its first value would be wrong, in silence."""
    with pytest.raises(Asked):
        discover(project, files_of(package_of("run", [*RUN].index(shape))), app_name="demo", evaluate=refuse)


def test_all_of_them_are_told_as_python_has_them(project: Path, law: dict[str, Any]) -> None:
    """What was read, and what was run."""
    app = discover(project, project_files(project).files, app_name="demo")
    assert told(app) == {name: made for package in law.values() for name, made in package.items()}


def test_what_another_worker_changes_is_not_there_in_one_that_does_not_import_it(tmp_path: Path) -> None:
    """Each is told as its own workers have it, although all are run by one process."""
    files = {
        "settings.py": "DEPS = ['six']\n",
        "first.py": "from settings import DEPS\nDEPS.append('first')\n",
        "second.py": "from settings import DEPS\n",
        "third.py": "import settings\nfrom settings import DEPS\nsettings.DEPS += ['third']\n",
        "fourth.py": "import first\nfrom settings import DEPS\n",
    }
    for name, source in files.items():
        of = name.removesuffix(".py")
        endpoint = WITH_DEPS.replace("{name}", of) if of != "settings" else ""
        (tmp_path / name).write_text(HEAD + source + endpoint, encoding="utf-8")
    app = discover(tmp_path, sorted(files), app_name="demo")
    assert {endpoint.name: list(endpoint.spec.dependencies) for endpoint in app} == {
        "first": ["six", "first"],
        "second": ["six"],
        "third": ["six", "third"],
        "fourth": ["six", "first"],
    }


@pytest.mark.parametrize("ends", ["import os; os._exit(7)", "import os; os.kill(os.getpid(), 9)"])
def test_a_module_that_ends_its_copy_of_the_process_is_named(tmp_path: Path, ends: str) -> None:
    """As one that is run with others is."""
    (tmp_path / "settings.py").write_text("DEPS = ['six']\n", encoding="utf-8")
    for name, does in (("first", "DEPS.append('first')"), ("second", ends)):
        source = f"from settings import DEPS\n{does}\n"
        (tmp_path / f"{name}.py").write_text(HEAD + source + WITH_DEPS.replace("{name}", name), encoding="utf-8")
    with pytest.raises(DiscoveryError, match=r"^second\.py:4: .*importing it ended the interpreter with status"):
        discover(tmp_path, ["first.py", "second.py", "settings.py"], app_name="demo")
