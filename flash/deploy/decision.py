"""The gate's decision: each condition, what was seen, what would change it; as JSON, Markdown and JUnit properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Condition", "Outcome", "Verdict"]

Outcome = Literal["pass", "refused", "inconclusive", "not-judged"]
"""``inconclusive``: it was not seen, which is no pass. ``not-judged``: nothing was run, because another condition
refused before that."""

_MOST_NOTES: Final = 100


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, judged.

    Attributes:
        code: Stable; documentation and reports refer to it.
        title: What must hold.
        evidence: What was seen, in one line.
        remedy: What would change the outcome; empty for a pass.
        items: All that the evidence counts, such as node ids, of which it names a few.
    """

    code: str
    title: str
    outcome: Outcome
    evidence: str
    remedy: str = ""
    items: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """``{"code", "title", "outcome", "evidence": [str], "remedy", "items": [str]}``; one line of evidence."""
        return {
            "code": self.code,
            "title": self.title,
            "outcome": self.outcome,
            "evidence": [self.evidence],
            "remedy": self.remedy,
            "items": list(self.items),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """All conditions, and what passed with a note.

    Attributes:
        notes: Skips, expected failures, reruns and the like, a line each: they pass, and are listed.
        environment: Where the artifact would go.
        digest: Of the artifact that would go there; empty where none was built.
    """

    conditions: tuple[Condition, ...]
    notes: tuple[str, ...] = ()
    environment: str = ""
    digest: str = ""

    @property
    def passed(self) -> bool:
        """Whether the artifact may be promoted."""
        return all(condition.outcome == "pass" for condition in self.conditions)

    @property
    def outcome(self) -> Literal["pass", "refused", "inconclusive"]:
        """All of it in one word: the worst of the conditions' outcomes."""
        if self.passed:
            return "pass"
        return "refused" if any(condition.outcome == "refused" for condition in self.conditions) else "inconclusive"

    @property
    def in_the_way(self) -> tuple[Condition, ...]:
        """The conditions that are refused or inconclusive."""
        return tuple(condition for condition in self.conditions if condition.outcome in {"refused", "inconclusive"})

    @property
    def reasons(self) -> tuple[str, ...]:
        """``FLASH-G002 nothing failed: 1 test failed: test_app.py::test_x``, a line each."""
        return tuple(
            f"{condition.code} {condition.title}: {condition.evidence}"
            + (" (inconclusive)" if condition.outcome == "inconclusive" else "")
            for condition in self.in_the_way
        )

    def as_json(self) -> dict[str, Any]:
        """The document for programs.

        Shape: ``{"outcome": "pass" | "refused" | "inconclusive", "environment", "digest": str | null,
        "conditions": [Condition.as_json()], "notes": [str]}``
        """
        return {
            "outcome": self.outcome,
            "environment": self.environment,
            "digest": self.digest or None,
            "conditions": [condition.as_json() for condition in self.conditions],
            "notes": list(self.notes),
        }

    def markdown(self) -> str:
        """The document for summaries of CI systems: the outcome, a table of all conditions, what would change it."""
        target = f" for {_text(self.environment)}" if self.environment else ""
        lines = [f"### Gate{target}: {self.outcome}", ""]
        if self.digest:
            lines += [f"Artifact `sha256:{self.digest}`", ""]
        lines += ["| Code | What must hold | Outcome | What was seen |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {one.code} | {_text(one.title)} | {_MARKS[one.outcome]} | {_text(one.evidence)} |"
            for one in self.conditions
        ]
        if self.in_the_way:
            lines += ["", "What would change it:", ""]
            lines += [f"- {condition.code}: {_text(condition.remedy)}" for condition in self.in_the_way]
        if self.notes:
            lines += ["", "<details>", f"<summary>Passed with a note: {len(self.notes)}</summary>", ""]
            lines += [f"- {_text(note)}" for note in _capped(self.notes)]
            lines += ["", "</details>"]
        return "\n".join(lines) + "\n"

    def properties(self) -> tuple[tuple[str, str], ...]:
        """The document as properties of a JUnit test case: ``("FLASH-G001", "pass: 5 passed")`` for each condition."""
        return (
            ("flash.gate", self.outcome),
            *((condition.code, _property(condition)) for condition in self.conditions),
            *(("flash.gate.note", note) for note in _capped(self.notes)),
        )


_MARKS: Final[dict[Outcome, str]] = {
    "pass": "✅ pass",
    "refused": "❌ **refused**",
    "inconclusive": "❔ **inconclusive**",
    "not-judged": "not judged",
}


def _property(condition: Condition) -> str:
    hint = f"; hint: {condition.remedy}" if condition.remedy else ""
    return f"{condition.outcome}: {condition.evidence}{hint}"


def _capped(notes: tuple[str, ...]) -> Iterable[str]:
    yield from notes[:_MOST_NOTES]
    if len(notes) > _MOST_NOTES:
        yield f"and {len(notes) - _MOST_NOTES} more"


_ESCAPED: Final = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_[]|"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def _text(text: str) -> str:
    """A line that Markdown shows as it is, in a cell of a table too."""
    return " ".join(text.split()).translate(_ESCAPED)
