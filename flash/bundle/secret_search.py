"""What looks like a secret in a text: by its own shape, by where it stands in a URL, by what it is called, by chance.

Pure, and on the way of every build: most files are passed over after a few searches for fixed bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from flash.bundle.plausible import is_encoded_text, is_password, is_placeholder, is_random, is_token
from flash.bundle.secret_kinds import KINDS, Kind

__all__ = ["Found", "find_in_value", "find_secrets", "hidden"]

_LONG_LINE: Final = 5000
_MOST_IN_FILE: Final = 500
_MOST_BY_CHANCE: Final = 20
# slow on purpose: a fingerprint must not tell a short password to somebody who tries many
_ROUNDS: Final = 20_000
_IMAGE: Final = re.compile(rb"\"image/[a-z+]{2,16}\": \"[^\"]{100,}\"")
"""What a cell of a notebook has drawn: most of the file. It is one line, so that those of the rest stay."""
_CODE: Final = re.compile(
    r"\.(?:py[wix]?|ipynb|[cm]?[jt]sx?|json[5lc]?|go|rs|java|kt|c|cc|cpp|cu|h|hpp|cs|rb|php|swift|scala|r|jl|lua|md|rst|html?|xml|css|svg|csv|tsv)$",
    re.IGNORECASE,
)
"""Where a value without quotes is an expression, or text."""
_FULL_OF_HASHES: Final = re.compile(
    r"(?:^|/)(?:[^/]*\.lock|[^/]*[-.]lock\.(?:json|ya?ml)|pylock[^/]*\.toml|npm-shrinkwrap\.json|go\.sum|requirements[^/]*\.txt|"
    r"[^/]*\.min\.(?:js|css)|[^/]*\.(?:map|svg|css|csv|tsv|ipynb)|tokenizer[^/]*\.json|vocab[^/]*\.(?:json|txt)|RECORD)$"
)
"""Files of names, in which what is drawn by chance is no secret, unless its name or its shape says so."""

# whatever has a known shape has a run of such characters, and its mark in it or right before it
_RUN: Final = 20
_BEFORE_RUN: Final = 24
_LONGEST_RUN: Final = 4096
_FARTHEST: Final = 24_000
_IN_RUNS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/.~%"
_AS_RUNS: Final = bytes(ord("a") if one in _IN_RUNS else ord(" ") for one in range(256))
_LEAST_RUN: Final = b"a" * _RUN
_MARKS: Final[tuple[tuple[bytes, Kind], ...]] = tuple((mark, kind) for kind in KINDS for mark in kind.marks)
_URL: Final = re.compile(
    rb"://(?P<user>[^\s/@:\"'<>`(),{}]{0,64}):(?P<secret>[^\s/@:\"'<>`(),]{3,128})@(?P<host>[A-Za-z0-9._-]+)"
)
_OWN_HOSTS: Final = re.compile(
    rb"(?:localhost|127\.|0\.0\.0\.0|host\.docker\.internal|[^.]*$|(?:.*\.)?(?:example(?:\.[a-z]+)?|test|invalid|local|localhost)$)",
    re.IGNORECASE,
)
"""Of this machine, or of nobody: RFC 2606. A bare name is one of a container beside this one."""

# what is called a secret; searched for in lower case
_WORDS: Final = (b"passw", b"pwd", b"passphrase", b"secret", b"token", b"key", b"credential", b"auth")
_NAME: Final = rb"(?P<word>passw(?:or)?d|pwd|passphrase|secret|token|credential|auth(?![a-z0-9_-])|key(?![a-z]))"
_QUOTED: Final = re.compile(
    _NAME + rb"(?P<rest>[a-z0-9_-]{0,24})(?P<close>(?:\\?[\"'])?\]?)"
    rb"[ \t]{0,8}(?::[ \t]{0,4}[a-z][a-z0-9_.\[\] |]{0,40}=|:=|=>|:|=|,)(?!=)[ \t]{0,8}"
    rb"[rbuf]{0,2}(?P<quote>\\?[\"'`])(?P<secret>[^\"'`\r\n\\]{8,512})(?P=quote)"
)
_BARE: Final = re.compile(
    _NAME + rb"(?P<rest>[a-z0-9_.-]{0,24})(?P<close>)[ \t]{0,8}[:=](?!=)[ \t]{0,8}"
    rb"(?P<secret>[^\s\"'#,;][^\s\"',;]{7,511})(?:[ \t]+[#;][^\n]*|[ \t]*)\r?$",
    re.MULTILINE,
)
_BEFORE_BARE: Final = re.compile(rb"[ \t]*(?:(?:export|set|env|-|- name:)[ \t]+)?[a-z0-9_.-]*")
_KEY: Final = re.compile(
    rb"(?:api|access|private|secret|auth|account|encryption|signing|master|admin|service|storage|hmac|jwt|ssh|aes|db)"
    rb"[_-]?key|_key$"
)
"""A key may be that of a dictionary, too: these are not."""
_HEADERS: Final = (b"bearer ", b"basic ")
_HEADER: Final = re.compile(rb"(?<![a-z0-9])(?:bearer|basic) [ \t]{0,4}(?P<secret>[a-z0-9._~+/=-]{20,512})(?![a-z0-9])")
_LITERAL: Final = re.compile(rb"[=:(][ \t]{0,4}(?P<quote>\\?[\"'])(?P<secret>[A-Za-z0-9+/_=.~-]{20,200})(?P=quote)")
_NOT_IN_NAMES: Final = re.compile(rb"[^a-z0-9_-]")
_NO_SECRET: Final = re.compile(
    rb"hash|digest|checksum|sha\d|md5|integrity|fingerprint|public|pub_?key|tokenizer|token_?type|token_?id|tokens$|"
    rb"_?url$|_?uri$|_?endpoint$|_?path$|_?file$|_?name$|_?arn$|_?prefix$|_?pattern$|_?regex$|_?header$|_?field$|_?class$|"
    rb"_?column$|_?label$|_?type$|_?version$|_?policy$|_?format$|_?alg(?:orithm)?$|author|keyword|cache_?key|primary_?key|foreign_?key|sort_?key|partition_?key|site_?key|_?scope$|_?error$|_?message$|_id$"
)
"""Parts of names of what belongs to a secret, and is none."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something that looks like a secret.

    Attributes:
        kind: "a GitHub token".
        path: Relative to the project, with forward slashes.
        line: Counted from 1.
        secret: What must not be shown.
    """

    kind: str
    path: str
    line: int
    secret: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """``path:digest``: names this secret in this file, and tells nobody what it is."""
        digest = hashlib.pbkdf2_hmac("sha256", self.secret, self.path.encode("utf-8"), _ROUNDS, 6)
        return f"{self.path}:{digest.hex()}"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}"


def find_secrets(text: bytes, path: str) -> Iterator[Found]:
    """What looks like a secret in a file's text, in the order of certainty; each stretch of text once, at most 500.

    Args:
        text: In any encoding that has ASCII in it.
        path: The file's, which says how to read it.
    """
    if path.endswith(".ipynb"):
        text = _IMAGE.sub(b"", text)
    taken: list[tuple[int, int]] = []
    for kind, start, end in _candidates(text, path):
        if not any(start < other_end and end > other_start for other_start, other_end in taken):
            taken.append((start, end))
            if len(taken) > _MOST_IN_FILE:
                return
            yield Found(kind, path, text.count(b"\n", 0, start) + 1, text[start:end])


def hidden(text: str) -> str:
    """*text* with ``***`` for whatever in it looks like a secret; for messages that quote a source.

    >>> hidden("password = " + repr("Vx7#kq!2Lw"))
    "password = '***'"
    """
    data = text.encode("utf-8", errors="surrogateescape")
    for found in list(find_secrets(data, "")):
        data = data.replace(found.secret, b"***")
    return data.decode("utf-8", errors="surrogateescape")


def _candidates(text: bytes, path: str) -> Iterator[tuple[str, int, int]]:
    runs = _runs(text)
    if runs:
        yield from _of_known_shape(text, runs)
    if b"://" in text and b"@" in text:
        yield from _in_urls(text)
    lower = text.lower()
    if any(word in lower for word in _WORDS):
        yield from _called_secret(text, lower, path)
    if not runs:
        return
    if any(header in lower for header in _HEADERS):
        for match in _HEADER.finditer(lower):
            if is_token(text[slice(*match.span("secret"))].decode("ascii")):
                yield "a token in a header", *match.span("secret")
    if not _FULL_OF_HASHES.search(path):
        yield from _drawn_by_chance(text)


def _drawn_by_chance(text: bytes) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []
    for match in _LITERAL.finditer(text):
        value = match["secret"].decode("ascii")
        if is_random(value) and not is_encoded_text(value) and not _is_in_long_line(text, match.start()):
            found.append(("a value drawn by chance", *match.span("secret")))
            if len(found) > _MOST_BY_CHANCE:
                # ids of data come by the dozen, secrets do not
                return []
    return found


def _runs(text: bytes) -> bytes:
    """All stretches that a token of known shape could be in: most of a source file is in none."""
    flat = text.translate(_AS_RUNS)
    found: list[bytes] = []
    start = flat.find(_LEAST_RUN)
    while start >= 0:
        end = flat.find(b" ", start)
        end = len(text) if end < 0 else end
        # an image is one long stretch, and no part of it has a boundary before it
        found.append(text[max(0, start - _BEFORE_RUN) : min(end, start + _LONGEST_RUN)])
        start = flat.find(_LEAST_RUN, end)
    return b"\n".join(found)


def _of_known_shape(text: bytes, runs: bytes) -> Iterator[tuple[str, int, int]]:
    for mark, kind in _MARKS:
        # the heading of a key is not in the run that follows it
        if mark not in (runs if kind.is_random else text):
            continue
        for match in _at_marks(text, mark, kind):
            start, end = match.span("secret") if "secret" in match.re.groupindex else match.span()
            body = text[start:end].removeprefix(mark).decode("ascii", errors="replace")
            if not kind.is_random or not is_placeholder(body, in_random=True):
                # a key begins at its heading
                yield kind.name, (start if kind.is_random else match.start()), end


def _at_marks(text: bytes, mark: bytes, kind: Kind) -> Iterator[re.Match[bytes]]:
    """Where the mark is looked for first, a long text costs what a search for fixed bytes costs."""
    pattern, position = kind.pattern, text.find(mark)
    while position >= 0:
        if kind.reach:
            match = pattern.search(text, max(0, position - kind.reach), position + _FARTHEST)
        else:
            match = pattern.match(text, position)
        if match is not None:
            yield match
        position = text.find(mark, position + len(mark) if match is None else max(position + 1, match.end()))


def _in_urls(text: bytes) -> Iterator[tuple[str, int, int]]:
    for match in _URL.finditer(text):
        secret = match["secret"].decode("utf-8", errors="replace")
        is_elsewhere = _OWN_HOSTS.match(match["host"]) is None
        lower = secret.lower()
        if lower == match["user"].decode("utf-8", errors="replace").lower() or is_placeholder(secret):
            continue
        if is_token(secret) or (is_elsewhere and not re.fullmatch(r"pass|pw|pwd|\d{1,5}|%.*|\$.*|[*x.]+", lower)):
            yield "a password in a URL", *match.span("secret")


def _called_secret(text: bytes, lower: bytes, path: str) -> Iterator[tuple[str, int, int]]:
    for match in _QUOTED.finditer(lower):
        # a value after a comma belongs to a name in quotes: getenv("API_KEY", "…")
        if match["close"] or b"," not in lower[match.end("rest") : match.start("quote")]:
            yield from _judged(match, text, lower)
    if _CODE.search(path):
        return
    for match in _BARE.finditer(lower):
        line = lower.rfind(b"\n", 0, match.start()) + 1
        if _BEFORE_BARE.fullmatch(lower, line, match.start()):
            yield from _judged(match, text, lower)


def _judged(match: re.Match[bytes], text: bytes, lower: bytes) -> Iterator[tuple[str, int, int]]:
    start, end = match.span("secret")
    word = match["word"]
    before = _NOT_IN_NAMES.split(lower[max(0, match.start() - 40) : match.start()])[-1]
    name = before + word + match["rest"]
    if _NO_SECRET.search(name) or (word == b"key" and not _KEY.search(name)):
        return
    value = text[start:end].decode("utf-8", errors="replace")
    is_called_password = word.startswith((b"pass", b"pwd"))
    if is_token(value) or (is_called_password and is_password(value) and not _is_in_long_line(text, start)):
        yield ("a password" if is_called_password else "a key or token") + " in an assignment", start, end


def find_in_value(name: str, value: str, path: str) -> Iterator[Found]:
    """What looks like a secret in the value of a variable that is called *name*; its line is not known."""
    # as it would be written: whether it is one may be a matter of its name
    quote = '"' if "'" in value else "'"
    return find_secrets(f"{name}={quote}{value}{quote}".encode("utf-8", errors="surrogatepass"), path)


def _is_in_long_line(text: bytes, position: int) -> bool:
    """Whether the line is one of a file that was made by a program."""
    least, most = max(0, position - _LONG_LINE), position + _LONG_LINE
    start, end = text.rfind(b"\n", least, position), text.find(b"\n", position, most)
    return (end if end >= 0 else min(most, len(text))) - (start if start >= 0 else least) > _LONG_LINE
