"""What the verbs do to the world, as one protocol: the pipeline, platforms, what is deployed there, child processes.

The real thing loads ``flash.preview`` when it is used, so that a verb pays for nothing that it does not do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from flash.cli.child import Ended
    from flash.cloud.address import PlatformAddress
    from flash.cloud.records import AppRecord, LiveEnvironment
    from flash.deploy.ledger import Line
    from flash.deploy.plan import Plan
    from flash.deploy.release import Release
    from flash.preview.backend import Wanted
    from flash.preview.history import RolledBack
    from flash.preview.local import PlatformState
    from flash.preview.pipeline import Pipeline, Promotion
    from flash.preview.receipts import Found
    from flash.preview.sweep import Swept
    from flash.project import Project, TargetName

__all__ = ["RealServices", "Services"]

_WATCH_S: Final = 0.5
"""Long enough to cost nothing, short enough to watch."""
_WATCH_RUNPOD_S: Final = 2.0
"""Two questions for each worker go over the internet."""
_PATIENCE: Final = 5
"""Source: consecutive connection errors that the platform's own client tolerates while it waits, read 2026-08."""
_WINDOW: Final = 200
"""How many lines are compared to see which are new."""


class Services(Protocol):
    """What the verbs are given."""

    def pipeline(self, wanted: Wanted) -> Pipeline:
        """From sources to a deployment; *wanted* is what workers are to be."""
        ...

    def follow(
        self, address: PlatformAddress, names: Mapping[str, str], *, first: int | None
    ) -> Iterator[tuple[str, str]]:
        """Endless: the name of an endpoint and a line that one of its workers wrote, as they come.

        Args:
            address: The platform.
            names: The endpoints, by id.
            first: How many of the lines that are there already; None for as many as the platform gives.
        """
        ...

    def logs(self, address: PlatformAddress, endpoint_id: str, tail: int) -> tuple[str, ...]:
        """The last lines that an endpoint's workers wrote."""
        ...

    def find_release(
        self,
        project: Project,
        *,
        environment: str,
        target: TargetName,
        receipt: Path | None,
        source: tuple[str, TargetName] | None,
        artifact: Path | None,
        wanted: Wanted,
        report: Callable[[str], None],
    ) -> Found:
        """What a receipt, or what is verified in the environment *source*, lets into *environment*; changes nothing."""
        ...

    def promote_release(
        self,
        project: Project,
        release: Release,
        *,
        environment: str,
        target: TargetName,
        allow_delete: bool,
        planned: Plan | None,
        wanted: Wanted,
        report: Callable[[str], None],
    ) -> Promotion:
        """Make it live; where a plan is given, what it says and nothing else."""
        ...

    def plan_release(self, project: Project, release: Release, *, environment: str, target: TargetName) -> Plan:
        """What making it live would change; makes and starts nothing."""
        ...

    def history(self, project: Project, *, environment: str, target: TargetName) -> tuple[Line, ...]:
        """What was live in an environment, the newest first."""
        ...

    def roll_back(
        self,
        project: Project,
        wanted: str,
        *,
        environment: str,
        target: TargetName,
        allow_delete: bool,
        report: Callable[[str], None],
    ) -> RolledBack:
        """Put a version back: so many back, or by the beginning of its digest; empty for the one before."""
        ...

    def undeploy(
        self, project: Project, *, environment: str, target: TargetName, report: Callable[[str], None]
    ) -> tuple[str, ...]:
        """Remove an environment; names the endpoints that went."""
        ...

    def open_browser(self, url: str) -> bool:
        """Show *url* in the user's browser; False where there is none."""
        ...

    def log_in(self, console_url: str, *, show: Callable[[str], None], timeout_s: float) -> str:
        """Ask Runpod for a key, wait until the user has approved it, and return it.

        Args:
            console_url: Where the user approves it.
            show: Told the address to open.
            timeout_s: How long the user may take.
        """
        ...

    def address(self, project: Project, target: TargetName) -> PlatformAddress:
        """Where *target* answers; starts nothing."""
        ...

    def environments(self, project: Project, address: PlatformAddress) -> tuple[LiveEnvironment, ...]:
        """The app's environments there."""
        ...

    def environment(self, project: Project, address: PlatformAddress, name: str) -> LiveEnvironment | None:
        """What is live in one of them."""
        ...

    def apps(self, address: PlatformAddress) -> tuple[AppRecord, ...]:
        """The apps there."""
        ...

    def find_app(self, project: Project, address: PlatformAddress) -> AppRecord | None:
        """The project's app there."""
        ...

    def create_app(self, project: Project, address: PlatformAddress) -> None:
        """Make the project's app."""
        ...

    def create_environment(self, project: Project, address: PlatformAddress, name: str) -> None:
        """Make an environment of it."""
        ...

    def delete_app(
        self, project: Project, address: PlatformAddress, *, report: Callable[[str], None]
    ) -> tuple[str, ...]:
        """Remove the project's app; names the environments that went."""
        ...

    def sweep(self, project: Project, *, may_touch_runpod: Callable[[str], bool]) -> Swept:
        """Remove what killed runs left behind.

        Args:
            project: Whose journal is looked at.
            may_touch_runpod: Asked with what is to go, before it goes from Runpod.
        """
        ...

    def find_platform(self) -> PlatformState | None:
        """The local platform, if it runs."""
        ...

    def start_platform(
        self, port: int | None, *, backend: Wanted, report: Callable[[str], None], foreground: bool
    ) -> PlatformState:
        """Start it; with *foreground*, returns when it has been stopped."""
        ...

    def stop_platform(self) -> bool:
        """Stop it; whether one ran."""
        ...

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        without: Collection[str] = (),
        hushes_interrupted: bool = False,
    ) -> Ended:
        """Run Python with *arguments* as a child, its output on our stderr, the variables *without* not passed on.

        With *hushes_interrupted*, what it writes once it is interrupted is dropped.
        """
        ...


class RealServices:
    """``flash.preview``, and child processes."""

    def pipeline(self, wanted: Wanted) -> Pipeline:
        """From sources to a deployment."""
        from flash.preview.pipeline import RealPipeline

        return RealPipeline(wanted)

    def follow(
        self, address: PlatformAddress, names: Mapping[str, str], *, first: int | None
    ) -> Iterator[tuple[str, str]]:
        """Endless: the name of an endpoint and a line that one of its workers wrote, as they come."""
        import time

        from flash.cli.follow import follow
        from flash.cli.worker_logs import WorkerLogs
        from flash.cloud.client import PlatformClient

        with PlatformClient(address) as client:
            workers = WorkerLogs(client.workers.ready, client.workers.logs, most_failures=_PATIENCE)

            def tail(endpoint_id: str) -> tuple[str, ...]:
                if not address.stages:
                    return workers.tail(endpoint_id)
                return client.logs(endpoint_id, max(_WINDOW, first or 0))

            pause_s = _WATCH_S if address.stages else _WATCH_RUNPOD_S
            for endpoint_id, line in follow(tuple(names), tail, pause=lambda: time.sleep(pause_s), first=first):
                yield names[endpoint_id], line

    def logs(self, address: PlatformAddress, endpoint_id: str, tail: int) -> tuple[str, ...]:
        """The last lines that an endpoint's workers wrote."""
        from flash.cli.worker_logs import WorkerLogs
        from flash.cloud.client import PlatformClient

        with PlatformClient(address) as client:
            if address.stages:
                return client.logs(endpoint_id, tail)
            lines = WorkerLogs(client.workers.ready, client.workers.logs).tail(endpoint_id)
            return lines[max(0, len(lines) - tail) :]

    def find_release(
        self,
        project: Project,
        *,
        environment: str,
        target: TargetName,
        receipt: Path | None,
        source: tuple[str, TargetName] | None,
        artifact: Path | None,
        wanted: Wanted,
        report: Callable[[str], None],
    ) -> Found:
        """What a receipt, or what is verified in the environment *source*, lets into *environment*; changes nothing."""
        from datetime import datetime, timezone

        from flash import project as settings
        from flash.preview import promote, receipts

        def where(name: str, kind: TargetName) -> receipts.Where:
            def address() -> PlatformAddress:
                return promote.address(project, kind, start=True, report=report, wanted=wanted)

            return receipts.Where(environment=name, target=kind, address=address)

        variables = {**settings.dotenv(project), **settings.environment()}
        return receipts.find_release(
            project,
            where(environment, target),
            receipt=receipt,
            source=None if source is None else where(*source),
            artifact=artifact,
            asked=receipts.asked_of(project, environment, variables=variables, now=datetime.now(timezone.utc)),
        )

    def promote_release(
        self,
        project: Project,
        release: Release,
        *,
        environment: str,
        target: TargetName,
        allow_delete: bool,
        planned: Plan | None,
        wanted: Wanted,
        report: Callable[[str], None],
    ) -> Promotion:
        """Make it live."""
        from flash.preview import promote

        return promote.promote_release(
            project,
            release,
            environment=environment,
            target=target,
            report=report,
            allow_delete=allow_delete,
            planned=planned,
            wanted=wanted,
        )

    def plan_release(self, project: Project, release: Release, *, environment: str, target: TargetName) -> Plan:
        """What making it live would change."""
        from flash.preview import planning

        return planning.make_plan(
            project, release.manifest, digest=release.digest, environment=environment, target=target
        )

    def history(self, project: Project, *, environment: str, target: TargetName) -> tuple[Line, ...]:
        """What was live in an environment, the newest first."""
        from flash.preview import history

        return history.history(project, environment=environment, target=target)

    def roll_back(
        self,
        project: Project,
        wanted: str,
        *,
        environment: str,
        target: TargetName,
        allow_delete: bool,
        report: Callable[[str], None],
    ) -> RolledBack:
        """Put a version back."""
        from flash.preview import history

        return history.roll_back(
            project, wanted, environment=environment, target=target, allow_delete=allow_delete, report=report
        )

    def undeploy(
        self, project: Project, *, environment: str, target: TargetName, report: Callable[[str], None]
    ) -> tuple[str, ...]:
        """Remove an environment; names the endpoints that went."""
        from flash.preview import promote

        return promote.undeploy(project, environment=environment, target=target, report=report)

    def open_browser(self, url: str) -> bool:
        """Show *url* in the user's browser; False where there is none."""
        import os
        import webbrowser

        try:
            browser = webbrowser.get()
        except webbrowser.Error:
            return False
        if type(browser) is webbrowser.GenericBrowser and not os.environ.get("BROWSER"):
            # one that would take this terminal over
            return False
        return browser.open(url)

    def log_in(self, console_url: str, *, show: Callable[[str], None], timeout_s: float) -> str:
        """Ask Runpod for a key, wait until the user has approved it, and return it."""
        import time

        from flash.cloud.address import PlatformAddress
        from flash.cloud.auth import approval_url, log_in
        from flash.cloud.client import PlatformClient
        from flash.project import runpod_urls

        api_url, data_url, lb_base_url = runpod_urls()
        with PlatformClient(PlatformAddress(api_url, data_url, lb_base_url, "")) as client:
            return log_in(
                client,
                show=lambda login: show(approval_url(console_url, login)),
                now=time.time,
                sleep=time.sleep,
                timeout_s=timeout_s,
            )

    def address(self, project: Project, target: TargetName) -> PlatformAddress:
        """Where *target* answers; starts nothing."""
        from flash.preview import promote

        return promote.address(project, target, start=False, report=_unheard)

    def environments(self, project: Project, address: PlatformAddress) -> tuple[LiveEnvironment, ...]:
        """The app's environments there."""
        from flash.cloud.client import PlatformClient

        with PlatformClient(address) as client:
            app = client.find_app(project.settings.app)
            names = [] if app is None else [environment.name for environment in app.environments]
            found = [client.environment(project.settings.app, name) for name in names]
            # One may have gone between the two questions
            return tuple(environment for environment in found if environment is not None)

    def environment(self, project: Project, address: PlatformAddress, name: str) -> LiveEnvironment | None:
        """What is live in one of them."""
        from flash.cloud.client import PlatformClient

        with PlatformClient(address) as client:
            return client.environment(project.settings.app, name)

    def apps(self, address: PlatformAddress) -> tuple[AppRecord, ...]:
        """The apps there."""
        from flash.cloud.client import PlatformClient

        with PlatformClient(address) as client:
            return client.apps()

    def find_app(self, project: Project, address: PlatformAddress) -> AppRecord | None:
        """The project's app there."""
        from flash.cloud.client import PlatformClient

        with PlatformClient(address) as client:
            return client.find_app(project.settings.app)

    def create_app(self, project: Project, address: PlatformAddress) -> None:
        """Make the project's app."""
        from flash.preview import apps

        apps.create_app(project, address)

    def create_environment(self, project: Project, address: PlatformAddress, name: str) -> None:
        """Make an environment of it."""
        from flash.preview import apps

        apps.create_environment(project, address, name)

    def delete_app(
        self, project: Project, address: PlatformAddress, *, report: Callable[[str], None]
    ) -> tuple[str, ...]:
        """Remove the project's app; names the environments that went."""
        from flash.preview import apps

        return apps.delete_app(project, address, report=report)

    def sweep(self, project: Project, *, may_touch_runpod: Callable[[str], bool]) -> Swept:
        """Remove what killed runs left behind."""
        from flash.preview import sweep

        return sweep.sweep(project, may_touch_runpod=may_touch_runpod)

    def find_platform(self) -> PlatformState | None:
        """The local platform, if it runs."""
        from flash.preview import local

        return local.find_platform()

    def start_platform(
        self, port: int | None, *, backend: Wanted, report: Callable[[str], None], foreground: bool
    ) -> PlatformState:
        """Start it; with *foreground*, returns when it has been stopped."""
        from flash.preview import local

        return local.start_platform(port, report=report, foreground=foreground, wanted=backend)

    def stop_platform(self) -> bool:
        """Stop it; whether one ran."""
        from flash.preview import local

        return local.stop_platform()

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        without: Collection[str] = (),
        hushes_interrupted: bool = False,
    ) -> Ended:
        """Run Python with *arguments* as a child, its output on our stderr, the variables *without* not passed on.

        With *hushes_interrupted*, what it writes once it is interrupted is dropped.
        """
        from flash.cli import child

        return child.run(arguments, cwd=cwd, without=without, hushes_interrupted=hushes_interrupted)


def _unheard(line: str) -> None:
    """Nothing is started, so nothing is reported."""
