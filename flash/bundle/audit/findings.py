"""What an audit finds, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flash.errors import AuditFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Finding", "counted", "ordered", "refuse", "warnings_of"]

_MOST_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in an artifact that will not work in a worker.

    Attributes:
        code: What kind it is, as docs/audit.md lists them.
        message: One line: what, without the place.
        path: The file: of the project, as the user knows it, or of a distribution, as it lies in the artifact.
        line: Counted from 1.
        hint: How to mend it.
        is_error: Whether an endpoint is certain to fail; the others are warnings.
    """

    code: str
    message: str
    path: str
    line: int | None = None
    hint: str = ""
    is_error: bool = True

    @property
    def headline(self) -> str:
        """``path:line: message (code)``."""
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.message} ({self.code})"

    @property
    def _order(self) -> tuple[bool, str, int, str, str]:
        return (not self.is_error, self.path, self.line or 0, self.code, self.message)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each once: errors first, then by place."""
    return tuple(sorted(set(findings), key=lambda finding: finding._order))


def refuse(findings: Iterable[Finding]) -> None:
    """Stop the build if something is certain to fail.

    Raises:
        AuditFailed: It names all errors: ten in full, and how many more there are.
    """
    errors = [finding for finding in ordered(findings) if finding.is_error]
    if not errors:
        return
    first, *others = errors
    raise AuditFailed(
        f"{first.message} ({first.code})",
        findings=[finding.headline for finding in errors],
        path=first.path,
        line=first.line,
        hint=first.hint,
        detail=_shown(others),
    )


def _shown(others: list[Finding]) -> str:
    lines = []
    for finding in others[: _MOST_NAMED - 1]:
        lines.append(f"- {finding.headline}")
        if finding.hint:
            lines.append(f"  hint: {finding.hint}")
    left = len(others) - (_MOST_NAMED - 1)
    if left > 0:
        lines.append(f"- and {counted(left, 'more error')}")
    return "\n".join(lines)


def warnings_of(findings: Iterable[Finding]) -> list[str]:
    """A line for the user for each finding that is no error."""
    return [
        f"! {finding.headline}" + (f"; {finding.hint}" if finding.hint else "")
        for finding in ordered(findings)
        if not finding.is_error
    ]


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
