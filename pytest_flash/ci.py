"""What a CI system is told in its own language: GitHub's summary, annotations and outputs; GitLab's sections.

Whether there is one is read from an environment that somebody else hands in. Reports that a system takes as files
(JUnit XML, dotenv) are not written here: who wants them names them on the command line.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

from flash.report.words import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flash.report.document import Report

__all__ = ["Ci", "GitHub", "GitLab", "detect", "error_commands", "outputs"]

_SUMMARY_BYTES: Final = 2**20
"""Source: GitHub docs, "Workflow commands", "Step isolation and limits": 1 MiB a step; more, and nothing is shown."""
_MARGIN_BYTES: Final = 1024
_MOST_ANNOTATIONS: Final = 10
"""Source: GitHub docs, "Workflow commands", read 2026-11: of one kind, ten a step are shown."""
_LONGEST_MESSAGE: Final = 4000


class Ci(Protocol):
    """A CI system."""

    def section_start(self, name: str, title: str, at: float) -> str:
        """What folds the log from here on; for a line of its own."""
        ...

    def section_end(self, name: str, at: float) -> str:
        """What ends that."""
        ...

    def finish(self, report: Report, *, root: Path, write: Callable[[str], None]) -> None:
        """Tell what came of the run.

        Args:
            report: Without secrets.
            root: pytest's, to which the paths of tests are relative.
            write: Writes a line to the log.
        """
        ...


def detect(environment: Mapping[str, str]) -> Ci | None:
    """The system that this process runs under; None where there is none, or one that has nothing of the kind."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return GitHub(
            summary=_file(environment, "GITHUB_STEP_SUMMARY"),
            output=_file(environment, "GITHUB_OUTPUT"),
            workspace=_file(environment, "GITHUB_WORKSPACE"),
        )
    if environment.get("GITLAB_CI") == "true":
        return GitLab()
    return None


def _file(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name, "")
    return Path(value) if value else None


@dataclass(frozen=True, slots=True)
class GitLab:
    """GitLab folds what stands between two marks. Tests and stages it takes from ``--junit-xml``."""

    def section_start(self, name: str, title: str, at: float) -> str:
        """Folded: what matters is told again at the end.

        Source: GitLab docs, "CI/CD job logs", "Custom collapsible sections", read 2026-11.
        """
        return f"\x1b[0Ksection_start:{at:.0f}:{_section(name)}[collapsed=true]\r\x1b[0K{_flat(title)}"

    def section_end(self, name: str, at: float) -> str:
        """The mark that ends it."""
        return f"\x1b[0Ksection_end:{at:.0f}:{_section(name)}\r\x1b[0K"

    def finish(self, report: Report, *, root: Path, write: Callable[[str], None]) -> None:
        """Nothing: what GitLab shows beside the log, it takes from files."""


def _section(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


@dataclass(frozen=True, slots=True)
class GitHub:
    """GitHub Actions: a page for the step, annotations on the lines that failed, outputs for the next steps."""

    summary: Path | None
    output: Path | None
    workspace: Path | None

    def section_start(self, name: str, title: str, at: float) -> str:  # noqa: ARG002  the protocol's
        """A group."""
        return f"::group::{_flat(title)}"

    def section_end(self, name: str, at: float) -> str:  # noqa: ARG002  the protocol's
        """Its end."""
        return "::endgroup::"

    def finish(self, report: Report, *, root: Path, write: Callable[[str], None]) -> None:
        """Annotations to the log, the summary and the outputs to their files."""
        for line in error_commands(report, root=root, workspace=self.workspace):
            write(line)
        if self.summary is not None:
            self._append_summary(report, self.summary)
        if self.output is not None:
            lines = [f"{name}={value}\n" for name, value in outputs(report)]
            with self.output.open("a", encoding="utf-8") as file:
                file.writelines(lines)

    def _append_summary(self, report: Report, path: Path) -> None:
        from flash.report.markdown import as_markdown

        # whatever else the step has written counts too
        used = path.stat().st_size if path.exists() else 0
        text = as_markdown(report, room=max(0, _SUMMARY_BYTES - _MARGIN_BYTES - used))
        with path.open("a", encoding="utf-8") as file:
            file.write(text)


def outputs(report: Report, *, prefix: str = "flash-") -> Iterator[tuple[str, str]]:
    """Names and values, a line each: for later steps and jobs.

    >>> from flash.report.document import Report
    >>> dict(outputs(Report(app="demo", environment="staging", outcome="deployed", digest="5f")))["flash-digest"]
    '5f'
    """
    yield f"{prefix}outcome", report.outcome
    yield f"{prefix}app", _flat(report.app)
    yield f"{prefix}environment", _flat(report.environment or "")
    yield f"{prefix}digest", report.digest or ""
    yield f"{prefix}previous-digest", report.previous_digest or ""
    yield f"{prefix}endpoints", json.dumps({endpoint.name: endpoint.url for endpoint in report.endpoints})


def _flat(text: str) -> str:
    return " ".join(printable(text).split())


# ---------------------------------------------------------------------------------------------------------------------
# Annotations


@dataclass(frozen=True, slots=True)
class _Annotation:
    title: str
    message: str
    path: Path | None = None
    line: int | None = None


def error_commands(report: Report, *, root: Path, workspace: Path | None) -> list[str]:
    """Workflow commands, ``::error file=…,line=…,title=…::…``: what kept the run from its aim, then what failed.

    No more than are shown; the last one says how many are left out.
    """
    found = list(_found(report, root))
    if len(found) > _MOST_ANNOTATIONS:
        left = len(found) - _MOST_ANNOTATIONS + 1
        found = [*found[: _MOST_ANNOTATIONS - 1], _Annotation(f"{left} more", f"{left} more failures: see the summary")]
    return [_command("error", annotation, workspace) for annotation in found]


def _found(report: Report, root: Path) -> Iterator[_Annotation]:
    for condition in report.in_the_way:
        seen = "; ".join(condition.evidence)
        hint = f"\nhint: {condition.remedy}" if condition.remedy else ""
        yield _Annotation(f"{condition.code} {condition.title}", f"{condition.outcome}: {seen}{hint}")
    for stage in report.stages:
        error = report.error
        is_refusal = report.outcome == "refused" and error is not None and stage.message == error.message
        if stage.outcome == "failed" and not is_refusal:
            path = None if error is None or error.path is None or error.message not in stage.message else error.path
            line = None if path is None or error is None else error.line
            hint = f"\nhint: {stage.hint}" if stage.hint else ""
            yield _Annotation(stage.id, f"{stage.message}{hint}", None if path is None else root / path, line)
    if report.error is not None and report.outcome == "failed" and not report.stages:
        yield _Annotation("flash", f"{report.error.message}\nhint: {report.error.hint}")
    for case in report.failed:
        yield _Annotation(
            case.id, case.reason or case.outcome, None if case.path is None else root / case.path, case.line
        )


def _command(kind: Literal["error"], annotation: _Annotation, workspace: Path | None) -> str:
    properties = {}
    file = _within(annotation.path, workspace)
    if file is not None:
        properties["file"] = file
        if annotation.line is not None:
            properties["line"] = str(annotation.line)
    properties["title"] = annotation.title
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {told}::{_data(annotation.message[:_LONGEST_MESSAGE])}"


def _within(path: Path | None, workspace: Path | None) -> str | None:
    """As GitHub names files: relative to the checkout."""
    if path is None or workspace is None:
        return None
    try:
        return path.resolve().relative_to(workspace.resolve()).as_posix()
    except ValueError:
        return None


def _data(text: str) -> str:
    """Source: actions/toolkit, ``command.ts``, ``escapeData``, read 2026-11."""
    clean = "\n".join(printable(line) for line in text.splitlines())
    return clean.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Source: actions/toolkit, ``command.ts``, ``escapeProperty``, read 2026-11."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
