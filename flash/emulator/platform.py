"""All parts of a local platform, tied together; without a socket, so that it also runs on a test's clock."""

from __future__ import annotations

import asyncio
import secrets
import time
from ipaddress import IPv4Network, ip_address
from random import Random
from typing import TYPE_CHECKING, Final

import httpx

from flash.emulator import limits
from flash.emulator.access import Access
from flash.emulator.artifacts import ArtifactStore
from flash.emulator.fleet import Fleet
from flash.emulator.leases import Leases
from flash.emulator.login import Logins
from flash.emulator.logs import WorkerLogs
from flash.emulator.provision import Addresses
from flash.emulator.queue import JobQueue
from flash.emulator.rates import Rates
from flash.emulator.scaler import Policy
from flash.emulator.state import State
from flash.emulator.traffic import Traffic
from flash.emulator.webhook import Webhooks
from flash.model.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from flash.emulator.job import Job
    from flash.emulator.launchers import Launcher

__all__ = ["Platform", "random_id", "steady_clock"]

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_TICK_S: Final = 0.1


def random_id() -> str:
    """An id that matches ``[a-z0-9]{14}`` and cannot be guessed."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(14))


def steady_clock() -> Callable[[], float]:
    """A clock in seconds since 1970 that never jumps, whatever happens to the machine's."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


class Platform:
    """A local platform.

    Args:
        home: Folder of its own: state, uploads, unpacked artifacts, logs.
        api_key: The key that everything needs.
        transport: How workers and webhooks are reached; a test's stand-in.
        draw: Which calls go to a version that has a share of them.

    Attributes:
        base_url: Where it answers, known once it listens.
        worker_url: Where it answers its workers: the same, unless they have a network of their own.
        peers: The networks that it answers, apart from loopback.
    """

    def __init__(
        self,
        home: Path,
        *,
        api_key: str,
        launcher: Launcher,
        policy: Policy = Policy.ONE,
        clock: Callable[[], float] | None = None,
        new_id: Callable[[], str] = random_id,
        transport: httpx.AsyncBaseTransport | None = None,
        draw: Random | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.clock = clock or steady_clock()
        self.base_url = self.worker_url = ""
        self.peers: tuple[IPv4Network, ...] = ()
        self.backend = launcher.name
        self.access = Access(api_key)
        self._launcher = launcher
        self._kept: frozenset[str] | None = None
        self.state = State(home / "state.db", clock=self.clock, new_id=new_id)
        self.artifacts = ArtifactStore(home)
        self.logs = WorkerLogs(home / "logs", redact=lambda text: self.artifacts.as_in_images(self.access.redact(text)))
        # proxies of the user's environment know nothing of loopback
        self.client = httpx.AsyncClient(transport=transport, trust_env=False, limits=httpx.Limits(max_connections=None))
        self.leases = Leases(self.clock)
        self.traffic = Traffic(self.leases, draw or Random())  # noqa: S311  nobody gains by knowing it
        self.logins = Logins(self.clock, new_id)
        # the checks and tests of a preview ask as fast as they can
        self.rates = Rates(self.clock, limits.RATES if policy is Policy.SCALE else {})
        self.webhooks = Webhooks(self.client, self.clock)
        self.queue = JobQueue(
            self.clock,
            new_id,
            may_take=lambda worker: self.fleet.may_take(worker),  # noqa: PLW0108  the fleet is made of the queue
            lane_of=lambda worker: self.fleet.lane_of(worker),  # noqa: PLW0108
            on_take=lambda job: self.fleet.note_taken(job),  # noqa: PLW0108
            on_finish=self._on_finish,
        )
        self.fleet = Fleet(
            state=self.state,
            queue=self.queue,
            artifacts=self.artifacts,
            access=self.access,
            logs=self.logs,
            launcher=launcher,
            client=self.client,
            traffic=self.traffic,
            policy=policy,
            clock=self.clock,
            new_id=new_id,
        )

    def start(self, base_url: str, *, worker_url: str = "", peers: Iterable[str] = ()) -> None:
        """Begin at that address; what was active before is started again by the next round.

        Args:
            base_url: Where it answers.
            worker_url: Where it answers its workers, if elsewhere.
            peers: Networks that it answers, apart from loopback.
        """
        self.base_url = base_url
        self.worker_url = worker_url or base_url
        self.peers = tuple(IPv4Network(peer) for peer in peers)
        self.fleet.addresses = Addresses(self.worker_url)
        self.logs.sweep()
        self.artifacts.keep_only(*self.state.references())
        self.fleet.changed()

    async def run(self) -> None:
        """Rounds without end, until cancelled."""
        while True:
            await self.tick()
            await self.fleet.woken(_TICK_S)

    async def tick(self) -> None:
        """One round: let time pass, and bring the workers to what they should be."""
        self.queue.tick()
        self.webhooks.tick()
        await self.fleet.reconcile()
        digests = self.fleet.digests()
        if digests != self._kept:
            self._kept = digests if await self._launcher.keep(digests) else None

    def answers(self, host: str) -> bool:
        """Whether requests from that address are heard at all."""
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return address.is_loopback or any(address in network for network in self.peers)

    async def settle(self) -> None:
        """Until nothing that was begun is under way."""
        await self.fleet.settle()
        await self.webhooks.settle()

    async def stop_workers(self, grace_s: float) -> None:
        """Stop all workers, while the platform still takes their results."""
        await self.fleet.close(grace_s)

    async def close(self) -> None:
        """End every wait, and close what is open."""
        self.queue.close()
        self.webhooks.close()
        await self.client.aclose()
        await asyncio.sleep(0)
        self.state.close()

    def _on_finish(self, job: Job) -> None:
        self.webhooks.note(job)
        if job.version_id and job.state is not JobState.CANCELLED:
            self.traffic.note(job.version_id, is_failure=job.state is not JobState.COMPLETED)
        if job.worker_id and job.state in (JobState.CANCELLED, JobState.TIMED_OUT):
            self.fleet.suspect(job.worker_id)
