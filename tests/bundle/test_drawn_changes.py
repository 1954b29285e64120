"""The law of ``test_changes``, for files that nobody has thought of: statements drawn at random, in two files.

What a build reads of them is what importing them gives; where it would have to run one, nothing was read wrongly.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from flash.bundle.discover import discover
from flash.errors import FlashError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flash.bundle.evaluation import Evaluation
    from flash.bundle.modules import Module, Modules

PROJECTS: Final = 250
SEEDS: Final = (1, 2)

SETTINGS: Final = """\
from contextlib import nullcontext
ENV = {'A': '1'}
E2 = {'B': '2'}
A = '1'
B = 'b'
L = [E2]
C = {'e': ENV}
def put(d): d['PUT'] = 'put'
def look(d): return len(d)
def ident(d): return d
def set_b():
    global B
    B = 'set'
def fill(): put(ENV)
"""
NAMES: Final = "ENV, E2, A, B, L, C, put, look, ident, set_b, fill, nullcontext"
OBJECTS: Final = (
    *("ENV", "E2", "C['e']", "C.get('e')", "L[0]", "dict(ENV)", "{**ENV}", "ENV.copy()", "(ENV or E2)", "{'z': B}"),
    *("(E2 if A else ENV)", "ENV | {'P': 'p'}", "ident(ENV)", "helper.E2", "settings.ENV"),
)
STATEMENTS: Final = (
    *("E2 = {0}", "X = {0}", "ENV = {0}", "L = [{0}]", "C = {{'e': {0}}}", "A = 'x'", "A += 'y'", "B = A"),
    *("{0}['K'] = A", "{0}.update(R=B)", "{0}.setdefault('S', 's')", "ENV |= {{'o': 'o'}}", "m = {0}.update; m(M='m')"),
    *(
        "put({0})",
        "look({0})",
        "print({0})",
        "len({0}); sorted({0})",
        "L.append({0})",
        "fill()",
        "set_b()",
        "ident({0})",
    ),
    *("for q in L: look(q)", "for q in L: put(q)", "for B in 'ab': pass", "[put(q) for q in L]", "(B := 'w')"),
    *("settings.A = 's'", "setattr(settings, 'A', 't')", "settings.ENV['s'] = 's'", "helper.E2['h'] = 'h'"),
    *(
        "x, y = {0}, 3; x['u'] = 'u'",
        "x, *y = [{0}]; x['u'] = 'u'",
        "x = y = {0}; y['two'] = '2'",
        "T = ({0},); T[0]['t'] = 't'",
    ),
    *(
        "class K:\n    f = {0}\n    f['k'] = 'k'",
        "class K:\n    def m(self): put({0})\nK().m()",
        "class K:\n    def m(self): put({0})",
    ),
    *(
        "def f(d={0}): d['d'] = 'd'\nf()",
        "def f():\n    y = {0}\n    y['f'] = 'f'\nf()",
        "def f(): put({0})",
        "def f(): put({0})\nf()",
    ),
    *(
        "def f():\n    yield {0}\nfor g in f(): g['g'] = 'g'",
        "f = lambda: put({0})\nf()",
        "@(lambda f: f())\ndef f(): put({0})",
    ),
    *(
        "if A == '1': {0}['i'] = 'i'",
        "if A != '1': B = 'no'",
        "try: {0}['t'] = 't'\nfinally: pass",
        "while not E2.get('w'): E2['w'] = 'w'",
    ),
    *(
        "with nullcontext({0}) as w: w['w'] = 'w'",
        "match {0}:\n    case c: look(c)",
        "list(map(put, [{0}]))",
        "sorted(L, key=look)",
    ),
    *(
        "dict(p={0})['p']['p'] = 'p'",
        "type(ENV).update({0}, T='t')",
        "next(iter(L))['n'] = 'n'",
        "list(C.values())[0]['v'] = 'v'",
    ),
    *(
        "D = L[:]; D[0]['c'] = 'c'",
        "D = [*L]; D[0]['c'] = 'c'",
        "D = dict(C); D['e']['c'] = 'c'",
        "getattr({0}, 'update')(G='g')",
    ),
    *(
        "from .settings import ENV as E\nE['e'] = 'e'",
        "from . import settings as s\ns.A = 'q'",
        "from .settings import *",
    ),
)
GIVEN: Final = (
    *("ENV", "ENV", "{**ENV}", "{'A': A}", "{'A': A, 'B': B}", "E2", "C['e']", "L[0]", "dict(E2, X=A)"),
    *("{'s': settings.A}", "settings.ENV"),
)

LAW: Final = """
import contextlib, importlib, io, json, sys
from flash.model.endpoint import bound
sys.path.insert(0, sys.argv[1])
found = {}
for name in json.loads(sys.argv[2]):
    with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
        found[name] = dict(bound(getattr(importlib.import_module(f"{name}.worker"), name)).spec.env)
json.dump(found, open(sys.argv[3], "w"))
"""


class Asked(Exception):
    """A module would be run."""


def refuse(_root: Path, _wanted: Sequence[Module], _modules: Modules) -> Mapping[str, Evaluation]:
    raise Asked


def drawn(draw: random.Random, most: int) -> str:
    """Some statements."""
    return "".join(f"{draw.choice(STATEMENTS).format(draw.choice(OBJECTS))}\n" for _ in range(draw.randrange(most)))


def write(folder: Path, draw: random.Random) -> None:
    """A package with values, a file that may change them, and one with an endpoint of them."""
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "settings.py").write_text(SETTINGS, encoding="utf-8")
    either = f"from .settings import {NAMES}\n", "from .settings import *\n"
    text = f"from . import settings\n{draw.choice(either)}helper = settings\n{drawn(draw, 3)}"
    (folder / "helper.py").write_text(text, encoding="utf-8")
    given = draw.choice(GIVEN)
    text = (
        "from flash import Endpoint\nfrom . import helper, settings\n"
        + draw.choice((*either, SETTINGS))
        + drawn(draw, 4)
    )
    if draw.random() < 1 / 3:
        text, given = f"{text}V = {given}\n{drawn(draw, 2)}", "V"
    text += f"@Endpoint(name='w', cpu='cpu3c-1-2', env={given})\ndef {folder.name}(): ...\n{drawn(draw, 2)}"
    (folder / "worker.py").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_read_is_what_importing_gives(tmp_path: Path, seed: int) -> None:
    """Half of them are read, half would be run; some cannot be imported at all."""
    root, out = tmp_path / "app", tmp_path / "law.json"
    root.mkdir()
    draw = random.Random(seed)  # noqa: S311  the same files each time
    names = [f"p{number}" for number in range(PROJECTS)]
    for name in names:
        write(root / name, draw)
    subprocess.run([sys.executable, "-c", LAW, str(root), json.dumps(names), str(out)], check=True)
    law = json.loads(out.read_text(encoding="utf-8"))
    read = {}
    for name in law:
        files = [f"{name}/{file}.py" for file in ("__init__", "settings", "helper", "worker")]
        try:
            app = discover(root, files, app_name="demo", evaluate=refuse)
        except (Asked, FlashError):
            continue
        read[name] = dict(app["w"].spec.env)
    assert len(read) > PROJECTS / 4
    wrong = {name: (root / name / "worker.py").read_text(encoding="utf-8") for name in read if read[name] != law[name]}
    assert wrong == {}
