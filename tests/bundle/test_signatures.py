"""What is read from a syntax tree is what would be said of the function that it makes."""

from __future__ import annotations

import ast
import json
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.bundle.annotations import Names
from flash.bundle.modules import Module
from flash.bundle.signatures import call_schema_of
from flash.model.manifest import CallSchema
from flash.model.schema import call_schema
from flash.model.signature import public_methods

IMPORTS = """\
import collections.abc
from collections.abc import AsyncIterator, Iterator
from collections.abc import Generator as Makes
from typing import Any, Dict, FrozenSet, List, Literal, Optional, Set, Tuple, Union
from typing import Iterable as Several
"""


def read(source: str, name: str = "f") -> CallSchema | None:
    """What the tree of a module says of its function *name*."""
    module = Module(path="m.py", name="m", tree=ast.parse(source), is_package=False, source=source)
    node = module.bindings[name]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    is_generator = any(isinstance(each, ast.Yield) for each in ast.walk(node))
    return call_schema_of(node, Names.of(module), is_method=False, is_generator=is_generator)


def asked(source: str, name: str = "f") -> CallSchema:
    """What is said of the function when the module has been run."""
    namespace: dict[str, Any] = {}
    exec(compile(source, "m.py", "exec", dont_inherit=True), namespace)  # noqa: S102  a test's own source
    return call_schema(namespace[name])


def as_packed(schema: CallSchema | None) -> str | None:
    """As a manifest has it: equal texts are equal to the order of the keys."""
    return None if schema is None else json.dumps(schema.as_json())


SCALARS = st.sampled_from(["int", "float", "str", "bool", "bytes"])
LITERALS = st.lists(st.sampled_from(["'a'", "'b'", "1", "-2", "True", "None", "'é'"]), min_size=1, max_size=3)
BARE = st.sampled_from(["dict", "list", "set", "frozenset", "tuple", "Any", "None", "Dict", "List", "Set", "FrozenSet"])


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Types with others inside."""
    either = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        st.builds("{}[str, {}]".format, st.sampled_from(["dict", "Dict"]), inner),
        st.builds("{}[{}]".format, st.sampled_from(["list", "List", "Optional"]), inner),
        st.builds("{}[{}]".format, st.sampled_from(["set", "Set", "frozenset", "FrozenSet"]), SCALARS),
        st.builds("{}[{}, ...]".format, st.sampled_from(["tuple", "Tuple"]), inner),
        st.builds("{}[{}]".format, st.sampled_from(["tuple", "Tuple", "Union"]), either.map(", ".join)),
        # a union with `|` begins with a type: of two None there is none
        either.map(lambda types: " | ".join(sorted(types, key="None".__eq__))).map("({})".format),
    )


TYPES = st.recursive(
    SCALARS | BARE | LITERALS.map(lambda values: f"Literal[{', '.join(values)}]"), containers, max_leaves=6
)
DEFAULTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False))
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
    | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.tuples(inner) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2)
    ),
    max_leaves=4,
).map(repr)
NAMES = st.lists(st.sampled_from(["a", "b", "c", "_d", "self", "model_config", "é"]), unique=True, max_size=4)


@st.composite
def signatures(draw: st.DrawFn) -> str:
    """A module with a function ``f``."""
    parts, has_default, names = list[str](), False, draw(NAMES)
    star = draw(st.integers(0, len(names)))
    for number, name in enumerate(names):
        if number == star:
            parts.append(draw(st.sampled_from(["*", "*rest", "*rest: int"])))
            has_default = False
        annotation = draw(st.just("") | TYPES.map(": {}".format) | TYPES.map(repr).map(": {}".format))
        default = draw(DEFAULTS) if has_default or draw(st.booleans()) else None
        has_default = default is not None
        parts.append(f"{name}{annotation}" + ("" if default is None else f" = {default}"))
    parts += draw(st.sampled_from([[], ["**more"], ["**more: str"], ["**more: list[int]"]]))
    item = draw(TYPES)
    returns, body = draw(
        st.sampled_from(
            [
                ("", "..."),
                (f" -> {item}", "..."),
                ("", "yield 1"),
                (" -> int", "yield 1"),
                (f" -> Iterator[{item}]", "yield 1"),
                (f" -> Makes[{item}, None, None]", "yield 1"),
                (f" -> Several[{item}]", "yield 1"),
                (" -> Iterator", "yield 1"),
            ]
        )
    )
    first = draw(st.sampled_from(["", "from __future__ import annotations\n"]))
    return f"{first}{IMPORTS}def f({', '.join(parts)}){returns}:\n    {body}\n"


@settings(max_examples=300, deadline=None)
@given(signatures())
def test_what_is_read_is_what_would_be_said(source: str) -> None:
    """To the order of the keys; what is not read is asked for."""
    found = read(source)
    assert found is None or as_packed(found) == as_packed(asked(source))


@pytest.mark.parametrize(
    "signature",
    [
        "()",
        "(value: int, text: str = 'x') -> dict",
        "(x, y=1, *z: int, **w) -> None",
        "(data: dict) -> dict[str, Any]",
        "(data: dict[str, float] | None = None) -> Optional[int]",
        "(a: Literal['x', 'y'] = 'x', *, b: bool | None = None) -> list[tuple[int, str]]",
        "(a: 'int', /, b: 'list[str] | None' = None) -> 'None'",
        "(rows: List[Dict[str, int]], size: Tuple[int, int] = (1, 2), scale: float = -1.5) -> bytes",
    ],
)
def test_common_signatures_are_read(signature: str) -> None:
    """Nothing has to be imported for them."""
    source = f"{IMPORTS}def f{signature}: ..."
    assert as_packed(read(source)) == as_packed(asked(source)) != None  # noqa: E711  a chain


@pytest.mark.parametrize(
    "source",
    [
        "def f(x: 'Model'): ...",
        "from somewhere import int\ndef f(x: int): ...",
        "class list: ...\ndef f(x: list): ...",
        "from somewhere import *\ndef f(x: int): ...",
        "from typing import Any\nAny = int\ndef f(x: Any): ...",
        "from typing import Any\ndef Any(): ...\ndef f(x: Any): ...",
        "if TYPE_CHECKING:\n    from typing import List\ndef f(x: 'List'): ...",
        "def f(x: dict[int, str]): ...",
        "def f(x: dict[str]): ...",
        "def f(x: list[int, int]): ...",
        "def f(x: tuple[()]): ...",
        "def f(x: int = len('a')): ...",
        "def f(x: int = NAME): ...",
        "def f(x: float = 1e999): ...",
        "def f(x: str = '\\ud800'): ...",
        "def f(x: dict = {1: 2}): ...",
        "def f(x: int = 2**70): ...",
        "def f(x: int = 99999999999999999999): ...",
        "def f(__empty: int): ...",
        "def f(*x: dict): ...",
        "def f(**x: dict): ...",
        "def f(x: 'int)'): ...",
        "def f(x: 'not a type'): ...",
        "def f(x: list['int']): ...",
        "def f(x: None | None): ...",
        "def f(x: int + str): ...",
        "from typing import Literal\ndef f(x: Literal[b'a']): ...",
        "from typing import Literal\ndef f(x: Literal[1.5]): ...",
        "from typing import Literal, Optional\ndef f(x: Optional[Literal['a', 'b']]): ...",
        "from typing import List\ndef f(x: List[int | str]): ...",
        "from collections.abc import Iterator\ndef f() -> Iterator[int]: ...",
        "def f() -> Model: ...",
        "def f() -> Model:\n    yield 1",
        "from typing import Iterator\ndef f() -> Iterator[int | str]:\n    yield 1",
    ],
)
def test_of_anything_else_nothing_is_said(source: str) -> None:
    """It means something else, or what another module says, or something that depends on what was read before."""
    assert read(source) is None


def test_methods_have_one_parameter_less() -> None:
    """And see the names of their module, where the class has none of that name."""
    source = dedent("""
        class Worker:
            def run(self, values: list, /, scale: float = 1.0) -> dict: ...
            def list(this, *, limit: int) -> None: ...
            def nothing(): ...
    """)
    module = Module(path="m.py", name="m", tree=ast.parse(source), is_package=False, source=source)
    namespace: dict[str, Any] = {}
    exec(source, namespace)  # noqa: S102  a test's own source
    worker = module.tree.body[0]
    assert isinstance(worker, ast.ClassDef)
    run, listing, nothing = worker.body
    names = Names.of(module)
    for node in (run, listing):
        assert isinstance(node, ast.FunctionDef)
        found = call_schema_of(node, names, is_method=True, is_generator=False)
        assert as_packed(found) == as_packed(call_schema(public_methods(namespace["Worker"])[node.name]))
    hidden = names.without(frozenset({"run", "list", "nothing"}))
    assert isinstance(run, ast.FunctionDef)
    assert call_schema_of(run, hidden, is_method=True, is_generator=False) is None
    assert isinstance(nothing, ast.FunctionDef)
    assert call_schema_of(nothing, names, is_method=True, is_generator=False) is None
