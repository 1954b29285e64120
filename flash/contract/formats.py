"""Strings of the formats that pydantic emits, and strings that a pattern describes.

Only values that every reader of the format takes: RFC 3339 with an offset, network addresses without host bits,
domains that RFC 2606 reserves, because an endpoint under test may well send the mail or fetch the page.
"""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import re
import string
import uuid
from typing import TYPE_CHECKING, Final, Literal

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from flash.errors import FlashError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Unsupported", "formatted", "matching", "text"]

_SURROGATES: Final[tuple[Literal["Cs"]]] = ("Cs",)
_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F))
_OFFSETS: Final = ("Z", "+00:00", "+01:00", "+05:30", "-08:00")


class Unsupported(FlashError):
    """No values can be generated for a schema; the message names the keyword, so that a report can say it."""


def text(min_length: int = 0, max_length: int | None = None) -> st.SearchStrategy[str]:
    """Any text that survives the way to a worker and back.

    No surrogates: UTF-8 cannot carry them. No NUL: JSON can carry it, but C strings and Postgres, where results often
    end, cannot, and a function that passes it on is not to blame.
    """
    alphabet = st.characters(exclude_categories=_SURROGATES, exclude_characters="\0")
    return st.text(alphabet, min_size=min_length, max_size=max_length)


def matching(pattern: str, min_length: int = 0, max_length: int | None = None) -> st.SearchStrategy[str]:
    r"""Text in which *pattern* is found, as JSON Schema means it: anywhere, unless the pattern has anchors.

    Printable ASCII, where Python, ECMAScript and pydantic's Rust agree on ``\d``, ``\w`` and ``.``; wider only for a
    pattern that asks for more. Never a final line break, which only Python lets ``$`` overlook.

    Raises:
        Unsupported: It is no regular expression of Python's.
    """
    try:
        compiled = re.compile(pattern, re.ASCII)
    except re.error as error:
        raise Unsupported(f"pattern {pattern!r}: {error}") from error
    unicode_too = re.compile(pattern)
    try:
        found = st.from_regex(compiled, alphabet=_PRINTABLE)
        found.validate()
    except InvalidArgument:
        found = st.from_regex(compiled, alphabet=st.characters(exclude_categories=_SURROGATES, exclude_characters="\0"))
    return found.filter(
        lambda value: (
            not value.endswith("\n") and _has_length(value, min_length, max_length) and bool(unicode_too.search(value))
        )
    )


def formatted(name: str, min_length: int = 0, max_length: int | None = None) -> st.SearchStrategy[str]:
    """Text of the format *name*.

    Raises:
        Unsupported: The format is not known: JSON Schema would take any text, the function would not.
    """
    if name in _ANY_TEXT:
        return text(min_length, max_length)
    if name not in _FORMATS:
        raise Unsupported(f"format {name!r}")
    return _FORMATS[name]().filter(lambda value: _has_length(value, min_length, max_length))


def _has_length(value: str, min_length: int, max_length: int | None) -> bool:
    return min_length <= len(value) and (max_length is None or len(value) <= max_length)


def _dates() -> st.SearchStrategy[str]:
    return st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31)).map(dt.date.isoformat)


def _times() -> st.SearchStrategy[str]:
    return st.builds(lambda at, offset: at.isoformat() + offset, st.times(), st.sampled_from(_OFFSETS))


def _date_times() -> st.SearchStrategy[str]:
    return st.builds("{}T{}".format, _dates(), _times())


def _durations() -> st.SearchStrategy[str]:
    parts = st.integers(0, 999), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59)
    return st.builds("P{}DT{}H{}M{}S".format, *parts)


def _uuids(version: int | None = None) -> Callable[[], st.SearchStrategy[str]]:
    def of_version(value: uuid.UUID) -> str:
        # uuid.UUID refuses versions over 5 before Python 3.14
        number = value.int & ~(0xF000 << 64) & ~(0xC000 << 48)
        return str(uuid.UUID(int=number | (version or 4) << 76 | 0x8000 << 48))

    return lambda: st.uuids().map(of_version)


def _words() -> st.SearchStrategy[str]:
    return st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)


def _hosts() -> st.SearchStrategy[str]:
    return st.sampled_from(("example.com", "example.net", "example.org"))


def _emails() -> st.SearchStrategy[str]:
    return st.builds("{}@{}".format, _words(), _hosts())


def _uris() -> st.SearchStrategy[str]:
    return st.builds("https://{}/{}".format, _hosts(), st.lists(_words(), max_size=3).map("/".join))


def _bytes_as(encode: Callable[[bytes], bytes]) -> Callable[[], st.SearchStrategy[str]]:
    return lambda: st.binary(max_size=30).map(lambda content: encode(content).decode("ascii"))


def _ipv4_networks() -> st.SearchStrategy[str]:
    address = st.ip_addresses(v=4).map(int)
    return st.builds(lambda a, n: str(ipaddress.IPv4Network((a, n), strict=False)), address, st.integers(0, 32))


def _ipv6_networks() -> st.SearchStrategy[str]:
    address = st.ip_addresses(v=6).map(int)
    return st.builds(lambda a, n: str(ipaddress.IPv6Network((a, n), strict=False)), address, st.integers(0, 128))


_ANY_TEXT: Final = frozenset({"password"})

_FORMATS: Final[dict[str, Callable[[], st.SearchStrategy[str]]]] = {
    "date": _dates,
    "date-time": _date_times,
    "time": _times,
    "duration": _durations,
    "uuid": _uuids(),
    **{f"uuid{version}": _uuids(version) for version in range(1, 9)},
    "email": _emails,
    "name-email": lambda: st.builds("{} <{}>".format, _words(), _emails()),
    "hostname": _hosts,
    "uri": _uris,
    "ipv4": lambda: st.ip_addresses(v=4).map(str),
    "ipv6": lambda: st.ip_addresses(v=6).map(str),
    "ipvanyaddress": lambda: st.ip_addresses().map(str),
    "ipv4network": _ipv4_networks,
    "ipv4interface": _ipv4_networks,
    "ipv6network": _ipv6_networks,
    "ipv6interface": _ipv6_networks,
    "ipvanynetwork": lambda: _ipv4_networks() | _ipv6_networks(),
    "ipvanyinterface": lambda: _ipv4_networks() | _ipv6_networks(),
    # pydantic calls plain bytes "binary"; base64 is valid there whether the text is decoded or taken as it is
    "binary": _bytes_as(base64.b64encode),
    "base64": _bytes_as(base64.b64encode),
    "base64url": _bytes_as(base64.urlsafe_b64encode),
    "path": _words,
    "regex": lambda: st.sampled_from(("", "a+", r"^\d{2}$", "[a-z]|x")),
}
