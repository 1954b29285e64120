"""Makes the document of a run, and writes it: to the files that were asked for, and to the CI system around it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Final

import flash
from flash.report import document as doc
from flash.report.files import write_file
from flash.report.redaction import redacted
from pytest_flash.subject import is_contract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from flash.deploy.trial import Step
    from flash.model.manifest import Artifact
    from flash.preview.checkout import Checkout
    from pytest_flash.chronicle import Told
    from pytest_flash.ci import Ci
    from pytest_flash.report import Failure, Stage
    from pytest_flash.smoke import Result
    from pytest_flash.verdict import Verdict

__all__ = ["Material", "report_of", "write"]

_LOG_LINES: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a document is made of, beside the verdict.

    Attributes:
        told: What came of each check and test.
        canary: What came of each step of the canary.
        smoke: What came of each test against what was deployed.
        artifact: What was built.
    """

    told: Sequence[Told] = ()
    canary: Sequence[Step] = ()
    smoke: Sequence[Result] = ()
    artifact: Artifact | None = None


def report_of(verdict: Verdict, material: Material) -> doc.Report:
    """The document, with whatever secrets people have printed."""
    promotion = verdict.promotion
    live = promotion.deployment.endpoints if promotion is not None and verdict.outcome == "deployed" else ()
    cases = [_case(told, verdict.untyped.get(told.id, "")) for told in material.told]
    begun = [told.started_at for told in material.told if told.started_at]
    tests_end = max((told.started_at + told.duration_s for told in material.told if told.started_at), default=0.0)
    stages = verdict.stages
    start = min([*(stage.started_at for stage in stages), *begun], default=None)
    end = max([*(stage.started_at + stage.duration_s for stage in stages), tests_end], default=0.0)
    return doc.Report(
        generator=f"pytest-flash {flash.__version__}",
        app=verdict.app,
        environment=verdict.environment,
        target=verdict.target,
        outcome=verdict.outcome,
        digest=verdict.digest,
        previous_digest=verdict.previous_digest,
        started_at=None if start is None else _iso(start),
        duration_s=0.0 if start is None else _seconds(end - start),
        error=None if verdict.failure is None else _failure(verdict.failure),
        live=verdict.live,
        rollback=_rollback(verdict),
        artifact=None if material.artifact is None else _artifact(material.artifact),
        lock=None if material.artifact is None else _lock(material.artifact),
        git=None if verdict.git is None else _git(verdict.git),
        plan=None if verdict.plan is None else verdict.plan.as_json(),
        stages=tuple(_stage(stage) for stage in stages),
        gate=() if verdict.gate is None else tuple(_conditions(verdict)),
        gate_outcome=None if verdict.gate is None else verdict.gate.outcome,
        gate_notes=() if verdict.gate is None else verdict.gate.notes,
        endpoints=tuple(doc.Endpoint(**endpoint.as_json()) for endpoint in live),
        contract=tuple(case for case in cases if is_contract(case.id)),
        tests=tuple(case for case in cases if not is_contract(case.id)),
        tests_started_at=_iso(min(begun)) if begun else None,
        tests_duration_s=_seconds(tests_end - min(begun)) if begun else 0.0,
        canary=tuple(doc.CanaryStep(**step.as_json()) for step in material.canary),
        smoke=tuple(_smoke_case(result) for result in material.smoke),
        logs=tuple(_logs(verdict, material)),
        untyped=verdict.untyped,
        notes=tuple(verdict.notes),
    )


def write(
    report: doc.Report,
    *,
    files: Sequence[Path],
    ci: Ci | None,
    root: Path,
    hidden: Iterable[str],
    to_log: Callable[[str], None],
) -> list[str]:
    """Write it wherever it is wanted, without the secrets in *hidden*.

    Returns:
        What could not be written, a line each: a verdict does not change because of a full disk.
    """
    clean = redacted(report, hidden)
    jobs: list[tuple[str, Callable[[], object]]] = [
        (f"the report {path} could not be written", partial(write_file, clean, path)) for path in files
    ]
    if ci is not None:
        jobs.append(("the CI system was not told", lambda: ci.finish(clean, root=root, write=to_log)))
    return [f"{what}: {problem}" for what, job in jobs if (problem := _problem(job))]


def _problem(job: Callable[[], object]) -> str:
    try:
        job()
    except OSError as error:
        return error.strerror or str(error)
    return ""


# ---------------------------------------------------------------------------------------------------------------------
# Pieces


def _failure(failure: Failure) -> doc.Failure:
    where = "" if failure.path is None else f"{failure.path}{'' if failure.line is None else f':{failure.line}'}: "
    return doc.Failure(
        message=failure.message.removeprefix(where),
        hint=failure.hint,
        detail=failure.detail,
        path=failure.path,
        line=failure.line,
    )


def _stage(stage: Stage) -> doc.Stage:
    return doc.Stage(
        id=stage.id,
        outcome=stage.outcome,
        message=stage.message,
        hint="" if stage.failure is None else stage.failure.hint,
        started_at=_iso(stage.started_at),
        duration_s=_seconds(stage.duration_s),
    )


def _conditions(verdict: Verdict) -> Iterator[doc.Condition]:
    for condition in verdict.gate.conditions if verdict.gate is not None else ():
        yield doc.Condition(**condition.as_json())


def _rollback(verdict: Verdict) -> doc.Rollback | None:
    for stage in verdict.stages:
        if stage.id.startswith("flash::rollback["):
            because = verdict.failure.message if verdict.failure is not None else ""
            restored = stage.outcome == "passed"
            return doc.Rollback(
                outcome="restored" if restored else "failed", because=because, live=stage.message if restored else ""
            )
    return None


def _git(checkout: Checkout) -> doc.Git:
    return doc.Git(commit=checkout.commit, branch=checkout.branch, is_dirty=checkout.is_dirty)


def _artifact(artifact: Artifact) -> doc.Artifact:
    return doc.Artifact(
        digest=artifact.sha256,
        size_bytes=artifact.size_bytes,
        files=len(artifact.files),
        python=artifact.manifest.python_version,
    )


def _lock(artifact: Artifact) -> doc.Lock:
    found = set()
    for path in artifact.files:
        folder, _, file = path.rpartition("/")
        if file == "METADATA" and folder.endswith(".dist-info"):
            name, _, version = folder.rpartition("/")[2].removesuffix(".dist-info").partition("-")
            found.add((name.replace("_", "-").lower(), version))
    lines = "".join(f"{name}=={version}\n" for name, version in sorted(found))
    distributions = tuple(doc.Distribution(name=name, version=version) for name, version in sorted(found))
    return doc.Lock(digest=hashlib.sha256(lines.encode()).hexdigest(), distributions=distributions)


def _case(told: Told, untyped: str) -> doc.Case:
    return doc.Case(
        id=told.id,
        outcome=told.outcome,
        duration_s=_seconds(told.duration_s),
        reason=told.reason,
        untyped=untyped,
        text=told.text,
        path=told.path,
        line=told.line,
    )


def _smoke_case(result: Result) -> doc.Case:
    return doc.Case(
        id=result.id,
        outcome=result.outcome,
        duration_s=_seconds(result.duration_s),
        reason=result.reason,
        text=result.text if result.outcome == "failed" else "",
        path=result.path,
        line=result.line,
    )


def _logs(verdict: Verdict, material: Material) -> Iterator[doc.Log]:
    for stage in verdict.stages:
        failure = stage.failure
        if failure is not None and failure.endpoint and failure.detail:
            yield _log(failure.endpoint, stage.id, failure.detail.splitlines())
    for told in material.told:
        for endpoint, lines in told.logs:
            yield _log(endpoint, told.id, lines)
    for result in material.smoke:
        for endpoint, tail in result.logs.items():
            yield _log(endpoint, result.id, tail)


def _log(endpoint: str, of: str, lines: Sequence[str]) -> doc.Log:
    return doc.Log(endpoint=endpoint, of=of, lines=tuple(lines[-_LOG_LINES:]))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(duration: float) -> float:
    return round(max(duration, 0.0), 3)
