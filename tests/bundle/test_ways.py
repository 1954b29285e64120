"""Ways to declare an endpoint: each is found, or refused by file and line. None is passed over in silence.

Beside each lies a module whose endpoint can be read, so that a module that was passed over would go unnoticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from fakes_bundle import QUEUE, project

from flash.bundle.discover import discover
from flash.errors import DiscoveryError

if TYPE_CHECKING:
    from pathlib import Path

FOUND: Final[dict[str, tuple[str, dict[str, list[str]]]]] = {
    "decorator": (
        """\
from flash import Endpoint
@Endpoint(name='a', cpu='cpu3c-1-2')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "no name": (
        """\
from flash import Endpoint
@Endpoint()
def f(): ...
""",
        {"f": ["f"]},
    ),
    "call": (
        """\
from flash import Endpoint
def f(): ...
served = Endpoint(name='a')(f)
""",
        {"a": ["f"]},
    ),
    "dunder call": (
        """\
from flash import Endpoint
def f(): ...
Endpoint(name='a').__call__(f)
""",
        {"a": ["f"]},
    ),
    "object": (
        """\
from flash import Endpoint
api = Endpoint(name='a')
@api.get('/x')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "object chained": (
        """\
from flash import Endpoint
def f(): ...
Endpoint(name='a').get('/x')(f)
""",
        {"a": ["f"]},
    ),
    "annotated": (
        """\
from flash import Endpoint
api: Endpoint = Endpoint(name='a')
@api
def f(): ...
""",
        {"a": ["f"]},
    ),
    "tuple assign": (
        """\
from flash import Endpoint
a, b = Endpoint(name='a'), Endpoint(name='b')
@a
def f(): ...
@b
def g(): ...
""",
        {"a": ["f"], "b": ["g"]},
    ),
    "walrus": (
        """\
from flash import Endpoint
(api := Endpoint(name='a'))
@api
def f(): ...
""",
        {"a": ["f"]},
    ),
    "two names": (
        """\
from flash import Endpoint
one = two = Endpoint(name='a')
@two
def f(): ...
""",
        {"a": ["f"]},
    ),
    "alias": (
        """\
from flash import Endpoint as E
@E(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "module": (
        """\
import flash
@flash.Endpoint(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "module as": (
        """\
import runpod_flash as rf
@rf.Endpoint(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "star": (
        """\
from flash import *
@Endpoint(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "rebound": (
        """\
from flash import Endpoint
E = Endpoint
@E(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "getattr": (
        """\
import flash
@getattr(flash, 'Endpoint')(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "import module": (
        """\
import importlib
@importlib.import_module('flash').Endpoint(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "dunder import": (
        """\
E = __import__('flash').Endpoint
@E(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "in a list": (
        """\
from flash import Endpoint
MAKERS = [Endpoint]
@MAKERS[0](name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "in a dict": (
        """\
from flash import Endpoint
MAKERS = {'cpu': lambda n: Endpoint(name=n)}
@MAKERS['cpu']('a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "type": (
        """\
from flash import Endpoint
Small = type('Small', (Endpoint,), {})
@Small(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "fstring": (
        """\
from flash import Endpoint
P = 'x'
@Endpoint(name=f'{P}-a')
def f(): ...
""",
        {"x-a": ["f"]},
    ),
    "percent": (
        """\
from flash import Endpoint
P = 'x'
@Endpoint(name='%s-a' % P)
def f(): ...
""",
        {"x-a": ["f"]},
    ),
    "format": (
        """\
from flash import Endpoint
P = 'x'
@Endpoint(name='{}-a'.format(P))
def f(): ...
""",
        {"x-a": ["f"]},
    ),
    "sum": (
        """\
from flash import Endpoint
P = 'x'
@Endpoint(name=P + '-a')
def f(): ...
""",
        {"x-a": ["f"]},
    ),
    "helper": (
        """\
from flash import Endpoint
def named(n): return f'x-{n}'
@Endpoint(name=named('a'))
def f(): ...
""",
        {"x-a": ["f"]},
    ),
    "getenv": (
        """\
import os
from flash import Endpoint
@Endpoint(name=os.environ.get('P', 'x') + '-a')
def f(): ...
""",
        {"x-a": ["f"]},
    ),
    "kwargs": (
        """\
from flash import Endpoint
C = dict(name='a', workers=2)
@Endpoint(**C)
def f(): ...
""",
        {"a": ["f"]},
    ),
    "conditional expr": (
        """\
from flash import Endpoint
import sys
@Endpoint(name='a' if sys.version_info > (3,) else 'b')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "if true": (
        """\
from flash import Endpoint
import sys
if sys.version_info > (3,):
    @Endpoint(name='a')
    def f(): ...
""",
        {"a": ["f"]},
    ),
    "try": (
        """\
from flash import Endpoint
try:
    @Endpoint(name='a')
    def f(): ...
except ImportError:
    pass
""",
        {"a": ["f"]},
    ),
    "with": (
        """\
from flash import Endpoint
import contextlib
with contextlib.suppress(ValueError):
    @Endpoint(name='a')
    def f(): ...
""",
        {"a": ["f"]},
    ),
    "for calls": (
        """\
from flash import Endpoint
def f(): ...
def g(): ...
for n, one in {'a': f, 'b': g}.items():
    Endpoint(name=n)(one)
""",
        {"a": ["f"], "b": ["g"]},
    ),
    "while": (
        """\
from flash import Endpoint
def f(): ...
n = 1
while n:
    Endpoint(name='a')(f)
    n = 0
""",
        {"a": ["f"]},
    ),
    "comprehension": (
        """\
from flash import Endpoint
def f(): ...
def g(): ...
ALL = [Endpoint(name=n)(one) for n, one in zip('ab', (f, g))]
""",
        {"a": ["f"], "b": ["g"]},
    ),
    "map": (
        """\
from flash import Endpoint
def f(): ...
list(map(lambda one: Endpoint(name='a')(one), [f]))
""",
        {"a": ["f"]},
    ),
    "factory of decorators": (
        """\
from flash import Endpoint
def cpu(n): return Endpoint(name=n)
@cpu('a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "partial": (
        """\
from functools import partial
from flash import Endpoint
E = partial(Endpoint, name='a')
@E()
def f(): ...
""",
        {"a": ["f"]},
    ),
    "subclass": (
        """\
from flash import Endpoint
class S(Endpoint): ...
@S(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "class": (
        """\
from flash import Endpoint
@Endpoint(name='a')
class A:
    def f(self): ...
""",
        {"a": ["A"]},
    ),
    "class attribute": (
        """\
from flash import Endpoint
class Apis:
    web = Endpoint(name='a')
@Apis.web.get('/x')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "register in function": (
        """\
from flash import Endpoint
api = Endpoint(name='a')
@api.get('/x')
def f(): ...
def g(): ...
def register():
    api.get('/y')(g)
register()
""",
        {"a": ["f", "g"]},
    ),
    "handed on": (
        """\
from flash import Endpoint
api = Endpoint(name='a')
@api.get('/x')
def f(): ...
def g(): ...
def register(app):
    app.get('/y')(g)
register(api)
""",
        {"a": ["f", "g"]},
    ),
    "in a container": (
        """\
from flash import Endpoint
APIS = {'web': Endpoint(name='a')}
@APIS['web'].get('/x')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "decorated twice": (
        """\
from flash import Endpoint
from functools import wraps
def log(f):
    @wraps(f)
    def g(*a): return f(*a)
    return g
@Endpoint(name='a')
@log
def f(): ...
""",
        {"a": ["f"]},
    ),
    "own decorator": (
        """\
from flash import Endpoint
def gpu(f):
    return Endpoint(name=f.__name__)(f)
@gpu
def f(): ...
""",
        {"f": ["f"]},
    ),
    "own decorator with": (
        """\
from flash import Endpoint
def gpu(f):
    with_name = Endpoint(name='a')
    return with_name(f)
@gpu
def f(): ...
@Endpoint(name='b')
def g(): ...
""",
        {"a": ["f"], "b": ["g"]},
    ),
    "async": (
        """\
from flash import Endpoint
@Endpoint(name='a')
async def f(): ...
""",
        {"a": ["f"]},
    ),
    "semicolons": (
        """\
from flash import Endpoint; P = 'a'
@Endpoint(name=P)
def f(): ...
""",
        {"a": ["f"]},
    ),
    "late import": (
        """\
def load():
    from flash import Endpoint
    return Endpoint
@load()(name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "globals": (
        """\
from flash import Endpoint
@globals()['Endpoint'](name='a')
def f(): ...
""",
        {"a": ["f"]},
    ),
    "remote": (
        """\
from runpod_flash import remote, LiveServerless
@remote(LiveServerless(name='a'))
async def f(): ...
""",
        {"a": ["f"]},
    ),
    "remote factory": (
        """\
from runpod_flash import remote, LiveServerless
def live(n): return remote(LiveServerless(name=n))
@live('a')
async def f(): ...
""",
        {"a": ["f"]},
    ),
}

REFUSED: Final[dict[str, tuple[str, int, str]]] = {
    "exec": (
        """\
from flash import Endpoint
exec("@Endpoint(name='a')\\ndef f(): ...")
""",
        2,
        "Endpoint(name='a') serves 'f', which no worker could import from 'worker'",
    ),
    "if false": (
        """\
from flash import Endpoint
import sys
if sys.version_info < (3,):
    @Endpoint(name='a')
    def f(): ...
@Endpoint(name='b')
def g(): ...
""",
        4,
        "Endpoint(name='a') is written here, but running the file does not make it",
    ),
    "if else": (
        """\
from flash import Endpoint
import os
if os.getenv('S'):
    @Endpoint(name='a')
    def f(): ...
else:
    @Endpoint(name='b')
    def g(): ...
""",
        4,
        "Endpoint(name='a') is written here, but running the file does not make it",
    ),
    "if object": (
        """\
from flash import Endpoint
import os
if os.getenv('S'):
    api = Endpoint(name='a')
else:
    api = Endpoint(name='b')
@api
def f(): ...
""",
        4,
        "Endpoint(name='a') is written here, but running the file does not make it",
    ),
    "type checking": (
        """\
from flash import Endpoint
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    @Endpoint(name='a')
    def f(): ...
@Endpoint(name='b')
def g(): ...
""",
        4,
        "Endpoint(name='a') is written here, but running the file does not make it",
    ),
    "main guard": (
        """\
from flash import Endpoint
@Endpoint(name='b')
def g(): ...
if __name__ == '__main__':
    @Endpoint(name='a')
    def f(): ...
""",
        6,
        "endpoint function 'f' is below `if __name__ == ...`, where no worker sees it",
    ),
    "except": (
        """\
from flash import Endpoint
@Endpoint(name='b')
def g(): ...
try:
    pass
except ImportError:
    @Endpoint(name='a')
    def f(): ...
""",
        7,
        "Endpoint(name='a') is written here, but running the file does not make it",
    ),
    "match": (
        """\
from flash import Endpoint
@Endpoint(name='b')
def g(): ...
match 1:
    case 1:
        @Endpoint(name='a')
        def f(): ...
""",
        7,
        "endpoint function 'f' is inside a function, class or loop",
    ),
    "for def": (
        """\
from flash import Endpoint
for n in 'ab':
    @Endpoint(name=n)
    def f(): ...
""",
        4,
        "endpoint function 'f' is inside a function, class or loop",
    ),
    "factory of functions": (
        """\
from flash import Endpoint
def make(n):
    @Endpoint(name=n)
    def f(): ...
    return f
a = make('a')
""",
        4,
        "endpoint function 'f' is inside a function, class or loop",
    ),
    "method": (
        """\
from flash import Endpoint
class A:
    @Endpoint(name='a')
    def f(self): ...
""",
        4,
        "endpoint function 'f' is inside a function, class or loop",
    ),
    "dataclass field": (
        """\
from flash import Endpoint
from dataclasses import dataclass, field
@dataclass
class S:
    e: Endpoint = field(default_factory=lambda: Endpoint(name='a'))
S().e(print)
@Endpoint(name='b')
def g(): ...
""",
        5,
        "which is no function and no class (worker.py:6)",
    ),
    "route in function": (
        """\
from flash import Endpoint
api = Endpoint(name='a')
@api.get('/x')
def f(): ...
def register():
    @api.get('/y')
    def g(): ...
register()
""",
        2,
        "Endpoint(name='a') serves 'register.<locals>.g', which no worker could import from 'worker'",
    ),
    "lambda": (
        """\
from flash import Endpoint
Endpoint(name='a')(lambda x: x)
""",
        2,
        "Endpoint(name='a') serves '<lambda>', which no worker could import from 'worker'",
    ),
}


@pytest.mark.parametrize("way", FOUND)
def test_it_is_found(tmp_path: Path, way: str) -> None:
    """Read, or made by running the file."""
    source, expected = FOUND[way]
    project(tmp_path, {"other.py": QUEUE})
    (tmp_path / "worker.py").write_text(source, encoding="utf-8")
    app = discover(tmp_path, ["other.py", "worker.py"], app_name="demo")
    found = {endpoint.name: [function.name for function in endpoint.functions] for endpoint in app}
    assert found == {"worker": ["work"], **expected}


@pytest.mark.parametrize("way", REFUSED)
def test_it_is_refused_with_its_place(tmp_path: Path, way: str) -> None:
    """What no worker could import, and what is not the same wherever the file runs."""
    source, line, message = REFUSED[way]
    project(tmp_path, {"other.py": QUEUE})
    (tmp_path / "worker.py").write_text(source, encoding="utf-8")
    with pytest.raises(DiscoveryError) as caught:
        discover(tmp_path, ["other.py", "worker.py"], app_name="demo")
    assert (caught.value.path, caught.value.line) == ("worker.py", line)
    assert message in caught.value.message
    assert caught.value.hint
