"""Why an installation failed, in words for who asked for it: uv's own are kept as the detail."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

__all__ = ["Wheels", "reason_and_hint", "wheelless", "words"]

Wheels = Callable[[str, str], tuple[str | None, tuple[str, ...]]]
"""Of a distribution and one of its versions: the newest version with a wheel for the target, and other Pythons that
that version has one for."""

_CHATTER = ("Using CPython", "Using Python", "warning:", "Resolved ", "Prepared ", "Downloading ", " Downloaded ")
_LONGEST: Final = 300
_WHEELLESS: Final = re.compile(r"([\w.-]+)==(\S+) has no (?:usable )?wheels")
_FOUND_TAGS: Final = re.compile(
    r"(?:found wheels for|Wheels are available for) `[^`]+` \([^)]*\)(?: with| on) the following [\w\s]+:"
    r" ((?:`[^`]+`(?:, )?)+)"
)
_MISMATCH: Final = re.compile(
    r"Hash mismatch for `([^`]+)` Expected: ((?:sha\d+:[0-9a-f]+ ?)+)(?:Computed: (sha\d+:[0-9a-f]+))?"
)
_OFFLINE: Final = (
    "without a network, name a folder of wheels with UV_FIND_LINKS and set UV_NO_INDEX=1, or set UV_OFFLINE=1 to make"
    " do with what earlier builds have left"
)
_CHANGED: Final = (
    "the index, the list or the lock that has the hash is out of date, or somebody has changed the file: find out which"
    " before you lock again"
)

# What uv says, what that means, and what to do about it; the first that fits counts.
_MEANINGS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        r"could not be queried due to a lack of valid authentication credentials \((\d+)",
        "the package index asks for a user and a password: it answers {0}",
        "give them by UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD, in the index's URL, or in ~/.netrc",
    ),
    (
        r"HTTP status (?:server|client) error \(([^)]+)\) for url \(([^)]+)\)",
        "the package index answers {0} to {1}",
        "try again, or name another index with UV_DEFAULT_INDEX",
    ),
    (
        r"for url \(([^)]+)\).*(?:timed out|timeout)",
        "no answer in time from {0}",
        f"UV_HTTP_TIMEOUT has the seconds that an answer may take; {_OFFLINE}",
    ),
    (r"error sending request for url \(([^)]+)\)", "cannot reach {0}", f"is the package index reachable? {_OFFLINE}"),
    (
        r"A URL \(([^)]+)\) dependency is incompatible with the current platform(?:.*hint: (The wheel is [^,]+))?",
        "the wheel {0} is for another Python or platform",
        "{1}",
    ),
    (
        r"([\w.-]+)==(\S+) has an invalid package format",
        "the file of {0} {1} is no wheel that can be read",
        "choose another version, or another index",
    ),
    (
        r"(?:`--require-hashes` mode, all requirements must|no trusted hash was provided for).*: `?([\w.-]+)",
        "{0} has no hash, and requirements.txt asks for one of everything",
        "list what is needed indirectly too, as pip-compile --generate-hashes does",
    ),
    (
        r"for package `([^`]+)` cause: Package `([^`]+)` was included as a URL dependency.*Consider adding `([^`]+)`",
        "{0} asks for {1} by a URL, which only the project itself may: {2}",
        "list that too, if it is a wheel; nothing is built from source",
    ),
    (
        r"([\w.-]+)==(\S+) requires Python ([^\s,]+(?:,[^\s,]+)*)",
        "{0} {1} is for Python {2}",
        "choose another version, or set python in [tool.flash]",
    ),
    (
        r"([\w.-]+) was not found in the cache",
        "{0} is in no cache, and UV_OFFLINE is set",
        _OFFLINE,
    ),
    (
        r"([\w.-]+) was not found in the provided package locations",
        "{0} is in none of the folders of wheels",
        'put it there: pip download --only-binary ":all:" --dest FOLDER NAME',
    ),
)
_HINTS: Final = (
    ("was not found in the", "check the spelling, and that the index that has it is configured"),
    ("there is no version of", "choose a version that the index has"),
    ("you require", "all endpoints of an app share one set of distributions: choose versions that agree"),
)


def words(stderr: str) -> str:
    """What uv said, without the lines about itself and the passwords in URLs."""
    lines = [line.rstrip() for line in stderr.splitlines()]
    text = "\n".join(line for line in lines if line and not line.startswith(_CHATTER)).strip()
    return re.sub(r"(?<=://)[^/@\s]+@", "…@", text)


def wheelless(detail: str) -> tuple[str, str] | None:
    """The distribution, and the version, that has no wheel for the target, if that is what *detail* says."""
    match = _WHEELLESS.search(" ".join(detail.split()))
    return (match[1], match[2].rstrip(",")) if match is not None else None


def reason_and_hint(detail: str, *, target: str, wheels: Wheels) -> tuple[str, str]:
    """One line of *detail* that tells the most, and what to do.

    Args:
        detail: What uv said.
        target: What was installed for, in words.
        wheels: Asked where a distribution has no wheel.
    """
    text = " ".join(detail.split())
    without = wheelless(detail)
    if without is not None:
        return _about_wheels(*without, text, target, wheels)
    mismatch = _MISMATCH.search(text)
    if mismatch is not None:
        expected, computed = _short(mismatch[2].split()[0]), _short(mismatch[3] or "none")
        name = mismatch[1].split(" @ ", 1)[0].replace("==", " ")
        return f"the file of {name} is not the one that was meant: its hash is {computed}, not {expected}", _CHANGED
    for pattern, meaning, hint in _MEANINGS:
        match = re.search(pattern, text)
        if match is not None:
            found = [group or "" for group in match.groups()]
            return meaning.format(*found), hint.format(*found).strip() or "choose another wheel"
    hint = next((hint for sign, hint in _HINTS if sign in text), "is the package index reachable?")
    return _sentence(text), hint


def _about_wheels(name: str, version: str, text: str, target: str, wheels: Wheels) -> tuple[str, str]:
    tags = _FOUND_TAGS.search(text)
    if tags is not None:
        has = f"it has some for {', '.join(re.findall('`([^`]+)`', tags[1]))}"
    else:
        has = "it has none that could be used"
    newest, others = wheels(name, version)
    hints = []
    if newest is not None and newest != version:
        hints.append(f"{name} {newest} has one")
    if others:
        hints.append(f"{name} {version} has one for Python {', '.join(others)}: python in [tool.flash] chooses that")
    return (
        f"{name} {version} has no wheel for {target}: {has}",
        "; ".join(hints) or "nothing is built from source: choose another distribution, or build a wheel and name that",
    )


def _sentence(text: str) -> str:
    match = re.search(r"(?:cause: Because|Because|cause:) (.+?)(?:, we can conclude| hint:|$)", text)
    reason = match.group(1) if match else text.removeprefix("error: ")
    return reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]} …"


def _short(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    return f"{algorithm}:{value[:12]}…" if value else digest
