"""The call graph of an app: who calls what, where, and with what."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from fakes_bundle import flash_build, project

import flash
from flash.bundle.call_meanings import Meanings, Served, key_of
from flash.bundle.call_sites import read_body
from flash.bundle.discover import discover
from flash.bundle.modules import Definition, DefinitionNode, Module, Modules
from flash.bundle.sources import project_files
from flash.model.calls import CallEdge
from flash.model.manifest import MANIFEST_NAME, Manifest

CALLEES = """\
from flash import Endpoint

@Endpoint(name="infer", cpu="cpu3c-1-2")
def infer(data: str, steps: int = 1, *, seed: int = 0) -> dict: ...

@Endpoint(name="model", cpu="cpu3c-1-2")
class Model:
    def __init__(self, size: int = 1): ...
    def predict(self, text: str, top: int = 1) -> dict: ...
    def embed(self, text: str) -> list: ...
    def _load(self): ...

api = Endpoint(name="api", cpu="cpu3c-1-2")

@api.post("/items/{id}")
def put_item(id: int, name: str) -> dict: ...
"""


def edges(root: Path, body: str, *, name: str = "call", **others: str) -> tuple[CallEdge, ...]:
    """The edges of an endpoint's function, of a module that begins with three lines of imports."""
    head = "from flash import Endpoint\nfrom callees import Model, infer, put_item\nimport callees\n"
    files = {f"{module.replace('__', '/')}.py": text for module, text in others.items()}
    project(root, {"callees.py": CALLEES, "app.py": f"{head}{body}", **files})
    app = discover(root, project_files(root).files, app_name="demo")
    (function,) = (each for endpoint in app for each in endpoint.functions if each.name == name)
    return function.edges


def told(found: tuple[CallEdge, ...]) -> list[str]:
    """Each in one line: where, what, and why not, if so."""
    return [f"{edge.at} {edge.text}{' not followed' if edge.why else ''}" for edge in found]


def function(*lines: str, head: str = "def call(x):") -> str:
    """An endpoint's function, its first line on line 5 of the module."""
    return "\n".join(["@Endpoint(name='caller')", head, *(f"    {line}" for line in lines)])


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("return infer(x)", "infer(data=…)"),
        ("return infer(x, 3)", "infer(data=…, steps=3)"),
        ("return infer(data=x, seed=-1)", "infer(data=…, seed=-1)"),
        ("return infer(x, **more)", "infer(data=…, …)"),
        ("return infer(*x, seed=1)", "infer(seed=1, …)"),
        ("return infer('a', [1, (2, None)])", 'infer(data="a", steps=[1, [2, null]])'),
        ("return infer({'a': 1.5}, {1: 2})", 'infer(data={"a": 1.5}, steps=…)'),
        ("return infer(float('nan'), 1e999)", "infer(data=…, steps=…)"),
        ("return infer(CONSTANT)", 'infer(data="c")'),
        ("return infer(f'{x}')", "infer(data=…)"),
        ("return infer(b'x')", "infer(data=…)"),
        ("return infer('x' * 300)", "infer(data=…)"),
        (f"return infer({'x' * 300!r})", "infer(data=…)"),
        ("return infer.remote(x)", "infer(data=…)"),
        ("return callees.infer(x)", "infer(data=…)"),
        ("from callees import infer as f; return f(x)", "infer(data=…)"),
        ("f = infer; return f(x)", "infer(data=…)"),
        ("f = infer.remote; return f(x)", "infer(data=…)"),
        ("return [infer(one) for one in x]", "infer(data=…)"),
        ("return (lambda y: infer(y))(x)", "infer(data=…)"),
        ("return asyncio.to_thread(infer, x, 2)", "infer(data=…, steps=2)"),
        ("return pool.submit(infer, data=x)", "infer(data=…)"),
        ("return loop.run_in_executor(None, infer, x)", "infer(data=…)"),
        ("return partial(infer, x)", "infer(data=…, …)"),
        ("return Model().predict(x)", "Model.predict(text=…)"),
        ("return Model(2).predict.remote(x, top=2)", "Model.predict(text=…, top=2)"),
        ("m = Model(); return m.predict(x)", "Model.predict(text=…)"),
        ("m: Model = Model(); return m.embed(text=x)", "Model.embed(text=…)"),
        ("return (m := Model()).embed(x)", "Model.embed(text=…)"),
        ("m = None; m = Model(); return m.embed(x)", "Model.embed(text=…)"),
        ("return KEPT.embed(x)", "Model.embed(text=…)"),
        ("return Model().predikt(x)", "Model.predikt(…)"),
        ("return put_item(x, 'n')", 'put_item(id=…, name="n")'),
    ],
)
def test_calls_are_read_with_their_arguments(tmp_path: Path, line: str, text: str) -> None:
    """By the callee's own signature, under whatever name it is called."""
    found = edges(tmp_path, f"CONSTANT = 'c'; KEPT = Model()\n{function(line)}")
    assert told(found) == [f"app.py:7 {text}"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("return infer.local(x)", []),
        ("return Model()._load()", []),
        ("return Model().size", []),
        ("return map(Model().predict, x)", ["app.py:7 Model.predict(…) not followed"]),
        ("infer = other; return infer(x)", []),
        ("return (lambda infer: infer(x))(len)", []),
        ("return map(infer, x)", ["app.py:7 infer(…) not followed"]),
        ("return {'a': infer}['a'](x)", ["app.py:7 infer(…) not followed"]),
        ("return TABLE[x](x)", ["app.py:7 infer(…) not followed"]),
        ("return Model()", ["app.py:7 Model(…) not followed"]),
        ("m = Model(); return other(m)", ["app.py:7 Model(…) not followed"]),
        ("m = Model() if x else None; return m.predict(x)", ["app.py:7 Model(…) not followed"]),
        ("m = Model(); m = other; return m.predict(x)", ["app.py:7 Model(…) not followed"]),
        ("return Model.predict.remote(x)", ["app.py:7 Model(…) not followed"]),
        ("return Endpoint(id='abc').runsync(x)", ["app.py:7 Endpoint(id='abc')(…) not followed"]),
        ("return CLIENT.runsync(x)", ["app.py:7 Endpoint(id='k')(…) not followed"]),
        ("return IMAGE.post('/x', x)", ["app.py:7 Endpoint(image=…)(…) not followed"]),
        ("from helper_of_mine import made; return made.infer(x)", []),
    ],
)
def test_what_is_not_followed_is_said(tmp_path: Path, line: str, expected: list[str]) -> None:
    """What is handed on, and what no project could know; what runs here is no call."""
    head = "TABLE = {'a': infer}; CLIENT = Endpoint(id='k'); IMAGE = Endpoint(name='image', image='i')"
    found = edges(tmp_path, f"{head}\n{function(line)}")
    assert told(found) == expected
    assert all(edge.is_open for edge in found if edge.why)


def test_a_name_with_a_fallback_is_what_it_may_be(tmp_path: Path) -> None:
    """Where the one is no function of an endpoint, it is the other."""
    body = "try:\n    from callees import infer as f\nexcept ImportError:\n    f = None\n"
    assert told(edges(tmp_path, body + function("return f(x)"))) == ["app.py:10 infer(data=…)"]


def test_a_call_says_what_is_done_with_it(tmp_path: Path) -> None:
    """Awaited, remote, dropped, and the keys of the answer that are taken for granted."""
    found = edges(
        tmp_path,
        function(
            "await infer(x)",
            "infer.remote(x)",
            "first = await infer(x)",
            "if 'maybe' in first: first['maybe']",
            "second = infer(x)['a']",
            "first['score'], first.get('other'), second['b']",
            "return (await infer(x))['c']",
            head="async def call(x):",
        ),
    )
    facts = [(edge.is_awaited, edge.is_remote, edge.is_dropped, edge.reads) for edge in found]
    assert facts == [
        (True, False, True, []),
        (False, True, True, []),
        (True, False, False, ["score"]),
        (False, False, False, ["a"]),
        (True, False, False, ["c"]),
    ]


def test_calls_by_way_of_helpers_keep_their_own_line(tmp_path: Path) -> None:
    """However many modules lie between."""
    found = edges(
        tmp_path,
        f"from steps import first\n{function('return first(x)')}",
        steps="import deep.er\ndef first(y):\n    def inner():\n        return deep.er.second(y)\n    return inner()\n",
        deep__er="from callees import infer\n\ndef second(z):\n    return infer(data=z)\n",
    )
    assert [(edge.at, edge.through) for edge in found] == [("deep/er.py:4", ["app.py:7", "steps.py:4"])]
    assert found[0].where == "deep/er.py:4 (by way of app.py:7, steps.py:4)"


def test_helpers_that_call_each_other_come_to_an_end(tmp_path: Path) -> None:
    """And endpoints may, too."""
    body = "def one(x):\n    return two(x) or infer(x)\ndef two(x):\n    return one(x)\n"
    found = edges(tmp_path, f"{body}{function('return two(x) or call.remote(x)')}")
    assert told(found) == ["app.py:5 infer(data=…)", "app.py:10 call(x=…)"]


def test_calls_within_an_endpoint_are_none_but_lead_to_others(tmp_path: Path) -> None:
    """They run in the same worker."""
    body = (
        "api = Endpoint(name='mine')\n"
        "@api.post('/a')\ndef call(x):\n    return other(x)\n"
        "@api.post('/b')\ndef other(x):\n    return infer(x)\n"
    )
    found = edges(tmp_path, body)
    assert [(edge.at, edge.callee, edge.through) for edge in found] == [("app.py:10", "infer", ["app.py:7"])]


def test_methods_of_a_class_have_their_own_calls(tmp_path: Path) -> None:
    """Also by way of private ones; what runs when an instance is made is no method's."""
    body = """\
class Base:
    def also(self, x):
        return self.model.embed(x)

@Endpoint(name='caller')
class call(Base):
    def __init__(self):
        self.model = Model()
        infer('warm')

    def run(self, x):
        return self._inner(x)

    def plain(self, x):
        return x

    def _inner(self, x):
        return self.model.predict(x)
"""
    found = edges(tmp_path, body)
    assert [(edge.caller_method, edge.at, edge.callee) for edge in found] == [
        ("", "app.py:12", "infer"),
        ("run", "app.py:21", "Model.predict"),
    ]


def test_an_instance_may_be_a_parameter(tmp_path: Path) -> None:
    """Of a helper that says so."""
    body = f"def helper(model: Model, x):\n    return model.embed(x)\n{function('return helper(Model(), x)')}"
    assert told(edges(tmp_path, body)) == [
        "app.py:5 Model.embed(text=…)",
        "app.py:8 Model(…) not followed",
    ]


def test_the_route_is_told(tmp_path: Path) -> None:
    """It is what is called."""
    (edge,) = edges(tmp_path, function("return put_item(1, name=x)"))
    assert (edge.endpoint, edge.route) == ("api", "POST /items/{id}")


def test_what_looks_secret_is_not_kept(tmp_path: Path) -> None:
    """A manifest goes where the source does not."""
    (edge,) = edges(tmp_path, function("return infer('ghp_' + 'x', seed='ghp_16C7e42F292c6912E7710c838347Ae178B4a')"))
    assert edge.arguments == ["data", "seed"]
    assert edge.literals == {}


def test_one_that_calls_nothing_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a helper that many use is read once."""
    read: list[str] = []

    def counting(definition: Any, *rest: Any) -> Any:
        read.append(definition.node.name)
        return read_body(definition, *rest)

    monkeypatch.setattr("flash.bundle.calls.read_body", counting)
    body = ["def helper(x):", "    return infer(x)"]
    for number in range(4):
        body += [f"@Endpoint(name='e{number}')", f"def f{number}(x):", f"    return {'helper' if number else 'len'}(x)"]
    found = edges(tmp_path, "\n".join(body), name="f3")
    assert told(found) == ["app.py:5 infer(data=…)"]
    assert sorted(read) == ["f1", "f2", "f3", "helper"]


def test_an_edge_is_written_short_and_read_again(tmp_path: Path) -> None:
    """Whatever it says."""
    for edge in edges(tmp_path, function("infer('a', **x)", "return Model().predict(x)")):
        assert CallEdge.of(edge.as_json()) == edge
        assert "through" not in edge.as_json()


def test_a_build_writes_them_into_the_manifest(tmp_path: Path) -> None:
    """That of the artifact and the one beside it are the same; of whoever calls nothing there is nothing to say."""
    found = edges(tmp_path, function("return infer(x, 2)"))
    assert flash_build(tmp_path) == 0
    built = Manifest.read(tmp_path / ".flash" / MANIFEST_NAME)
    calls = {name: tuple(entry.calls) for name, one in built.resources.items() for entry in one.functions}
    assert calls == {"caller": found, "infer": (), "model": (), "api": ()}


def test_the_same_source_gives_the_same_edges(tmp_path: Path) -> None:
    """In the order of their lines."""
    body = function("return infer(x), Model().predict(x), infer(x, 2), Endpoint(id='a').runsync(x)")
    found = edges(tmp_path, body)
    assert found == edges(tmp_path, body)
    assert [edge.callee for edge in found] == ["infer", "Model.predict", "infer", "Endpoint(id='a')"]


def test_whatever_people_write_is_read() -> None:
    """Our own sources, as if every second definition were an endpoint's."""
    package = Path(flash.__file__).parent
    read = 0
    for path in sorted(package.glob("*/*.py")):
        source = path.read_text(encoding="utf-8")
        module = Module(path=path.name, name=path.stem, tree=ast.parse(source), is_package=False, source=source)
        found = [Definition(module, node) for node in module.tree.body if isinstance(node, DefinitionNode)]
        served = {key_of(one): Served(one.node.name, one) for one in found[::2]}
        modules, names = Modules([module]), {each.node.name for each in found}
        for one in found:
            body = read_body(one, modules, Meanings(modules, served))
            assert all(site.callee is None or site.edge.endpoint in names for site in body.sites)
            read += 1
    assert read > 500
