"""What of the standard library can be imported wherever a worker runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["STANDARD_MODULES", "STANDARD_NAMES"]

STANDARD_MODULES: Final = frozenset(
    {
        *("__future__", "abc", "argparse", "array", "ast", "asyncio", "base64", "binascii", "bisect", "calendar"),
        *("cmath", "collections", "collections.abc", "concurrent", "concurrent.futures", "contextlib", "contextvars"),
        *("copy", "csv", "dataclasses", "datetime", "decimal", "difflib", "email", "enum", "fractions", "functools"),
        *("glob", "hashlib", "heapq", "hmac", "html", "http", "importlib", "importlib.metadata", "inspect", "io"),
        *("itertools", "json", "logging", "math", "mimetypes", "numbers", "operator", "os", "os.path", "pathlib"),
        *("pickle", "platform", "pprint", "queue", "random", "re", "secrets", "shutil", "signal", "socket"),
        *("statistics", "string", "struct", "subprocess", "sys", "tempfile", "textwrap", "threading", "time"),
        *("traceback", "types", "typing", "unicodedata", "urllib", "urllib.error", "urllib.parse", "urllib.request"),
        *("uuid", "warnings", "weakref"),
    }
)
"""Modules that are in every Python from 3.10 on, whatever it was built with, and do nothing but define names."""

STANDARD_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"}),
    "collections.abc": frozenset(
        {
            *("AsyncGenerator", "AsyncIterable", "AsyncIterator", "Awaitable", "Callable", "Collection", "Coroutine"),
            *("Generator", "Hashable", "Iterable", "Iterator", "Mapping", "MutableMapping", "MutableSequence"),
            *("Sequence", "Set", "Sized"),
        }
    ),
    "contextlib": frozenset({"asynccontextmanager", "closing", "contextmanager", "suppress"}),
    "dataclasses": frozenset({"asdict", "dataclass", "field", "replace"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset({"Decimal"}),
    "enum": frozenset({"Enum", "IntEnum"}),
    "functools": frozenset({"cache", "lru_cache", "partial", "reduce", "wraps"}),
    "io": frozenset({"BytesIO", "StringIO"}),
    "pathlib": frozenset({"Path", "PurePath", "PurePosixPath"}),
    "typing": frozenset(
        {
            *("Annotated", "Any", "AsyncGenerator", "AsyncIterator", "Callable", "ClassVar", "Dict", "Final"),
            *("FrozenSet", "Generator", "Iterable", "Iterator", "List", "Literal", "Mapping", "NamedTuple"),
            *("Optional", "Protocol", "Sequence", "Set", "TYPE_CHECKING", "Tuple", "Type", "TypeVar", "TypedDict"),
            *("Union", "cast"),
        }
    ),
    "uuid": frozenset({"UUID", "uuid4"}),
}
"""Of some of these, names that they have in every Python from 3.10 on."""
