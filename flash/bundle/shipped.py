"""The distributions in an artifact, as their own metadata has them."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from email.errors import MessageError
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from flash.bundle.reading import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flash.bundle.reading import Entry

__all__ = ["Shipped", "dependencies", "is_metadata", "shipped_in", "tree_digest"]

_METADATA: Final = re.compile(r"(?:.+/)?([^/]+)\.dist-info/(METADATA|RECORD)", re.DOTALL)
_CLASSIFIER: Final = "License :: "
_LONGEST_LICENCE: Final = 100
"""Of the old field ``License``, which may hold a whole text."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """A distribution in an artifact.

    Attributes:
        name: Normalised: lower case, hyphens.
        info: The folder of its metadata, as a path in the artifact.
        files: What of the artifact is its own, sorted.
        requires: Its ``Requires-Dist`` lines.
        licence_expression: SPDX's, or the empty string.
        licences: What else it says of its licence: classifiers, else the old field.
        record_sha256: Of its ``RECORD``; None where it has none.
        tree_sha256: Over its files: see :func:`tree_digest`.
    """

    name: str
    version: str
    info: str
    files: tuple[str, ...]
    requires: tuple[str, ...] = ()
    licence_expression: str = ""
    licences: tuple[str, ...] = ()
    record_sha256: str | None = None
    tree_sha256: str = ""

    @property
    def folder(self) -> str:
        """Where it was installed: empty for the artifact's top, else with a slash at its end."""
        head, slash, _ = self.info.rpartition("/")
        return f"{head}{slash}"


def is_metadata(path: str) -> bool:
    """Whether a file tells of a distribution."""
    return _METADATA.fullmatch(path) is not None


def tree_digest(files: Mapping[str, str]) -> str:
    """One sha256 over files, given the sha256 of each by its path: in-toto's ``dirHash``.

    What ``find . -type f | cut -c3- | LC_ALL=C sort | xargs -r sha256sum | sha256sum`` prints where they are unpacked.
    Source: in-toto Attestation Framework, "DigestSet" v1.1, read 2026-11.
    """
    digest = hashlib.sha256()
    for path, name in sorted((path.encode("utf-8", "surrogateescape"), path) for path in files):
        digest.update(b"%b  %b\n" % (files[name].encode(), path))
    return digest.hexdigest()


def shipped_in(files: Mapping[str, Entry], kept: Mapping[str, bytes]) -> tuple[Shipped, ...]:
    """The distributions in an artifact, by name; a file that two list is the first one's.

    Args:
        files: All files of the artifact.
        kept: Contents of those that tell of a distribution.
    """
    left = dict.fromkeys(files)
    by_info: dict[str, list[str]] = defaultdict(list)
    for path in files:
        head, found, _ = path.partition(".dist-info/")
        if found:
            by_info[f"{head}.dist-info"].append(path)
    infos = {path.rpartition("/")[0] for path in kept if is_metadata(path)}
    return tuple(
        sorted(
            (_shipped(info, by_info[info], files, kept, left) for info in sorted(infos)),
            key=lambda one: (one.name, one.version, one.info),
        )
    )


def dependencies(shipped: Sequence[Shipped], environment: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """By the metadata's folder of each distribution, those of what it requires, of the same set, and is there.

    Markers are judged for *environment*. Of extras, those count that another distribution asks for: what the project
    asked for is not written in an artifact.
    """
    known = {(one.folder, one.name): one for one in shipped}
    asked: dict[str, set[str]] = {one.info: {""} for one in shipped}
    found: dict[str, set[str]] = {one.info: set() for one in shipped}
    pending = [(one, "") for one in shipped]
    while pending:
        one, extra = pending.pop()
        for requirement in _requirements(one, extra, environment):
            other = known.get((one.folder, canonicalize_name(requirement.name)))
            if other is None or other is one:
                continue
            found[one.info].add(other.info)
            new = requirement.extras - asked[other.info]
            asked[other.info] |= new
            pending += [(other, each) for each in sorted(new)]
    return {info: tuple(sorted(others)) for info, others in found.items()}


def _requirements(one: Shipped, extra: str, environment: Mapping[str, str]) -> Iterable[Requirement]:
    for text in one.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            # metadata of long ago: the installer could read it
            continue
        if requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra}):
            yield requirement


def _shipped(
    info: str, own: Sequence[str], files: Mapping[str, Entry], kept: Mapping[str, bytes], left: dict[str, None]
) -> Shipped:
    head, slash, folder_name = info.rpartition("/")
    # a record's paths are relative to where the distribution was installed
    listed = _listed(kept.get(f"{info}/RECORD", b""), f"{head}{slash}")
    taken = tuple(sorted(path for path in dict.fromkeys([*listed, *own]) if left.pop(path, 0) is None))
    name, _, version = folder_name.removesuffix(".dist-info").partition("-")
    fields = _fields(kept.get(f"{info}/METADATA", b""))
    said = _one(fields, "Version")
    classifiers = [line.rpartition(" :: ")[2] for line in fields.get("classifier", ()) if line.startswith(_CLASSIFIER)]
    old = _one(fields, "License")
    return Shipped(
        name=str(canonicalize_name(printable(name))) or "unnamed",
        # a folder's name cannot hold every version as it is written
        version=said if said and len(said) <= _LONGEST_LICENCE else printable(version),
        info=info,
        files=taken,
        requires=tuple(fields.get("requires-dist", ())),
        licence_expression=_one(fields, "License-Expression"),
        licences=tuple(dict.fromkeys(classifiers)) or ((old,) if old and len(old) <= _LONGEST_LICENCE else ()),
        record_sha256=files[f"{info}/RECORD"].sha256 if f"{info}/RECORD" in files else None,
        tree_sha256=tree_digest({path: files[path].sha256 for path in taken}),
    )


def _listed(record: bytes, base: str) -> list[str]:
    try:
        # a reader that is made after a broken one would begin anew
        return [
            f"{base}{row[0]}" for row in csv.reader(io.StringIO(record.decode("utf-8", "replace"), newline="")) if row
        ]
    except csv.Error:
        return []


def _fields(metadata: bytes) -> dict[str, list[str]]:
    """The lines of a ``METADATA``, by field in lower case; what is no line of text is left out."""
    found: dict[str, list[str]] = defaultdict(list)
    try:
        for field, value in HeaderParser().parsestr(metadata.decode("utf-8", "replace")).items():
            text = str(value).strip()
            if text.isprintable() and text != "UNKNOWN":
                found[field.lower()].append(text)
    except (MessageError, ValueError):
        return {}
    return found


def _one(fields: Mapping[str, Sequence[str]], name: str) -> str:
    values = fields.get(name.lower(), ())
    return values[0] if values else ""
