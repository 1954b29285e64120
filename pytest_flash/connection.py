"""What a test process knows of the platform that its tests talk to: clients, logs, the artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

import pytest

from flash.errors import FlashError, NotFound
from flash.model.hardware import nearest
from pytest_flash.tracebacks import once

if TYPE_CHECKING:
    from pathlib import Path

    from flash.cloud.calls import Callee
    from flash.cloud.jobs import EndpointClient
    from flash.deploy.plan import Plan
    from flash.model.dispatch import Caller, Target
    from flash.model.manifest import Artifact
    from flash.model.request import ClientRequest
    from flash.preview.pipeline import Pipeline
    from flash.preview.session import Attachment

__all__ = ["LOG_SECTION", "Connection", "FlashDeployment", "FlashPreview", "FromFile", "LogSections", "Source"]

LOG_SECTION: Final = "flash log of "
"""What the title of a report's section begins with that holds the end of an endpoint's log."""

_LOG_LINES: Final = 40


@dataclass(frozen=True, slots=True)
class FlashPreview:
    """A running preview; what the fixture ``flash_preview`` gives.

    Attributes:
        url: The platform's origin.
        endpoints: A client for each endpoint, by name.
    """

    url: str
    endpoints: Mapping[str, EndpointClient]

    def logs(self, name: str) -> Sequence[str]:
        """The last lines that the workers of the endpoint *name* wrote."""
        return self.endpoints[name].logs()

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class FlashDeployment:
    """What was promoted; what the fixture ``flash_deployment`` gives.

    Attributes:
        digest: sha256 of the artifact that is live.
        previous: The digest that was live before, or None.
        endpoints: A client for each endpoint, by name.
    """

    app: str
    environment: str
    digest: str
    previous: str | None
    url: str
    endpoints: Mapping[str, EndpointClient]

    def __str__(self) -> str:
        return self.url


class Source(Protocol):
    """Where a connection has its knowledge from."""

    @property
    def is_ready(self) -> bool:
        """Whether :meth:`attachment` answers without starting anything."""
        ...

    def attachment(self) -> Attachment:
        """Where the preview or deployment is."""
        ...

    def artifact(self) -> Artifact:
        """The artifact of the run."""
        ...


class FromFile:
    """Knowledge from a file: in xdist's workers and in the smoke run."""

    def __init__(self, path: Path, pipeline: Callable[[], Pipeline]) -> None:
        self._path = path
        self._pipeline = pipeline
        self._attachment: Attachment | None = None
        self._artifact: Artifact | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()

    def attachment(self) -> Attachment:
        """What the file says."""
        if self._attachment is None:
            self._attachment = self._pipeline().attach(self._path)
        return self._attachment

    def artifact(self) -> Artifact:
        """The artifact that the file names."""
        if self._artifact is None:
            self._artifact = self.attachment().artifact()
        return self._artifact


class _Endpoints(Mapping[str, "EndpointClient"]):
    """Clients by name, which remembers whom it gave out."""

    def __init__(self, clients: Mapping[str, EndpointClient], on_use: Callable[[str], None]) -> None:
        self._clients = clients
        self._on_use = on_use

    def __getitem__(self, name: str) -> EndpointClient:
        client = self._clients[name]
        self._on_use(name)
        return client

    def __iter__(self) -> Iterator[str]:
        return iter(self._clients)

    def __len__(self) -> int:
        return len(self._clients)

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{name!r}: {client!r}' for name, client in self._clients.items())}}}"


@dataclass(slots=True)
class _Uses:
    """Which endpoints were given out: to the running test, and ever."""

    now: set[str] = field(default_factory=set)
    ever: set[str] = field(default_factory=set)

    def add(self, name: str) -> None:
        self.now.add(name)
        self.ever.add(name)


class Connection:
    """The clients of one process, made when they are first asked for.

    Args:
        source: What it knows of the platform.
        plan: Makes the plan of a promotion.
    """

    def __init__(self, source: Source, plan: Callable[[Artifact], Plan]) -> None:
        self._source = source
        self._plan = plan
        self._uses = _Uses()
        self._clients: Mapping[str, EndpointClient] | None = None
        self._caller_before: Caller | None = None

    @property
    def is_deployment(self) -> bool:
        """Whether this run looks at what was promoted, rather than at a preview."""
        return self._source.is_ready and self._source.attachment().kind == "deployment"

    @property
    def artifact(self) -> Artifact:
        """The artifact of the run."""
        return self._source.artifact()

    def plan(self) -> Plan:
        """What the promotion of that artifact would change."""
        return self._plan(self.artifact)

    def preview(self) -> FlashPreview:
        """The platform, as tests see it."""
        return FlashPreview(self._source.attachment().address.api_url, self._endpoints())

    def deployment(self) -> FlashDeployment:
        """What was promoted, as tests see it."""
        where = self._source.attachment()
        return FlashDeployment(
            where.app, where.environment, where.digest, where.previous, where.address.api_url, self._endpoints()
        )

    def endpoint(self, name: str) -> EndpointClient:
        """The client of one endpoint.

        Raises:
            NotFound: The app has no such endpoint; names the nearest.
        """
        endpoints = self._endpoints()
        if name in endpoints:
            return endpoints[name]
        close = nearest(name, endpoints)
        raise NotFound(
            f"the app has no endpoint {name!r}",
            hint=f"did you mean {close!r}?" if close else f"there are: {', '.join(sorted(endpoints)) or 'none'}",
        )

    def begin_test(self) -> None:
        """Note that another test begins, and let ``function.remote(...)`` reach the endpoints."""
        self._uses.now.clear()
        if self._source.is_ready:
            self._connect()

    def close(self) -> None:
        """Stop answering for ``function.remote(...)``, and close the clients."""
        if self._clients is None:
            return
        from flash.model.dispatch import set_default_caller

        set_default_caller(self._caller_before)
        clients, self._clients = self._clients, None
        for client in clients.values():
            client.close()

    def log_tails(self, *, of_fixtures: bool) -> Iterator[tuple[str, str]]:
        """The last log lines of the endpoints that the running test used, by endpoint.

        Args:
            of_fixtures: The test has fixtures of ours: where it asked for no endpoint itself, a wider fixture may have.
        """
        for name in sorted(self._uses.now or (self._uses.ever if of_fixtures else ())):
            try:
                lines = tuple(once(self._connect()[name].logs())[-_LOG_LINES:])
            except FlashError as error:
                lines = (f"its log cannot be read: {error.headline}",)
            if lines:
                yield name, "\n".join(lines)

    def _endpoints(self) -> Mapping[str, EndpointClient]:
        return _Endpoints(self._connect(), self._uses.add)

    def _connect(self) -> Mapping[str, EndpointClient]:
        if self._clients is None:
            from flash.clients import script_clients
            from flash.cloud.jobs import RemoteCaller
            from flash.model.dispatch import set_default_caller

            attachment = self._source.attachment()
            self._clients = clients = attachment.clients()
            names = {endpoint.id: endpoint.name for endpoint in attachment.endpoints}
            # the endpoints of the run first; others are where the user's key opens them
            elsewhere = script_clients()

            def client_for(request: ClientRequest) -> Callee:
                name = request.endpoint if request.id is None else names.get(request.id, "")
                return clients.get(name) or elsewhere(request)

            self._caller_before = set_default_caller(_OnlyRemote(RemoteCaller(clients, client_for=client_for)))
        return self._clients


class _OnlyRemote:
    """For tests: a plain call of a decorated function runs here, and ``function.remote(...)`` on the endpoint."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def is_here(self, target: Target) -> bool:  # noqa: ARG002  the protocol's
        return True

    def call(self, target: Target, arguments: Mapping[str, object]) -> object:
        return self._caller.call(target, arguments)

    async def acall(self, target: Target, arguments: Mapping[str, object]) -> object:
        return await self._caller.acall(target, arguments)

    def send(self, request: ClientRequest) -> object:
        return self._caller.send(request)

    async def asend(self, request: ClientRequest) -> object:
        return await self._caller.asend(request)


class LogSections:
    """Adds the end of the workers' logs to the report of a test that failed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> _MakeReport:
        """Look at each report."""
        report = yield
        if report.failed:
            fixtures = getattr(item, "fixturenames", ())
            of_fixtures = any(name.startswith("flash_") for name in fixtures)
            for name, tail in self._connection.log_tails(of_fixtures=of_fixtures):
                report.sections.append((f"{LOG_SECTION}{name}", tail))
        return report

    def pytest_unconfigure(self) -> None:
        """Let go."""
        self._connection.close()


if TYPE_CHECKING:
    from collections.abc import Generator

    _MakeReport = Generator[None, pytest.TestReport, pytest.TestReport]
