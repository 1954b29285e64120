"""Records as JSON carries them: dataclasses that are read from decoded JSON and written to it.

The standard library only: every build, every command and every worker reads a manifest as it starts.
"""

from __future__ import annotations

import json
import types
from dataclasses import MISSING, Field, dataclass, field, fields
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from flash.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Wire", "indented"]

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_CONSTANTS: Final = {True: "true", False: "false", None: "null"}

_Record = TypeVar("_Record", bound="Wire")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What all records have. Their fields are of JSON's types, of records, or of lists and dicts of these.

    Attributes:
        extra: Keys that we do not know, kept as they were.

    A field with the metadata ``{"is_written": False}`` is read only.
    """

    spelling: ClassVar[dict[str, str]] = {}
    """Wire spelling of the fields that have one of their own."""

    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls: type[_Record], data: object, where: str = "") -> _Record:  # noqa: PYI019  Python 3.10 has no Self
        """Read a record from decoded JSON.

        Platforms, other tools and people write numbers for text, text for numbers, and null for what is not set.

        Args:
            data: Keys in wire spelling, or in ours.
            where: What it is part of, in wire spelling.

        Raises:
            ManifestError: It is none; names the first field that is wrong.
        """
        if isinstance(data, cls):
            return data
        if not isinstance(data, dict):
            raise _unfit(where, "an object", data)
        known = cls.prepared({key: value for key, value in data.items() if value is not None})
        found: dict[str, Any] = {}
        for one in _members(cls):
            key = one.key if one.key in known else one.name
            if key in known:
                found[one.name] = one.read(known.pop(key), f"{where}.{key}" if where else key)
            elif one.default is MISSING:
                raise ManifestError(f"{where}.{one.key}: is missing" if where else f"{one.key}: is missing")
        return cls(**found, extra=known)

    @classmethod
    def prepared(cls, data: dict[str, Any]) -> dict[str, Any]:
        """*data* with what others write in another way as we write it."""
        return data

    def as_json(self, *, without_defaults: bool = False) -> dict[str, Any]:
        """As JSON types, wire spelling, without what is None; what is deep inside is shared, not copied.

        Args:
            without_defaults: Leave out what is as it is by default, too.
        """
        data: dict[str, Any] = {}
        for one in _members(type(self)):
            value = getattr(self, one.name)
            if value is not None and one.is_written and not (without_defaults and value == one.default):
                data[one.key] = _plain(value, without_defaults) if one.has_records else _copied(value)
        return {**data, **self.extra}


def indented(value: Any, margin: str = "\n") -> str:
    """JSON as ``json.dumps(value, indent=2, ensure_ascii=False)`` writes it, in less time.

    >>> print(indented({"a": [1, "b"], "c": {}}))
    {
      "a": [
        1,
        "b"
      ],
      "c": {}
    }
    """
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is bool or value is None:
        return _CONSTANTS[value]
    if kind is int:
        return repr(value)
    deeper = f"{margin}  "
    if kind is dict:
        if not value:
            return "{}"
        items = f",{deeper}".join([f"{_quoted(str(key))}: {indented(item, deeper)}" for key, item in value.items()])
        return f"{{{deeper}{items}{margin}}}"
    if kind is list or kind is tuple:
        if not value:
            return "[]"
        items = f",{deeper}".join([indented(item, deeper) for item in value])
        return f"[{deeper}{items}{margin}]"
    return json.dumps(value)


class _Member:
    """A field: its names, how its values are read, whether it is written, its default or else ``MISSING``."""

    __slots__ = ("default", "has_records", "is_written", "key", "name", "read")

    def __init__(self, record: type[Wire], one: Field[Any], annotation: Any) -> None:
        self.name = one.name
        self.key = record.spelling.get(one.name, one.name)
        self.read, self.has_records = _reader(annotation)
        self.is_written = one.metadata.get("is_written", True)
        self.default = one.default if one.default_factory is MISSING else one.default_factory()


_MEMBERS: Final[dict[type[Wire], tuple[_Member, ...]]] = {}


def _members(record: type[Wire]) -> tuple[_Member, ...]:
    """The fields of a kind of record that are on the wire."""
    if (known := _MEMBERS.get(record)) is not None:
        return known
    hints = get_type_hints(record)
    found = tuple(_Member(record, one, hints[one.name]) for one in fields(record) if one.name != "extra")
    return _MEMBERS.setdefault(record, found)


def _plain(value: Any, without_defaults: bool) -> Any:
    if isinstance(value, Wire):
        return value.as_json(without_defaults=without_defaults)
    if isinstance(value, dict):
        return {key: _plain(item, without_defaults) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, without_defaults) for item in value]
    return value


def _copied(value: Any) -> Any:
    return value.copy() if type(value) in (dict, list) else value


def _unfit(where: str, wanted: str, value: object) -> ManifestError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return ManifestError(f"{where or 'the document'}: should be {wanted}, not {shown}")


def _reader(annotation: Any) -> tuple[Callable[[Any, str], Any], bool]:
    """What reads a value of that type, named for what went wrong; and whether there are records in it."""
    if annotation in _SIMPLE:
        return _SIMPLE[annotation], False
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        # null is absent: nobody reads it
        (only,) = (one for one in arguments if one is not type(None))
        return _reader(only)
    if origin is Literal:
        return _literal(arguments), False
    if origin is list:
        item, has_records = _reader(arguments[0])
        return _list(item), has_records
    if origin is dict:
        if arguments[1] is Any:
            return _object, False
        item, has_records = _reader(arguments[1])
        return _dict(item), has_records
    if isinstance(annotation, type) and issubclass(annotation, Wire):
        return annotation.of, True
    raise TypeError(f"{annotation!r} is no type of a record's field")


def _any(value: Any, _where: str) -> Any:
    return value


def _text(value: Any, where: str) -> str:
    if type(value) is str:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise _unfit(where, "text", value)


def _whole(value: Any, where: str) -> int:
    if type(value) is int:
        return value
    try:
        number = int(value) if isinstance(value, (bool, float, str)) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or (isinstance(value, float) and number != value):
        raise _unfit(where, "a whole number", value)
    return number


def _truth(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, (int, str)) else ""
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise _unfit(where, "true or false", value)


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unfit(where, "an object", value)
    return {str(key): item for key, item in value.items()}


def _literal(choices: tuple[object, ...]) -> Callable[[Any, str], Any]:
    def read(value: Any, where: str) -> Any:
        if value not in choices:
            raise _unfit(where, f"one of {', '.join(map(repr, choices))}", value)
        return value

    return read


def _list(item: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def read(value: Any, where: str) -> Any:
        if not isinstance(value, (list, tuple)):
            raise _unfit(where, "a list", value)
        return [item(one, f"{where}.{number}") for number, one in enumerate(value)]

    return read


def _dict(item: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def read(value: Any, where: str) -> Any:
        return {key: item(one, f"{where}.{key}") for key, one in _object(value, where).items()}

    return read


_SIMPLE: Final[dict[Any, Callable[[Any, str], Any]]] = {Any: _any, str: _text, int: _whole, bool: _truth}
