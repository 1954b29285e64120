"""Lists of ignore patterns, with git's rules, and fast: the patterns that people write are compared as text.

``pathspec`` knows all of git's rules, at the price of a regular expression for every pattern and path. A pattern that
is a name, with at most one ``*`` in it, says the same of a path as of its last part, unless it spoke of a folder above
already: there ``pathspec`` is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pathspec import GitIgnoreSpec

__all__ = ["Layer", "Rules", "verdict_of"]

_PLAIN: Final = re.compile(r"(!?)(/?)([^\s*?\[\]\\/#!][^\s*?\[\]\\/]*)?(\*)?([^\s*?\[\]\\/]+)?(/?)")
_SAYS_NOTHING: Final = re.compile(r"\s*|#.*", re.DOTALL)


@dataclass(slots=True)
class _Pattern:
    """One name, or one with something in the middle: *before*, anything, *after*."""

    before: str
    after: str
    has_star: bool
    folder: str | None
    """The only one in which it speaks of anything."""
    is_of_folders: bool
    label: str | None
    """What it hides by; None where it says not to."""

    strength: int = 0

    def is_for(self, name: str, path: str) -> bool:
        """Whether it speaks of what *path* is and of where it lies."""
        if self.is_of_folders and not path.endswith("/"):
            return False
        return self.folder is None or path.rstrip("/") == f"{self.folder}{name}"


@dataclass(slots=True)
class Layer:
    """One list of patterns.

    Attributes:
        base: The directory that they are relative to, ``""`` or ending with a slash.
        label: What they hide by.
        plain: Those that can be compared as text.
        others: All others, as one regular expression that matches at least what one of them does.

    Raises:
        ValueError: One is no pattern.
    """

    base: str
    label: str
    lines: Sequence[str]
    plain: tuple[_Pattern, ...] = ()
    others: re.Pattern[str] | None = None
    _spec: GitIgnoreSpec | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        plain, others = list[_Pattern](), list[str]()
        for line in self.lines:
            if _SAYS_NOTHING.fullmatch(line):
                continue
            found = _PLAIN.fullmatch(line)
            if found is None or not (found[3] or found[4]):
                others.append(line)
                continue
            folder = self.base if found[2] else None
            label = None if found[1] else self.label
            plain.append(_Pattern(found[3] or "", found[5] or "", bool(found[4]), folder, bool(found[6]), label))
        self.plain = tuple(plain)
        if others:
            patterns = [pattern.regex.pattern for pattern in _spec(others).patterns if pattern.regex is not None]
            # groups of one name may stand there once
            whole = "|".join(re.sub(r"\(\?P<\w+>", "(?:", str(pattern)) for pattern in patterns)
            self.others = re.compile(whole, re.DOTALL)

    def verdict(self, path: str) -> bool | None:
        """True: ignored; False: explicitly not; None: no pattern speaks of it."""
        if self._spec is None:
            self._spec = _spec(self.lines)
        path = path.removeprefix(self.base)
        if path.endswith("/"):
            # of a folder the last one holds; pathspec has "*" win over a later "!*/"
            matching = (pattern for pattern in reversed(self._spec.patterns) if pattern.match_file(path) is not None)
            return next((pattern.include for pattern in matching), None)
        return self._spec.check_file(path).include


def _spec(lines: Iterable[str]) -> GitIgnoreSpec:
    # as slow to import as it is to ask: most projects need neither
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(lines)


def verdict_of(layers: Sequence[Layer], path: str) -> str | None:
    """The label of the strongest layer that speaks of *path*, if it says to ignore it.

    Args:
        layers: Weakest first.
        path: Relative to the project; ends with a slash where it is a directory.
    """
    for layer in reversed(layers):
        verdict = layer.verdict(path)
        if verdict is not None:
            return layer.label if verdict else None
    return None


class Rules:
    """What several layers say together of what lies in one folder, and in folders below that have no more.

    Args:
        layers: Weakest first.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        self._names: dict[str, list[_Pattern]] = {}
        starred = list[_Pattern]()
        for strength, pattern in enumerate(pattern for layer in layers for pattern in layer.plain):
            pattern = replace(pattern, strength=strength)  # noqa: PLW2901  the layer's own is other rules', too
            if pattern.has_star:
                starred.append(pattern)
            else:
                self._names.setdefault(pattern.before, []).append(pattern)
        self._starts = tuple({pattern.before for pattern in starred if pattern.before})
        self._ends = tuple({pattern.after for pattern in starred if not pattern.before})
        # strongest first; the text apart, as there are many and few match
        self._starred = [(pattern.before, pattern.after, pattern) for pattern in reversed(starred)]
        self._others = [(len(layer.base), layer.others) for layer in layers if layer.others is not None]

    def speaks_of(self, name: str, path: str) -> bool:
        """Whether a pattern may match the last part of *path*, which is *name*. No such part means none can.

        Args:
            name: Without a slash.
            path: Relative to the project; ends with a slash where it is a directory.
        """
        return (
            name in self._names
            or name.startswith(self._starts)
            or name.endswith(self._ends)
            or self._needs_all(name, path)
        )

    def _needs_all(self, name: str, path: str) -> bool:
        return "\n" in name or any(pattern.match(path[base:]) for base, pattern in self._others)

    def verdict(self, name: str, path: str, *, is_below: bool) -> str | None:
        """What hides *path*; None where nothing does.

        Args:
            name: Its last part.
            path: Relative to the project; ends with a slash where it is a directory.
            is_below: Whether a pattern spoke of a folder that it lies in.
        """
        if is_below or self._needs_all(name, path):
            return verdict_of(self._layers, path)
        found = next((pattern for pattern in reversed(self._names.get(name, ())) if pattern.is_for(name, path)), None)
        for before, after, pattern in self._starred:
            if found is not None and pattern.strength < found.strength:
                break
            if (
                name.endswith(after)
                and name.startswith(before)
                and len(name) >= len(before) + len(after)
                and pattern.is_for(name, path)
            ):
                return pattern.label
        return None if found is None else found.label
