"""The lease of an environment, and who is dead."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from fakes_deploy import FakePlatform

from flash.deploy.lease import Lease, identity, is_dead
from flash.errors import DeployError, PlatformUnreachable


def test_a_process_that_lives_is_not_dead() -> None:
    """This one."""
    assert identity()
    assert not is_dead(identity())


def test_a_process_that_has_ended_is_dead() -> None:
    """It was of this machine, so that is beyond doubt."""
    code = "from flash.deploy.lease import identity; print(identity())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert is_dead(done.stdout.strip())


def test_a_process_that_has_the_number_of_a_dead_one_is_not_it() -> None:
    """Numbers are used again; times of start are not."""
    machine, pid, started = identity().split("/")
    assert int(pid) == os.getpid()
    assert is_dead(f"{machine}/{pid}/{int(started) - 1}")


@pytest.mark.parametrize("presence", ["", "another-machine/1/2", "nonsense", "a/b/c"])
def test_nothing_is_known_of_processes_of_other_machines(presence: str) -> None:
    """They may live."""
    assert not is_dead(presence)


def lease(platform: FakePlatform) -> Lease:
    platform.held = ("env1", "r1")
    return Lease(platform, "env1", "production")


def test_a_lease_that_another_has_by_now_is_lost() -> None:
    """Nothing is activated after that."""
    platform = FakePlatform()
    held = lease(platform)
    held.check()
    held.renew()
    held.check()
    platform.held = None
    held.renew()
    with pytest.raises(DeployError, match="lease of environment 'production' has been lost"):
        held.check()
    held.release()


def test_a_platform_that_cannot_be_reached_for_a_moment_has_not_taken_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform says when it is lost."""
    platform = FakePlatform()
    held = lease(platform)

    def fail(_: str) -> bool:
        raise PlatformUnreachable("down")

    monkeypatch.setattr(platform, "renew_lease", fail)
    held.renew()
    held.check()
    monkeypatch.setattr(platform, "release_lease", fail)
    held.release()


def test_a_lease_is_released_once_and_is_not_renewed_any_more() -> None:
    """Its thread ends."""
    others = set(threading.enumerate())
    platform = FakePlatform()
    held = lease(platform)
    (thread,) = set(threading.enumerate()) - others
    held.release()
    assert platform.held is None
    platform.held = ("env1", "somebody else")
    held.release()
    assert platform.held == ("env1", "somebody else")
    thread.join(10)
    assert not thread.is_alive()
