"""What the stages do: build, preview, deploy, smoke, rollback. Who calls them when is the controller's business."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final

from flash.errors import DeployError, FlashError, Unverified
from pytest_flash import smoke
from pytest_flash.canary import Notes, notes_path
from pytest_flash.connection import LOG_SECTION
from pytest_flash.marks import CANARY_MARK
from pytest_flash.report import Skip, StageFailed
from pytest_flash.trying import CanaryStage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pytest

    from flash.deploy.canary import Canary
    from flash.deploy.plan import Plan
    from flash.deploy.tally import Calls, Seen
    from flash.deploy.trial import Step
    from flash.model.manifest import Artifact
    from flash.preview.pipeline import Pipeline, Preview, Promotion
    from flash.preview.session import Attachment
    from flash.project import Project, TargetName
    from pytest_flash.report import StageReporter

__all__ = ["Stages"]

_TAIL_LINES: Final = 60
_NO_TESTS: Final = 5
_STOP_S: Final = 10.0
_DIGEST: Final = 12


class Stages:
    """The stages of one run, in the process that owns them. Also what its own tests know of the platform.

    Attributes:
        project: Whose they are.
        smoke_results: What came of each test of the smoke run.
        canary_steps: What came of each step of the canary.
    """

    def __init__(
        self,
        project: Project,
        pipeline: Pipeline,
        reporter: StageReporter,
        *,
        attachment_path: Path,
        child_environment: Mapping[str, str],
    ) -> None:
        self.project = project
        self._pipeline = pipeline
        self._reporter = reporter
        self._attachment_path = attachment_path
        self._child_environment = child_environment
        self._artifact: Artifact | None = None
        self._preview: Preview | None = None
        self._is_closed = False
        self.smoke_results: tuple[smoke.Result, ...] = ()
        self.canary_steps: tuple[Step, ...] = ()

    # -- what the tests of this process ask for

    @property
    def is_ready(self) -> bool:
        """Whether a preview runs."""
        return self._preview is not None

    def artifact(self) -> Artifact:
        """The artifact, built where it was not yet."""
        if self._artifact is None:
            self._artifact = self._pipeline.build(self.project, report=self._reporter.progress)
        return self._artifact

    def attachment(self) -> Attachment:
        """Where the preview is, started where it was not yet."""
        if self._preview is None:
            artifact = self.artifact()
            self._preview = self._pipeline.start_preview(self.project, artifact, report=self._reporter.progress)
            self._preview.attachment.write(self._attachment_path)
        return self._preview.attachment

    @property
    def digest_tested(self) -> str | None:
        """The sha256 of what the preview runs, where one runs."""
        return None if self._preview is None else self._preview.attachment.digest

    def digest_to_promote(self) -> str:
        """The sha256 of the file that would be promoted, as it is now; empty where there is none.

        Raises:
            DeployError: The file is gone.
        """
        from flash.bundle.files import digest_of

        if self._artifact is None:
            return ""
        try:
            return digest_of(self._artifact.path)
        except OSError as error:
            raise DeployError(f"the artifact that was tested cannot be read: {error}") from error

    @property
    def digest(self) -> str | None:
        """The artifact's sha256, where one was built."""
        return None if self._artifact is None else self._artifact.sha256

    @property
    def built(self) -> Artifact | None:
        """The artifact, where one was built."""
        return self._artifact

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the platforms that were used, which no report may show."""
        return () if self._preview is None else (self._preview.attachment.address.api_key,)

    # -- stages; each is reported, and raises StageFailed

    def build(self) -> None:
        """``flash::build``."""
        self._reporter.run(
            "build",
            self.artifact,
            lambda artifact: f"sha256:{artifact.sha256}",
            lambda artifact: (("flash.digest", artifact.sha256), ("flash.size_bytes", artifact.size_bytes)),
        )

    def preview(self) -> None:
        """``flash::preview[process]``."""
        self._reporter.run(
            f"preview[{self._pipeline.backend}]", self.attachment, lambda attachment: attachment.address.api_url
        )

    def plan(self, environment: str, target: TargetName) -> Plan:
        """``flash::plan[ENV]``: what the promotion would change."""

        def plan() -> Plan:
            return self._pipeline.plan(self.project, self.artifact(), environment=environment, target=target)

        return self._reporter.run(f"plan[{environment}]", plan, lambda made: made.summary)

    def deploy(
        self,
        environment: str,
        target: TargetName,
        *,
        allow_delete: bool,
        planned: Plan | None = None,
        git: str | None = None,
        canary: CanaryStage | None = None,
    ) -> Promotion:
        """``flash::deploy[ENV]``, of what the gate let through; within it ``flash::canary[ENV]``, if tests ask for one.

        Raises:
            StageFailed: One of the two; the canary's, where that is its ``failure``.
        """

        def promote() -> Promotion | Skip:
            try:
                return promote_it()
            except StageFailed:
                # the only stage within this one has told why
                return Skip("the canary did not pass")

        def promote_it() -> Promotion:
            return self._pipeline.promote(
                self.project,
                self.artifact(),
                environment=environment,
                target=target,
                report=self._reporter.progress,
                allow_delete=allow_delete,
                planned=planned,
                gate="passed",
                git=git,
                canary=canary,
            )

        promotion = self._reporter.run(f"deploy[{environment}]", promote, _told_of, _properties_of)
        if isinstance(promotion, Skip):
            raise StageFailed(DeployError(promotion.reason)) if canary is None else canary.reason
        return promotion

    def canary(self, environment: str, canary: Canary, config: pytest.Config) -> CanaryStage:
        """What tries the new version with the tests that are marked for that, when it is deployed."""

        def repeated(attachment: Attachment, build_id: str | None) -> AbstractContextManager[Calls]:
            return self._repeated(attachment, config, build_id)

        def keep(steps: tuple[Step, ...]) -> None:
            self.canary_steps = steps

        return CanaryStage(environment, canary, self._reporter, repeated=repeated, keep=keep)

    @contextmanager
    def _repeated(self, attachment: Attachment, config: pytest.Config, build_id: str | None) -> Iterator[Calls]:
        """Run the tests of the canary against *attachment*, in a child, for as long as the block lasts."""
        path = self._attachment_path.with_name("canary.json")
        attachment.write(path)
        notes = notes_path(path)
        notes.unlink(missing_ok=True)
        arguments = smoke.arguments(config, path, marks=CANARY_MARK)
        reading, writing = os.pipe()
        try:
            with path.with_suffix(".log").open("w+", encoding="utf-8", errors="replace") as log:
                child = subprocess.Popen(
                    [sys.executable, "-m", "pytest", *arguments, f"--flash-repeat={reading}", "-q", "--tb=no"],
                    cwd=config.invocation_params.dir,
                    env=dict(self._child_environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[reading],
                )
                try:
                    yield _Repeated(child, Notes(notes, build_id), path.with_suffix(".log"))
                finally:
                    # it ends with the test that it is at, and when this process ends however that does
                    os.close(writing)
                    writing = -1
                    _await(child)
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)
            path.unlink(missing_ok=True)

    def smoke(self, environment: str, promotion: Promotion, config: pytest.Config) -> None:
        """``flash::smoke[ENV]``: skipped where no test is marked for it."""
        path = self._attachment_path.with_name("deployment.json")
        promotion.attachment.write(path)

        def run() -> Skip | str:
            status, output = self._run_pytest(smoke.arguments(config, path), cwd=config.invocation_params.dir)
            results = self.smoke_results = smoke.read_results(smoke.results_path(path))
            if status == _NO_TESTS:
                return Skip("no test is marked flash_smoke or flash_deployed_only")
            failed = [result for result in results if result.outcome == "failed"]
            if failed:
                names = ", ".join(result.id for result in failed)
                many = "" if len(failed) == 1 else "s"
                detail = "\n".join((smoke.counts(results), *map(_failed_smoke, failed)))
                raise DeployError(f"{len(failed)} smoke test{many} failed: {names}", detail=detail)
            if status != 0:
                raise DeployError(f"the smoke run ended with status {status}", detail=_tail(output))
            if not any(result.outcome == "passed" for result in results):
                return Skip("every smoke test was skipped: " + "; ".join(sorted({result.text for result in results})))
            return smoke.summary(results)

        self._reporter.run(f"smoke[{environment}]", run, str)

    def receipt(self, write: Callable[[], str]) -> None:
        """``flash::receipt``."""
        self._reporter.run("receipt", write, str)

    def roll_back(self, environment: str, promotion: Promotion, *, because: str) -> str:
        """``flash::rollback[ENV]``; says what is live now."""

        def put_back() -> str:
            try:
                return promotion.roll_back(report=self._reporter.progress)
            except Unverified as error:
                # it was put back, as far as anybody knows
                raise Unverified(f"{because}; {error.headline}", hint=error.hint) from error
            except FlashError as error:
                message = f"{because}; and it could not be put back: {error.headline}"
                raise DeployError(message, hint=error.hint, detail=error.detail) from error

        return self._reporter.run(f"rollback[{environment}]", put_back, str)

    # -- the end

    def close_preview(self) -> None:
        """Stop the preview, if one runs. What it was stays known."""
        if self._preview is not None and not self._is_closed:
            self._is_closed = True
            self._preview.close()

    def _run_pytest(self, arguments: list[str], *, cwd: Path) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", *arguments]
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(self._child_environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as child:
            try:
                output, _ = child.communicate()
            except BaseException:
                _stop(child)
                raise
        return child.returncode, output


class _Repeated:
    """The child that runs the tests of a canary."""

    def __init__(self, child: subprocess.Popen[bytes], notes: Notes, log: Path) -> None:
        self._child = child
        self._notes = notes
        self._log = log

    def seen(self) -> Seen:
        """What its tests have seen."""
        status = self._child.poll()
        if status is not None:
            raise DeployError(
                f"the run of the tests that are marked flash_canary ended with status {status}",
                detail=_tail(self._log.read_text(encoding="utf-8", errors="replace")),
            )
        return self._notes.read()


def _await(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(_STOP_S)
    except BaseException as error:  # why: whatever interrupts the wait, no test may go on calling
        _stop(child)
        if not isinstance(error, subprocess.TimeoutExpired):
            raise


def _failed_smoke(result: smoke.Result) -> str:
    logs = [f"-- {LOG_SECTION}{endpoint} --\n" + "\n".join(lines) for endpoint, lines in result.logs.items()]
    return "\n".join((f"\n-- {result.id} --", result.text, *logs))


def _told_of(promotion: Promotion | Skip) -> str:
    if isinstance(promotion, Skip):
        return promotion.reason
    deployment = promotion.deployment
    digest, previous = deployment.digest[:_DIGEST], (deployment.previous or "")[:_DIGEST]
    if digest == previous:
        return f"artifact {digest} is live, as before"
    return f"artifact {digest} is live{f' instead of {previous}' if previous else ''}"


def _properties_of(promotion: Promotion | Skip) -> Iterator[tuple[str, object]]:
    if isinstance(promotion, Skip):
        return
    deployment = promotion.deployment
    yield "flash.environment", deployment.environment
    yield "flash.digest", deployment.digest
    yield "flash.build", deployment.build_id
    if deployment.previous:
        yield "flash.previous", deployment.previous
    for endpoint in deployment.endpoints:
        yield f"flash.url.{endpoint.name}", endpoint.url


def _stop(child: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _tail(output: str) -> str:
    return "\n".join(output.splitlines()[-_TAIL_LINES:])
