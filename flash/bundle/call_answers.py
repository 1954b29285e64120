"""What becomes of the answers of calls in a function's body."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flash.bundle.call_scopes import Scope

__all__ = ["Answers"]


class Answers:
    """What becomes of the answers of calls in a scope.

    Attributes:
        awaited: Identities of expressions that are awaited.
        dropped: Of those whose value nobody looks at.
    """

    def __init__(self, nodes: list[Any]) -> None:
        self.awaited = {id(node.value) for node in nodes if isinstance(node, ast.Await)}
        self.dropped: set[int] = set()
        self._keys: dict[int, set[str]] = {}
        self._by_name: dict[str, set[str]] = {}
        # who looks whether a key is there does without it
        asked: set[str] = set()
        for node in nodes:
            if isinstance(node, ast.Expr):
                self.dropped.add(id(_unawaited(node.value)))
            elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant):
                asked.add(str(node.left.value))
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                key = node.slice.value if isinstance(node.slice, ast.Constant) else None
                if isinstance(key, str):
                    owner = _unawaited(node.value)
                    if isinstance(owner, ast.Name):
                        self._by_name.setdefault(owner.id, set()).add(key)
                    self._keys.setdefault(id(owner), set()).add(key)
        self._asked = asked

    def reads(self, call: ast.expr, scope: Scope) -> list[str]:
        """Keys that the answer of *call* is taken to have."""
        found = set(self._keys.get(id(call), ()))
        for name, values in scope.values.items():
            if len(values) == 1 and values[0] is not None and _unawaited(values[0]) is call:
                found |= self._by_name.get(name, set())
        return sorted(found - self._asked)


def _unawaited(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Await) else node
