"""Two deployers, one environment: one at a time, and whoever was thought dead does no harm when it wakes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest
from faults.conftest import Scene
from faults.proxy import Exchange, Plan
from faults.world import NEW, OLD, OTHER, Deployer, Outcome

pytestmark = [pytest.mark.faults, pytest.mark.parametrize("scenario", ["redeploy"])]

_PATIENCE_S = 60.0
_TTL_S = 60.0
"""Longer than a lease lasts that nobody renews."""


class Held:
    """A run that is held up at one of its requests: it was sent, and is not yet forwarded."""

    def __init__(self, scene: Scene, deployer: Deployer, version: str, at: str) -> None:
        self.reached, self.goes_on = threading.Event(), threading.Event()
        self._scene, self._deployer = scene, deployer
        self.root = scene.root
        self.plan = Plan(at=at, fault=self._hold)
        self.pid = scene.world.start(deployer, self.root, version, self.plan)
        assert self.reached.wait(_PATIENCE_S), "it did not come that far"

    def _hold(self, exchange: Exchange) -> None:
        self.reached.set()
        self.goes_on.wait(_PATIENCE_S)
        exchange.answer(exchange.forward())

    def end(self) -> Outcome:
        """Let it go on, to its end."""
        self.goes_on.set()
        status, said = self._deployer.wait()
        self._scene.world.proxy.end()
        return Outcome(status, said, self.plan.seen, self.plan.has_struck)


@pytest.fixture
def other(scene: Scene) -> Iterator[Deployer]:
    """A second deployer."""
    deployer = Deployer(scene.world.home)
    yield deployer
    deployer.close()


@pytest.mark.parametrize("at", ["saveEndpoint[2]", "deployBuildToEnvironment[1]", "retireFlashVersions[1]"])
def test_a_second_deployment_is_refused_while_one_is_under_way(
    scene: Scene, other: Deployer, scenario: str, at: str
) -> None:
    """It is told who deploys there; the first is not disturbed."""
    first = Held(scene, other, NEW, at)

    second = scene.world.run(scene.world.checkout(scene.app), OLD, proxy=scene.world.second)
    done = first.end()

    assert second.said.get("error") == "Busy", second
    assert str(first.pid) in second.said["message"], second
    assert "hint:" in second.said["message"], second
    assert done.phase == "deployed", done
    scene.check_converges()


@pytest.mark.parametrize("at", ["saveEndpoint[2]", "updateFlashBuildManifest[1]", "deployBuildToEnvironment[1]"])
def test_who_was_stopped_until_its_lease_ended_activates_nothing(
    scene: Scene, other: Deployer, scenario: str, at: str
) -> None:
    """Another run took over meanwhile; what that made live stays live."""
    first = Held(scene, other, OTHER, at)
    os.kill(first.pid, signal.SIGSTOP)
    scene.world.pass_time(_TTL_S)

    elsewhere = scene.world.checkout(scene.app)
    second = scene.world.run(elsewhere, NEW, proxy=scene.world.second)
    os.kill(first.pid, signal.SIGCONT)
    woken = first.end()

    assert second.phase == "deployed", second
    assert woken.has_failed, woken
    assert scene.world.live(scene.app, NEW) == NEW
    scene.check_converges(elsewhere)


def test_who_was_stopped_and_woke_in_time_goes_on(scene: Scene, other: Deployer, scenario: str) -> None:
    """A lease that has ended, and that nobody took, can be renewed."""
    first = Held(scene, other, NEW, "saveEndpoint[2]")
    os.kill(first.pid, signal.SIGSTOP)
    scene.world.pass_time(_TTL_S)
    os.kill(first.pid, signal.SIGCONT)

    done = first.end()

    # whether it goes on or gives up is its own affair: it must be true
    assert scene.world.live(scene.app, OLD, NEW) == (NEW if done.phase == "deployed" else OLD), done
    scene.check_converges()


def test_a_dead_run_is_in_nobodys_way(scene: Scene, other: Deployer, scenario: str) -> None:
    """Its lease is taken over at once, from its own checkout and from another on this machine."""
    first = Held(scene, other, NEW, "saveEndpoint[2]")
    os.kill(first.pid, signal.SIGKILL)
    dead = first.end()

    assert dead.status == -signal.SIGKILL
    scene.check_converges(scene.world.checkout(scene.app))
