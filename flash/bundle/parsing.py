"""A file of Python source, read and parsed, and ways through its syntax tree that are faster than ``ast.walk``."""

from __future__ import annotations

import ast
import gc
import io
import sys
import tokenize
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from flash.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["children", "content_of", "nodes_below", "parsed", "parsing", "statements_below", "uncollected"]

_BLOCKS: Final = ("finalbody", "orelse", "handlers", "cases", "body")
"""Where statements hold others, last in the file first."""
_LEAVES: Final = (ast.Constant, ast.Global, ast.Nonlocal)
_NO_NODES: Final = frozenset(
    {
        *("arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "kwd_attrs", "level", "module"),
        *("op", "ops", "rest", "simple", "tag", "type_comment", "type_ignores"),
    }
)
"""Fields of nodes that hold text, numbers and operators, in every kind of node that has them."""
_FIELDS: Final[Mapping[type[ast.AST], tuple[str, ...]]] = {
    kind: () if kind in _LEAVES else tuple(name for name in kind._fields if name not in _NO_NODES)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
"""Fields that may hold nodes, by the kind of node."""
_MARK: Final = b"\xef\xbb\xbf"


@contextmanager
def uncollected() -> Iterator[None]:
    """Let the block make many objects of which none is garbage: looking for some would take longer than making them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def parsing() -> Iterator[None]:
    """Where files are parsed: no garbage is looked for, and a user's invalid escapes are not ours to tell."""
    with uncollected(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def content_of(root: Path, path: str) -> bytes:
    """The bytes of a file of the project at *root*.

    Raises:
        DiscoveryError: It cannot be read.
    """
    try:
        with open(f"{root}/{path}", "rb") as file:  # noqa: PTH123  of thousands of files
            return file.read()
    except OSError as error:
        raise DiscoveryError(
            f"cannot read it: {error.strerror}", path=path, hint="make it readable, or list it in .flashignore"
        ) from error


def parsed(content: bytes, path: str) -> tuple[ast.Module, str]:
    """The syntax tree of a file and its text; inside of `parsing`.

    Args:
        content: Its bytes.
        path: Relative to the project, for messages.

    Raises:
        DiscoveryError: It is not Python.
    """
    source = _decoded(content, path)
    try:
        tree = ast.parse(content, filename=path)
    except SyntaxError as error:
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise DiscoveryError(
            f"syntax error: {error.msg}",
            path=path,
            line=error.lineno,
            hint=f"correct it (it was read with Python {running}), or list the file in .flashignore if it is no module",
        ) from error
    except ValueError as error:
        raise DiscoveryError(f"not Python source: {error}", path=path, hint="list it in .flashignore") from error
    except (RecursionError, MemoryError) as error:
        # what the parser says to a sum of thousands of terms, which could not be imported either
        raise DiscoveryError(
            f"it cannot be parsed: {str(error) or 'it is too large'}",
            path=path,
            hint="keep what is generated as data, or list the file in .flashignore",
        ) from error
    return tree, source


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below *node*, in no particular order, without operators and the contexts of names."""
    found: list[ast.AST] = []
    for name in _FIELDS[type(node)]:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [each for each in value if each is not None]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def nodes_below(node: ast.AST) -> Iterator[ast.AST]:
    """*node* and all nodes below it, in no particular order, without operators and the contexts of names."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending += children(current)


def statements_below(statements: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """*statements* and those inside them, at any depth, in the order of their lines."""
    pending: list[ast.AST] = [*statements]
    pending.reverse()
    while pending:
        current = pending.pop()
        if isinstance(current, ast.stmt):
            yield current
        for block in _BLOCKS:
            inside = getattr(current, block, None)
            if inside:
                pending += reversed(inside)


def _decoded(content: bytes, path: str) -> str:
    """The text, by the encoding that the file says it has, or UTF-8."""
    try:
        if content.startswith(_MARK) or b"coding" in content[: content.find(b"\n", content.find(b"\n") + 1)]:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        else:
            encoding = "utf-8"
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DiscoveryError(
            f"not {error.encoding}: byte 0x{content[error.start]:02x}",
            path=path,
            line=content.count(b"\n", 0, error.start) + 1,
            hint="save it as UTF-8, or say the encoding in its first line: # -*- coding: latin-1 -*-",
        ) from error
    except SyntaxError as error:
        # detect_encoding's own: no such encoding, or bytes in the first lines that are not UTF-8
        raise DiscoveryError(
            f"its encoding cannot be told: {error.msg}",
            path=path,
            line=_first_undecodable_line(content),
            hint="save it as UTF-8, or say the encoding in its first line: # -*- coding: latin-1 -*-",
        ) from error


def _first_undecodable_line(content: bytes) -> int:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return content.count(b"\n", 0, error.start) + 1
    return 1
