"""What a condition or a handler says about an import below it."""

from __future__ import annotations

import ast
import re
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Guard", "Judge", "catches_missing", "inner_statements", "is_suppressing"]

_MISSING: Final = frozenset({"ImportError", "ModuleNotFoundError"})
_ANYTHING: Final = frozenset({"Exception", "BaseException"})
# Names of those who have asked whether something is there.
_ASKS: Final = re.compile(
    r"(?i)find_(?:spec|loader)|importlib|\w*(?:available|installed)\w*|_?(?:has|have|can|with)_\w+"
)
_BLOCKS: Final = ("body", "orelse", "finalbody", "handlers", "cases")
_TRIES: Final = (ast.Try, getattr(ast, "TryStar", ast.Try))


class Guard(Enum):
    """What is known of a condition.

    ``ASKED``: it asks whether something can be imported.
    """

    ALWAYS = "always"
    NEVER = "never"
    ASKED = "asked"
    UNKNOWN = "unknown"


_OPPOSITE: Final = {Guard.ALWAYS: Guard.NEVER, Guard.NEVER: Guard.ALWAYS}


class Judge:
    """Judges the conditions of one module, as a worker would find them.

    Args:
        tree: The module's.
        python_version: The workers'.
    """

    def __init__(self, tree: ast.Module, python_version: str) -> None:
        self._tree = tree
        self._version = tuple(int(part) for part in python_version.split("."))
        self._flags: frozenset[str] | None = None
        self._constants: dict[str, object] = {
            "sys.platform": "linux",
            "os.name": "posix",
            "platform.system()": "Linux",
            "sys.implementation.name": "cpython",
            "platform.python_implementation()": "CPython",
            "sys.version_info.major": self._version[0],
            "sys.version_info.minor": self._version[1],
        }

    def of(self, test: ast.expr, *, is_about_imports: bool = True) -> Guard:
        """What is known of *test*.

        Args:
            test: The condition.
            is_about_imports: Whether imports depend on it; else nobody needs to know whether it asks for one.
        """
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            guard = self.of(test.operand, is_about_imports=is_about_imports)
            return _OPPOSITE.get(guard, guard)
        if isinstance(test, ast.BoolOp):
            return self._joined(test, is_about_imports=is_about_imports)
        value = self._value(test)
        if value is not None:
            return Guard.ALWAYS if value else Guard.NEVER
        return Guard.ASKED if is_about_imports and self._asks(test) else Guard.UNKNOWN

    def _joined(self, test: ast.BoolOp, *, is_about_imports: bool) -> Guard:
        guards = [self.of(value, is_about_imports=is_about_imports) for value in test.values]
        decides, else_ = (Guard.NEVER, Guard.ALWAYS) if isinstance(test.op, ast.And) else (Guard.ALWAYS, Guard.NEVER)
        for guard in (decides, Guard.ASKED, Guard.UNKNOWN):
            if guard in guards:
                return guard
        return else_

    def _value(self, test: ast.expr) -> bool | None:
        if isinstance(test, ast.Constant):
            return bool(test.value)
        name = _dotted(test)
        if name.rpartition(".")[2] == "TYPE_CHECKING":
            return False
        if name == "__debug__":
            return True
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            return self._compared(test)
        if isinstance(test, ast.Call) and _dotted(test.func) == "sys.platform.startswith" and len(test.args) == 1:
            given = _literal(test.args[0])
            return "linux".startswith(given) if isinstance(given, (str, tuple)) and given else None
        return None

    def _compared(self, test: ast.Compare) -> bool | None:
        left, right = test.left, test.comparators[0]
        if _dotted(left) == "__name__" and _literal(right) == "__main__":
            # a worker imports
            return not isinstance(test.ops[0], ast.Eq)
        known, given = self._known(left), _literal(right)
        if known is None or given is None:
            return None
        if isinstance(known, tuple) and isinstance(given, tuple) and len(given) > len(self._version):
            # of the workers' version only two parts are known
            return None
        try:
            return _holds(test.ops[0], known, given)
        except TypeError:
            return None

    def _known(self, node: ast.expr) -> object:
        if isinstance(node, ast.Subscript) and _dotted(node.value) == "sys.version_info":
            index = node.slice
            if isinstance(index, ast.Slice):
                upper = _literal(index.upper) if index.upper is not None else None
                if index.lower is not None or index.step is not None or not isinstance(upper, int):
                    return None
                return self._version[:upper] if 0 < upper <= len(self._version) else None
            place = _literal(index)
            return self._version[place] if isinstance(place, int) and place in (0, 1) else None
        if _dotted(node) == "sys.version_info":
            return (*self._version, 0)
        if isinstance(node, ast.Call) and not node.args and not node.keywords:
            return self._constants.get(f"{_dotted(node.func)}()")
        return self._constants.get(_dotted(node))

    def _asks(self, test: ast.expr) -> bool:
        if self._flags is None:
            self._flags = frozenset(_flags(self._tree))
        for node in ast.walk(test):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if name and (name in self._flags or _ASKS.fullmatch(name) is not None):
                return True
        return False


def _flags(tree: ast.Module) -> Iterator[str]:
    """Names that say whether something could be imported: bound where its absence is caught, or by asking."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, _TRIES) and any(catches_missing(each) is not Guard.NEVER for each in node.handlers):
            if any(isinstance(each, (ast.Import, ast.ImportFrom)) for each in node.body):
                yield from _bound([*node.body, *node.orelse, *(each for one in node.handlers for each in one.body)])
        elif isinstance(node, (ast.With, ast.AsyncWith)) and is_suppressing(node):
            yield from _bound(node.body)
        elif isinstance(node, ast.Assign) and _finds(node.value):
            yield from _bound([node])
        pending += inner_statements(node)


def inner_statements(node: ast.AST) -> list[ast.AST]:
    """The statements, handlers and cases right below *node*."""
    found: list[ast.AST] = []
    for name in _BLOCKS:
        block = getattr(node, name, None)
        # the body of a lambda is no statement
        if isinstance(block, list):
            found += block
    return found


def _finds(value: ast.expr) -> bool:
    """Whether it asks for a module's place: ``find_spec(…)``, ``find_spec(…) is not None``, ``bool(find_spec(…))``."""
    if isinstance(value, ast.Compare):
        return _finds(value.left)
    if isinstance(value, ast.UnaryOp):
        return _finds(value.operand)
    if not isinstance(value, ast.Call):
        return False
    return _dotted(value.func).endswith("find_spec") or any(map(_finds, value.args[:1]))


def _bound(statements: Iterable[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.Assign):
            yield from (
                each.id for target in statement.targets for each in ast.walk(target) if isinstance(each, ast.Name)
            )
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id


def catches_missing(handler: ast.ExceptHandler) -> Guard:
    """Whether *handler* catches a missing module: by name (``ASKED``), as anything (``ALWAYS``), or not (``NEVER``)."""
    if handler.type is None:
        return Guard.ALWAYS
    names = _caught(handler.type)
    if names & _MISSING:
        return Guard.ASKED
    return Guard.ALWAYS if names & _ANYTHING else Guard.NEVER


def _caught(node: ast.expr) -> set[str]:
    each = node.elts if isinstance(node, ast.Tuple) else [node]
    return {_dotted(one).rpartition(".")[2] for one in each}


def is_suppressing(statement: ast.With | ast.AsyncWith) -> bool:
    """Whether a ``with`` block lets a missing module pass."""
    return any(
        isinstance(item.context_expr, ast.Call)
        and _dotted(item.context_expr.func).rpartition(".")[2] == "suppress"
        and any(_caught(argument) & (_MISSING | _ANYTHING) for argument in item.context_expr.args)
        for item in statement.items
    )


def _holds(operator: ast.cmpop, known: object, given: object) -> bool | None:
    """The comparison as the language has it.

    Raises:
        TypeError: The two cannot be compared.
    """
    if isinstance(operator, (ast.Eq, ast.Is)):
        return known == given
    if isinstance(operator, (ast.NotEq, ast.IsNot)):
        return known != given
    if isinstance(operator, (ast.In, ast.NotIn)):
        if not isinstance(given, (str, tuple, list)):
            return None
        return (known in given) is isinstance(operator, ast.In)
    if isinstance(known, tuple) is not isinstance(given, tuple):
        return None
    left, right = (known, given) if isinstance(known, tuple) and isinstance(given, tuple) else ((known,), (given,))
    if isinstance(operator, ast.Lt):
        return left < right
    if isinstance(operator, ast.LtE):
        return left <= right
    return left > right if isinstance(operator, ast.Gt) else left >= right


def _literal(node: ast.expr) -> object:
    try:
        value: object = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
    return value


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return ""
