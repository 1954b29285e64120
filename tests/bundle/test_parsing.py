"""Ways through syntax trees see what ``ast.walk`` sees."""

from __future__ import annotations

import ast
import gc
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import flash
from flash.bundle.parsing import nodes_below, parsed, parsing, statements_below
from flash.errors import DiscoveryError

EVERYTHING = dedent(
    """
    import a, b.c as d
    from .e import (f, g)
    global_ = [*x, *{**y}, {1: 2, **z}, lambda p, /, q=1, *r, s=2, **t: p[q:r:s]]
    @decorator(u, v=w)
    class A(B, metaclass=C):
        n: int = 1
        async def m(self, o: "x" = (yield)) -> {i async for i in j if k}:
            nonlocal_ = await l or not -m and n < o <= p
            async with a as b, c:
                global q
                return f"{r!r:>{s}} {t}"
            async for u in v: del w[0], x.y
            else: raise A from B
    try:
        assert a if b else c, d
    except (E, F) as g:
        while (h := i): continue
        else: pass
    except G: ...
    else: x += 1
    finally:
        match p:
            case [Q(r, s=t), *u] | {"v": w, **x} as y if z: from late import one
            case None | 1.5: import last
    for (i, *j) in k: break
    """
)


def seen(source: str) -> tuple[list[str], list[str]]:
    tree = ast.parse(source)
    skipped = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
    ours = sorted(ast.dump(node) for node in nodes_below(tree))
    return ours, sorted(ast.dump(node) for node in ast.walk(tree) if not isinstance(node, skipped))


def test_every_node_is_seen_once() -> None:
    """All kinds of nodes that Python's grammar has, but operators and contexts."""
    ours, theirs = seen(EVERYTHING)
    assert ours == theirs


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the grammar of Python 3.12")
def test_type_parameters_are_seen() -> None:
    """A type's name is a node in one kind of statement and text in all others."""
    ours, theirs = seen("type A[T: int, *U, **V] = list[T]\ndef f[T](x: T) -> T: ...\nclass C[T]: ...\n")
    assert ours == theirs


def test_our_own_sources_are_seen_whole() -> None:
    """The same of real files."""
    for file in sorted(Path(flash.__file__).parent.glob("bundle/*.py")):
        ours, theirs = seen(file.read_text(encoding="utf-8"))
        assert ours == theirs, file


def test_statements_come_in_the_order_of_their_lines() -> None:
    """What is told first of a file is what stands first in it."""
    tree = ast.parse(EVERYTHING)
    found = [node.lineno for node in statements_below(tree.body)]
    assert found == sorted(found)
    assert len(found) == sum(isinstance(node, ast.stmt) for node in ast.walk(tree))


def test_parsing_leaves_the_garbage_collector_as_it_was() -> None:
    """It is off while trees are made, and then as before, whatever happens."""
    assert gc.isenabled()

    def fail() -> None:
        with parsing():
            assert not gc.isenabled()
            parsed(b"def", "a.py")

    with pytest.raises(DiscoveryError):
        fail()
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"x = " + b"(" * 500 + b")" * 500, "syntax error: too many nested parentheses"),
        (b"x = " + b" + ".join([b"1"] * 50_000), "cannot be parsed"),
        (b"x = 1\0", "null bytes"),
    ],
)
def test_what_no_parser_takes_is_a_named_error(source: bytes, message: str) -> None:
    """Brackets hundreds deep, sums of thousands of terms, and null bytes are told with their file."""
    with pytest.raises(DiscoveryError, match=message) as caught, parsing():
        parsed(source, "a.py")
    assert caught.value.path == "a.py"
