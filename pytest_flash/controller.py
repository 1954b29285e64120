"""The process that owns the run: decides which stage comes when, and what came of it all."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

from flash.errors import DeployError, FlashError, SettingsError
from pytest_flash.contract import ContractItem
from pytest_flash.facts import Observer
from pytest_flash.gatekeeper import Gatekeeper, is_dry
from pytest_flash.marks import canary_of_run
from pytest_flash.report import Failure, StageFailed, StageReporter
from pytest_flash.stages import Stages
from pytest_flash.subject import Subject, subjects
from pytest_flash.verdict import Verdict, write_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from _pytest.terminal import TerminalReporter

    from flash.deploy import gate
    from flash.deploy.plan import Plan
    from flash.model.manifest import Artifact
    from flash.preview.pipeline import Pipeline, Promotion
    from flash.preview.session import Attachment
    from flash.project import Project, TargetName
    from pytest_flash.ci import Ci
    from pytest_flash.options import Options
    from pytest_flash.receipts import Receipts
    from pytest_flash.teller import Teller
    from pytest_flash.watch import Watch

__all__ = ["Controller", "Doorkeeper"]

_RUN_PREFIX: Final = "run-"
_NEED_ARTIFACT: Final = frozenset({"flash_artifact", "flash_manifest"})
_NEED_PREVIEW: Final = frozenset({"flash_preview", "flash_endpoint"})


class Controller:
    """Owns the run. It is also the :class:`~pytest_flash.connection.Source` of its own process's tests.

    Attributes:
        subjects: What the contract checks are about; nothing where the sources cannot be understood, which the build
            stage then tells.
        collected: Node ids that are to run.
    """

    def __init__(
        self,
        config: pytest.Config,
        options: Options,
        *,
        root: Path,
        pipeline: Callable[[], Pipeline],
        child_environment: Mapping[str, str],
        teller: Teller,
        gatekeeper: Gatekeeper,
    ) -> None:
        self.subjects: tuple[Subject, ...] = ()
        self.collected: tuple[str, ...] = ()
        self.observer = Observer()
        self._config = config
        self._options = options
        self._root = root
        self._pipeline = pipeline
        self._child_environment = child_environment
        self._teller = teller
        self._gatekeeper = gatekeeper
        self._is_dry = is_dry(config.option)
        self._verdict = Verdict(environment=options.deploy)
        self._run: _Run | None = None
        self._endpoints: tuple[str, ...] = ()
        self._sources: tuple[str, ...] = ()
        self._is_prepared = False
        self._obstacle: FlashError | None = None
        self._planned: Plan | None = None
        self._workers = ""
        self._receipts: Receipts | None = None

    # -- what its own process's tests and xdist's workers ask for

    @property
    def is_ready(self) -> bool:
        """Whether a preview runs."""
        return self._run is not None and self._run.stages is not None and self._run.stages.is_ready

    def attachment(self) -> Attachment:
        """Where the preview is."""
        return self._stages.attachment()

    def artifact(self) -> Artifact:
        """The artifact."""
        return self._stages.artifact()

    @property
    def session(self) -> pytest.Session:
        """The run."""
        return self._started.session

    @property
    def stage_count(self) -> int:
        """How many stages have ended."""
        return len(self._started.reporter.stages)

    def for_workers(self) -> dict[str, Any]:
        """What a worker of xdist needs, as plain data."""
        return {
            "root": str(self._root),
            "attachment": str(self._started.attachment_path),
            "subjects": [list(subject) for subject in self.subjects],
        }

    # -- before anything runs

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Read the settings, ask the target, read the sources. xdist starts its workers after that."""
        try:
            self._run = _Run(session, self._teller.ci)
        except OSError as error:
            raise pytest.UsageError(
                f"cannot make a folder for this run: {error}\nhint: set FLASH_HOME to a folder that can be written"
            ) from error
        try:
            self._open(self._run)
        except SettingsError as error:
            self._verdict.fail(error)
            self._end()
            raise pytest.UsageError(str(error)) from error
        except _RefusedEarly as refused:
            self._verdict.take(refused.verdict)
            self._obstacle = refused
        except FlashError as error:
            self._verdict.fail(error)
            self._obstacle = error

    def _open(self, run: _Run) -> None:
        from flash.project import load_project, target_of

        options = self._options
        pipeline = self._pipeline()
        project = load_project(self._root, app=options.app, exclude=options.exclude)
        self._verdict.app = project.settings.app
        if options.receipt is not None and not self._is_dry:
            from pytest_flash.receipts import Receipts

            self._receipts = Receipts(options.receipt)
            self._receipts.open()
        early = self._gatekeeper.open(project)
        child_environment = self._gatekeeper.child_environment()
        if options.deploy is not None:
            target = self._verdict.target = target_of(project, options.deploy, options.target)
            # what may not be deployed from here may be planned all the same
            if early.in_the_way and not self._is_dry and not options.plan:
                raise _RefusedEarly(early)
            if not self._is_dry:
                self._check_target(project, pipeline, options.deploy, target)
        if not self._is_dry:
            self._workers = pipeline.settle(project)
        run.stages = Stages(
            project,
            pipeline,
            run.reporter,
            attachment_path=run.attachment_path,
            child_environment=child_environment,
        )
        self._discover(project, pipeline)

    def _check_target(self, project: Project, pipeline: Pipeline, environment: str, target: TargetName) -> None:
        """Tell what is wrong with key, platform or plan before anything is built."""
        if self._options.plan:
            # a plan starts no platform
            pipeline.look(project, environment, target)
            return
        pipeline.check_target(project, environment, target, report=self._started.reporter.progress)
        if self._options.planned is not None:
            from flash.preview.planning import read_plan

            self._planned = read_plan(self._options.planned)
            live = pipeline.look(project, environment, target)
            self._planned.check(live, app=project.settings.app, environment=environment, target=target)

    def _discover(self, project: Project, pipeline: Pipeline) -> None:
        try:
            app = pipeline.discover(project)
        except FlashError as error:
            # the build stage fails with it; where there is none, the summary tells it
            self._verdict.notes.append(f"no contract checks: {error}")
        else:
            self.subjects = subjects(app)
            self._endpoints = tuple(endpoint.name for endpoint in app)
            self._sources = tuple(endpoint.location.path for endpoint in app)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """A usage error ends the run before the loop; the verdict says which, as whoever raised it did."""
        try:
            return (yield)
        except pytest.UsageError as error:
            message, _, hint = "\n".join(map(str, error.args)).partition("\nhint: ")
            self._verdict.failure = Failure(message, hint)
            raise

    # -- build and preview, after collection

    def prepare(self, items: Sequence[pytest.Item] | None) -> None:
        """Build, and start the preview, unless that was done or the collection is broken.

        Args:
            items: What was collected; None where xdist's workers collect.

        Raises:
            StageFailed: A stage failed, and was reported; no test may run.
        """
        if self._is_prepared or self.broken_collection:
            return
        self._is_prepared = True
        if self._obstacle is not None:
            self._fail(self._obstacle)
        needs_preview = self._options.has_stages or items is None or _any_asks(items, _NEED_PREVIEW)
        if needs_preview or _any_asks(items or (), _NEED_ARTIFACT):
            self._stages.build()
        if needs_preview:
            self._stages.preview()

    def _fail(self, obstacle: FlashError) -> NoReturn:
        """Tell what keeps the run from beginning, as the failure of the stage that it concerns."""
        environment = self._options.deploy
        stage = "plan" if self._options.plan else "deploy"
        name = "preview" if environment is None else f"{stage}[{environment}]"
        reporter, decision = self._started.reporter, self._verdict.gate
        if decision is not None:
            reporter.told[f"flash::{name}"] = list(decision.properties())
        reporter.fail(name, self._verdict.failure or Failure.of(obstacle))
        raise StageFailed(obstacle)

    @property
    def broken_collection(self) -> list[str]:
        """Files that cannot be collected, where that keeps the tests from running."""
        return [] if self._config.option.continue_on_collection_errors else self.observer.seen.broken

    # -- the loop

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Everything around the tests; outermost, so that other plugins have had their say before the gate."""
        if session.config.option.collectonly:
            return (yield)
        try:
            return (yield from self._around(session))
        except (KeyboardInterrupt, pytest.exit.Exception):
            self._verdict.outcome = "interrupted"
            raise
        finally:
            self._close_preview()
            self._end()

    def _around(self, session: pytest.Session) -> Generator[None, object, object]:
        cut_short = ""
        result: object = True
        environment = self._options.deploy
        try:
            result = yield
        except StageFailed as error:
            if self._verdict.outcome != "refused":
                self._verdict.fail(error)
            return True
        except session.Failed as failed:
            if environment is None:
                raise
            cut_short = str(failed)
        except KeyboardInterrupt as interrupt:
            # pytest's and xdist's own ways to stop are kinds of it; a real one ends the run
            if type(interrupt) is KeyboardInterrupt or environment is None:
                raise
            cut_short = str(interrupt)
        self._close_preview()
        if environment is None:
            self._verdict.outcome = "failed" if session.testsfailed else "passed"
            if self._receipts is not None:
                self._judge_for_receipt(str(session.shouldfail or session.shouldstop or ""))
        else:
            self._promote(environment, cut_short or str(session.shouldfail or session.shouldstop or ""))
        return result

    def _promote(self, environment: str, cut_short: str) -> None:
        target = self._verdict.target
        if target is None:
            return
        self._started.reporter.begin_line()
        try:
            if self._options.plan:
                self._plan(environment, target, cut_short)
            elif self._is_let_through(f"deploy[{environment}]", target, cut_short):
                self._deploy(environment, target)
        except FlashError as error:
            self._verdict.fail(error)

    def _judge_for_receipt(self, cut_short: str) -> None:
        """Judge what holds for any environment; what is about one is judged when the receipt is used for it."""
        self._started.reporter.begin_line()
        try:
            if self._is_let_through("receipt", "local", cut_short):
                self._write_receipt(None)
        except FlashError as error:
            self._verdict.fail(error)

    def _write_receipt(self, promotion: Promotion | None) -> None:
        gate = self._verdict.gate
        if self._receipts is None or gate is None:
            return
        try:
            self._receipts.write(
                self._stages,
                self.observer.seen,
                gate,
                config=self._config,
                checkout=self._gatekeeper.checkout,
                environment=self._gatekeeper.child_environment(),
                promotion=promotion,
            )
        except StageFailed as error:
            # what is live stays so: the failed stage fails the run
            if promotion is None:
                self._verdict.fail(error)

    def _plan(self, environment: str, target: TargetName, cut_short: str) -> None:
        """Show what the promotion would change, and what the gate would say to it."""
        verdict = self._judge(f"plan[{environment}]", target, cut_short)
        self._verdict.planned(self._stages.plan(environment, target), verdict)
        if verdict.passed:
            self._write_receipt(None)

    def _is_let_through(self, name: str, target: TargetName, cut_short: str) -> bool:
        refusal = self._verdict.take(self._judge(name, target, cut_short))
        if refusal is not None:
            self._started.reporter.fail(name, refusal, is_told_below=True)
        return refusal is None

    def _judge(self, name: str, target: TargetName, cut_short: str) -> gate.Verdict:
        """What the gate says; the stage *name*, which follows from it, tells it too."""
        from pytest_flash.judge import judge

        run = self._started
        try:
            verdict = judge(
                run.session,
                self.observer.seen,
                self._stages,
                surroundings=self._gatekeeper.surroundings(),
                target=target,
                collected=self.collected,
                subjects=self.subjects,
                endpoints=self._endpoints,
                cut_short=cut_short,
            )
        except DeployError as error:
            run.reporter.fail(name, Failure.of(error))
            raise
        run.reporter.told[f"flash::{name}"] = list(verdict.properties())
        return verdict

    def _deploy(self, environment: str, target: TargetName) -> None:
        """Promote, verify, keep or put back."""
        stages = self._stages
        checkout = self._gatekeeper.checkout
        asked = canary_of_run(self.observer.seen.selection.canaries)
        canary = None if asked is None else stages.canary(environment, asked, self._config)
        try:
            promotion = stages.deploy(
                environment,
                target,
                allow_delete=self._options.allow_delete,
                planned=self._planned,
                git=None if checkout is None else checkout.commit,
                canary=canary,
            )
            self._verdict.notes += [canary.note] if canary is not None and canary.note else []
        except StageFailed as error:
            if canary is None or canary.failure is not error:
                raise
            self._verdict.rolled_back(error, f"what was live in {environment} before serves, as it did throughout")
            return
        self._verdict.previous_digest = promotion.deployment.previous
        self._verdict.plan = promotion.plan
        try:
            stages.smoke(environment, promotion, self._config)
        except StageFailed as error:
            live = stages.roll_back(environment, promotion, because=error.message)
            self._verdict.rolled_back(error, live)
            return
        except BaseException:
            # whoever stops the run leaves nothing unverified behind
            self._verdict.stopped(stages.roll_back(environment, promotion, because="the smoke run was interrupted"))
            raise
        self._verdict.deployed(promotion)
        try:
            promotion.finish()
        except FlashError as error:
            self._verdict.notes.append(f"the version before is not retired yet: {error}")
        self._write_receipt(promotion)

    # -- the end

    def _close_preview(self) -> None:
        if self._run is None or self._run.stages is None:
            return
        try:
            self._run.stages.close_preview()
        except FlashError as error:
            self._verdict.notes.append(f"the preview did not stop as it should: {error}")

    def _end(self) -> None:
        run = self._started
        self._verdict.digest = None if run.stages is None else run.stages.digest
        self._verdict.canary = () if run.stages is None else run.stages.canary_steps
        self._verdict.stages = tuple(run.reporter.stages)
        self._verdict.untyped = dict(self.observer.seen.untyped)
        self._verdict.git = self._gatekeeper.checkout
        self._verdict.notes += self._teller.chronicle.hints(self._sources)
        if self._receipts is not None:
            note = self._receipts.note()
            self._verdict.notes += [note] if note else []
        if self._options.has_stages or self._verdict.stages:
            self._teller.tell(self._verdict, run.stages)

    def pytest_report_header(self) -> list[str]:
        """Say what will happen."""
        what = "preview" if self._options.preview else "preview on demand"
        if self._options.deploy is not None:
            what = f"to be {'planned for' if self._options.plan else 'deployed to'} {self._options.deploy}"
        lines = [f"flash: {self._root}, {what}"]
        return [*lines, f"flash: workers: {self._workers}"] if self._workers else lines

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """The verdict, and what follows from it."""
        self._teller.write_log(terminalreporter)
        write_summary(self._verdict, terminalreporter, with_block=self._options.summary)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Let no run that was to deploy, and did not, end as if it had; outermost, whatever others do with the status.

        Such as ``pytest.exit(returncode=0)``, or a hook that sets it.
        """
        yield
        is_done = self._verdict.outcome in {"deployed", "planned"}
        if self._options.deploy is not None and not self._is_dry and not is_done and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_unconfigure(self) -> None:
        """Remove the run's folder."""
        self._gatekeeper.close()
        if self._receipts is not None:
            self._receipts.close()
        # where no terminal reporter had a summary
        self._teller.write_log(None)
        if self._run is not None:
            self._run.close()

    @property
    def _started(self) -> _Run:
        if self._run is None:
            raise RuntimeError("the session has not started")
        return self._run

    @property
    def _stages(self) -> Stages:
        stages = self._started.stages
        if stages is None:
            raise RuntimeError("the session could not start")
        return stages


class _RefusedEarly(DeployError):
    """The gate refuses before anything is built."""

    def __init__(self, verdict: gate.Verdict) -> None:
        super().__init__("the gate refused")
        self.verdict = verdict


class _Run:
    """What there is once the session has started.

    Attributes:
        folder: Of the run, readable by this user only: it holds the preview's key. That of a run that was killed is
            removed by the next one.
    """

    def __init__(self, session: pytest.Session, ci: Ci | None) -> None:
        from flash.bundle.claims import claimed_folder, remove_abandoned
        from flash.project import flash_home

        self.session = session
        self.reporter = StageReporter(session, ci)
        self.stages: Stages | None = None
        runs = flash_home() / "runs"
        remove_abandoned(runs, _RUN_PREFIX)
        self._claim = ExitStack()
        self.folder = self._claim.enter_context(claimed_folder(runs, _RUN_PREFIX))

    def close(self) -> None:
        """Remove the folder."""
        self._claim.close()

    @property
    def attachment_path(self) -> Path:
        return self.folder / "preview.json"


class Doorkeeper:
    """Lets the tests run only after build and preview; a wrapper of the loop could not keep it from running."""

    def __init__(self, controller: Controller, watch: Watch) -> None:
        self._controller = controller
        self._watch = watch

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> object:
        """Before the loop, in the process that has the tests."""
        if session.config.pluginmanager.hasplugin("dsession"):
            return None
        self._watch.select(session.items)
        self._controller.observer.seen.selection.add(self._watch.selection)
        self._controller.collected = tuple(item.nodeid for item in session.items)
        if not session.config.option.collectonly:
            self._controller.prepare(session.items)
        return None


def _any_asks(items: Sequence[pytest.Item], fixtures: frozenset[str]) -> bool:
    return any(
        isinstance(item, ContractItem) or not fixtures.isdisjoint(getattr(item, "fixturenames", ())) for item in items
    )
