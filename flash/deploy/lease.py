"""The lease of an environment: on a platform that has leases, one run at a time deploys there.

It ends by itself soon after its holder does, on the platform's own clock. That of a run which is known to be dead is
taken over at once; otherwise it is watched until it has ended, or its holder has shown to be alive.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash.errors import Busy, DeployError, FlashError

if TYPE_CHECKING:
    from flash.cloud.control import ControlPlane
    from flash.cloud.records import LeaseRecord
    from flash.deploy.rollout import Site

__all__ = ["Lease", "acquire", "identity", "is_dead"]

_RENEWED_EVERY_S: Final = 5.0
_WATCHED_EVERY_S: Final = 0.5
_LATE_S: Final = 1.0
"""Answers take a while: only what has grown by more than that has been renewed."""
_PROC: Final = Path("/proc")


class Lease:
    """A lease that is held, and renewed from a thread of its own until it is released."""

    def __init__(self, control: ControlPlane, environment_id: str, environment: str) -> None:
        self._control = control
        self._environment_id = environment_id
        self._environment = environment
        self._ended = threading.Event()
        self._is_lost = False
        self._thread = threading.Thread(target=self._beat, name="flash-lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise where it has been lost: this machine has slept, or nothing reached the platform for too long."""
        if self._is_lost:
            raise DeployError(
                f"the lease of environment {self._environment!r} has been lost: somebody else may deploy there",
                hint="what is live was left as it is; run it again",
            )

    def release(self) -> None:
        """Let others in."""
        if self._ended.is_set():
            return
        self._ended.set()
        # one that cannot be given back ends by itself
        with suppress(FlashError):
            self._control.release_lease(self._environment_id)

    def renew(self) -> None:
        """Hold it for another while."""
        # a platform that cannot be reached now may be in a moment: whether it is lost is the platform's word
        with suppress(FlashError):
            self._is_lost = not self._control.renew_lease(self._environment_id)

    def _beat(self) -> None:
        # where the client is closed under it, its owner is done
        with suppress(RuntimeError):
            while not self._ended.wait(_RENEWED_EVERY_S):
                self.renew()


def acquire(site: Site, *, base_build_id: str | None) -> Lease:
    """Take the lease of an environment.

    Raises:
        Busy: Somebody else deploys there; says who.
        DeployError: Something else is live than *base_build_id*.
    """
    holder = f"{site.run} {identity()}"
    take_over, first = "", None
    while True:
        asked_at = site.clock()
        grant = site.control.acquire_lease(site.environment_id, holder=holder, who=site.who, take_over=take_over)
        if grant.is_granted:
            break
        theirs = grant.lease
        if theirs.holder != take_over and _is_of_dead_run(theirs, site):
            site.report(f"{theirs.who} was deploying to {site.environment}, and is dead: taking over")
            take_over = theirs.holder
            continue
        if first is None or first[0].holder != theirs.holder:
            site.report(f"{theirs.who} has the lease of {site.environment}: looking whether that is alive")
            first = (theirs, asked_at)
        left_s = first[0].expires_in_s - (asked_at - first[1])
        if theirs.expires_in_s > left_s + _LATE_S or theirs.expires_in_s <= 0:
            raise _busy(theirs, site)
        site.sleep(min(_WATCHED_EVERY_S, max(theirs.expires_in_s, 0.05)))
    if grant.active_build_id != base_build_id:
        with suppress(FlashError):
            site.control.release_lease(site.environment_id)
        raise changed(site.environment, grant.active_build_id, base_build_id)
    return Lease(site.control, site.environment_id, site.environment)


def changed(environment: str, now: str | None, planned: str | None) -> DeployError:
    """Something else is live than when the plan was made."""
    return DeployError(
        f"environment {environment!r} has changed since the plan was made: build {now or 'none'} is live, "
        f"not {planned or 'none'}",
        hint="somebody else deployed meanwhile; run it again",
    )


def _busy(theirs: LeaseRecord, site: Site) -> Busy:
    return Busy(
        f"environment {site.environment!r} is being deployed to by {theirs.who}, since {theirs.since}",
        hint=f"wait until that is done and run it again; if that run is dead, its lease ends in "
        f"{theirs.expires_in_s:.0f} s by itself",
    )


def _is_of_dead_run(theirs: LeaseRecord, site: Site) -> bool:
    run, _, presence = theirs.holder.partition(" ")
    return is_dead(presence) or site.journal.is_dead(run)


# ---------------------------------------------------------------------------------------------------------------------
# Who lives


def identity() -> str:
    """This process, so that others on this machine can see whether it lives; empty where that cannot be told."""
    pid = os.getpid()
    machine, started = _machine(), _started(pid)
    return f"{machine}/{pid}/{started}" if machine and started else ""


def is_dead(presence: str) -> bool:
    """Whether the process that :func:`identity` named is gone, beyond doubt: it was of this machine."""
    machine, _, rest = presence.partition("/")
    pid, _, started = rest.partition("/")
    if not started or not pid.isdigit() or machine != _machine():
        return False
    return _started(int(pid)) != started


def _machine() -> str:
    """This boot of this machine, and the namespace in which process ids mean something."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process was started, in ticks since boot; empty where there is none, or a dead one."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    # state is the first field after the name, the start time the twentieth
    return "" if fields[0] in {"Z", "X"} else fields[19]
