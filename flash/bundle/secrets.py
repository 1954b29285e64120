"""Secrets in what would ship: they are found before anything is built, and stop it.

Looked at are the project's own files, by their content, and the values of ``env=``; not distributions, which come from
an index, nor what never ships. Binary files are not looked into: those with a NUL byte in their first 8 KiB, as git
decides it. Of long files the beginning is read.

No message has a secret in it: only what kind it is, where it stands, and a fingerprint, which allows that one alone.
"""

from __future__ import annotations

import codecs
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flash.errors import BuildError, FlashError, SecretFound, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from flash.bundle.secret_search import Found
    from flash.model.app import App

__all__ = ["MARK", "Secrets"]

MARK: Final = "flash: allow-secret"
"""A comment with it allows what stands on its line; alone on a line, what stands on the next."""

_OTHERS_MARKS: Final = (b"pragma: allowlist secret", b"pragma: whitelist secret", b"gitleaks:allow")
"""Of detect-secrets and gitleaks: what was looked at for them need not be looked at again. Read 2026-11."""

_MARK: Final = MARK.encode("ascii")
_COMMENT: Final = re.compile(rb"\s*(?:#|//|--|;|/\*|<!--|%)")
_READ_BYTES: Final = 8 * 2**20
_SNIFFED_BYTES: Final = 8192
"""Where git looks for the NUL byte that makes a file binary. Source: git, xdiff-interface.c, read 2026-11."""
_MOST_SHOWN: Final = 50
_FINGERPRINT: Final = re.compile(r"(?P<path>.+):(?P<digest>[0-9a-f]{12})")

_WRITTEN: Final = re.compile(rb"\\[nrt]|[\s\"'\\+()]")
_BOMS: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Secrets:
    """What was found and not allowed, with the allowances that were used.

    Args:
        allowed: Of ``[tool.flash]``.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self.found: list[Found] = []
        self._allowances = [_Allowance(text) for text in allowed]
        self._marks: dict[str, _Marks] = {}
        self._values: set[bytes] = set()
        self._cut: list[str] = []

    def look_into(self, root: Path, files: Sequence[str]) -> None:
        """Look into files.

        Raises:
            BuildError: One cannot be read.
        """
        # its patterns take a while to compile, which an unchanged build has no need of
        from flash.bundle.secret_search import find_secrets

        for path in files:
            data = _read(root / path, path)
            if len(data) > _READ_BYTES:
                self._cut.append(path)
                data = data[:_READ_BYTES]
            text = _text(data)
            if text is None:
                continue
            if any(mark in text for mark in (_MARK, *_OTHERS_MARKS)):
                self._marks[path] = _Marks(text)
            self._sort_out(find_secrets(text, path))

    @contextmanager
    def told_first(self) -> Iterator[None]:
        """What was found is told in place of what is wrong with the project otherwise: that may quote it."""
        try:
            yield
        except FlashError:
            self.refuse()
            raise

    def look_at(self, app: App) -> None:
        """Look at the values of ``env=``, and of a template's variables; after the files."""
        from flash.bundle.secret_search import find_in_value

        for endpoint in app:
            template = endpoint.spec.template
            where = endpoint.location
            for name, value in (*endpoint.spec.env, *(() if template is None else template.env)):
                # what a file says is told, or was allowed, where it is written
                self._sort_out(
                    replace(one, kind=f"{one.kind} in env= of endpoint {endpoint.name!r}", line=where.line)
                    for one in find_in_value(name, value, where.path)
                    if _bare(one.secret) not in self._values
                )

    def refuse(self) -> tuple[str, ...]:
        """Raise if anything was found.

        Returns:
            What the user should know: allowances that allow nothing, files of which only the beginning was looked at.

        Raises:
            SecretFound: Names each by file and line.
        """
        if self.found:
            raise _refusal(self.found)
        return (
            *(
                f"! allow-secrets has {one.text!r}, which allows nothing: there is no such secret"
                for one in self._allowances
                if not one.is_used
            ),
            *(
                f"! {path}:{line}: `{MARK}` allows nothing: nothing there looks like a secret"
                for path, marks in self._marks.items()
                for line in marks.unused
            ),
            *(f"! {path} is large: its first 8 MiB were looked at for secrets, and no more" for path in self._cut),
        )

    def _sort_out(self, found: Iterable[Found]) -> None:
        for one in found:
            self._values.add(_bare(one.secret))
            marks = self._marks.get(one.path)
            # each of them is asked, so that each counts as used
            covering = [allowance for allowance in self._allowances if allowance.covers(one)]
            if not (marks is not None and marks.cover(one.line)) and not covering:
                self.found.append(one)


class _Marks:
    """The comments of a file that allow what stands there."""

    def __init__(self, text: bytes) -> None:
        lines = list(enumerate(text.split(b"\n"), start=1))
        own = {number: line for number, line in lines if _MARK in line}
        self._others = {number for number, line in lines if any(mark in line for mark in _OTHERS_MARKS)}
        self._alone = {number for number, line in own.items() if _COMMENT.match(line)}
        self._own = frozenset(own)
        self.unused = sorted(own)

    def cover(self, line: int) -> bool:
        """Whether what stands on *line* is allowed."""
        for number in (line, line - 1):
            if number == line - 1 and number not in self._alone:
                continue
            if number in self._own:
                self.unused = [one for one in self.unused if one != number]
                return True
        return line in self._others


class _Allowance:
    """An entry of ``allow-secrets``."""

    def __init__(self, text: str) -> None:
        from pathspec import GitIgnoreSpec

        self.text = text
        self.is_used = False
        self._fingerprint = _FINGERPRINT.fullmatch(text)
        try:
            self._spec = None if self._fingerprint else GitIgnoreSpec.from_lines([text])
        except ValueError as error:
            raise SettingsError(f"[tool.flash]: allow-secrets has {text!r}, which is no pattern: {error}") from error

    def covers(self, found: Found) -> bool:
        if self._fingerprint is not None:
            covered = self._fingerprint["path"] == found.path and found.fingerprint == self.text
        else:
            covered = self._spec is not None and self._spec.match_file(found.path)
        self.is_used = self.is_used or covered
        return covered


def _refusal(found: Sequence[Found]) -> SecretFound:
    ordered = sorted(found, key=lambda one: (one.path, one.line, one.kind))
    first = ordered[0]
    files = len({one.path for one in ordered})
    more = "" if len(ordered) == 1 else f", the first of {len(ordered)}" + (f" in {files} files" if files > 1 else "")
    lines = [f'{one}   allow-secrets = ["{one.fingerprint}"]' for one in ordered[:_MOST_SHOWN]]
    if len(ordered) > _MOST_SHOWN:
        lines.append(f"and {len(ordered) - _MOST_SHOWN} more")
    return SecretFound(
        f"looks like {first.kind}{more}: it would be readable in the artifact",
        path=first.path,
        line=first.line,
        hint=(
            'take it out: workers get it by env={"NAME": Secret("NAME")}. What is no secret is allowed by the comment '
            f"`{MARK}` on its line, or by its entry below in [tool.flash]"
        ),
        detail="\n".join(lines),
        found=tuple((one.path, one.line, one.kind) for one in ordered),
    )


# ------------------------------------------------------------------------------------------------------------- Reading


def _read(file: Path, path: str) -> bytes:
    try:
        with file.open("rb", buffering=0) as opened:
            data = opened.read(_READ_BYTES + 1)
            while 0 < len(data) <= _READ_BYTES and (more := opened.read(_READ_BYTES + 1 - len(data))):
                # a single read may give less than there is
                data += more
            return data
    except OSError as error:
        raise BuildError(f"cannot read it: {error.strerror}", path=path, hint="make it readable") from error


def _text(data: bytes) -> bytes | None:
    """The text as something with ASCII in it; None for a binary file."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace").encode("utf-8")
    return None if b"\0" in data[:_SNIFFED_BYTES] else data


def _bare(secret: bytes) -> bytes:
    """The same for a text, and for how it is written in a source: keys of several lines have their ends escaped."""
    return _WRITTEN.sub(b"", secret)
