"""Local platforms as child processes: found, private, gone with their owner."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flash.errors import PortTaken, PreviewError
from flash.preview import local


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A ``FLASH_HOME`` of the test's own, whose platform is stopped at the end."""
    monkeypatch.setenv("FLASH_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    local.stop_platform()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(state: local.PlatformState, key: str | None = None) -> int:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    query = {"query": "query { myself { id } }", "variables": {}}
    return httpx.post(f"{state.url}/graphql", json=query, headers=headers, trust_env=False).status_code


def test_there_is_one_platform_per_home(home: Path, free_port: int) -> None:
    """The second start finds the first."""
    said: list[str] = []

    first = local.start_platform(free_port, report=said.append, wanted="process")
    second = local.start_platform(report=said.append)

    assert second == first == local.find_platform()
    assert first.url == f"http://127.0.0.1:{free_port}"
    assert said == [f"started the local platform at {first.url}"]


def test_it_comes_back_on_its_port_with_its_key(home: Path, free_port: int) -> None:
    """URLs and key that a user has noted down hold across a stop."""
    before = local.start_platform(free_port, report=lambda _: None)
    assert local.stop_platform()
    assert local.find_platform() is None

    after = local.start_platform(report=lambda _: None)

    assert (after.url, after.api_key) == (before.url, before.api_key)
    assert after.pid != before.pid


def test_only_its_user_can_read_the_key(home: Path, free_port: int) -> None:
    """Every file with the key in it is private, and so is the folder."""
    state = local.start_platform(free_port, report=lambda _: None)

    folder = local.platform_home()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.rglob("*"):
        if path.is_file() and state.api_key.encode() in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert state.api_key not in repr(state)


def test_it_asks_for_the_key(home: Path, free_port: int) -> None:
    """Without it, or with another one, the answer is 401."""
    state = local.start_platform(free_port, report=lambda _: None)

    assert answers(state) == 401
    assert answers(state, "another") == 401
    assert answers(state, state.api_key) == 200


def test_a_port_in_use_is_said_with_what_to_do(home: Path) -> None:
    """The error names the port and the option that mends it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken) as raised:
            local.start_platform(port, report=lambda _: None)

    assert str(port) in raised.value.message
    assert "--port" in raised.value.hint
    assert local.find_platform() is None


def test_what_would_keep_it_from_starting_is_known_without_starting_it(home: Path, free_port: int) -> None:
    """Before anything is built for it; nothing is written."""
    folder = local.platform_home()
    folder.mkdir(parents=True)
    (folder / "port").write_text(str(free_port), encoding="ascii")
    with socket.create_server(("127.0.0.1", free_port)), pytest.raises(PortTaken, match=str(free_port)):
        local.check_start(wanted="process")

    local.check_start(wanted="process")

    assert [path.name for path in folder.iterdir()] == ["port"]
    assert not local.has_state()
    local.start_platform(report=lambda _: None, wanted="process")
    assert local.has_state()


def test_it_runs_on_one_port_at_a_time(home: Path, free_port: int) -> None:
    """Asking for another port while it runs is an error, not a second platform."""
    local.start_platform(free_port, report=lambda _: None)

    with pytest.raises(PortTaken, match="runs already"):
        local.start_platform(free_port + 1, report=lambda _: None)


def test_stopping_what_does_not_run_is_no_error(home: Path) -> None:
    """It says that none ran."""
    assert not local.stop_platform()


def test_what_a_killed_platform_left_is_not_taken_for_one(home: Path, free_port: int) -> None:
    """A state file whose process is gone means that none runs."""
    state = local.start_platform(free_port, report=lambda _: None)
    os.kill(state.pid, signal.SIGKILL)
    os.waitpid(state.pid, 0)

    assert local.find_platform() is None


def test_an_unreadable_state_file_is_an_error(home: Path) -> None:
    """It is not taken for "none runs", which would start a second one."""
    folder = local.platform_home()
    folder.mkdir(parents=True)
    state_file = folder / "platform.json"
    state_file.write_text("{", encoding="utf-8")

    with pytest.raises(PreviewError, match="cannot be read"):
        local.find_platform()

    state_file.unlink()


def test_a_previews_platform_goes_with_its_block(tmp_path: Path) -> None:
    """At the block's end the process has been waited for."""
    with local.launch_platform(tmp_path / "preview") as state:
        assert answers(state, state.api_key) == 200

    with pytest.raises(ProcessLookupError):
        os.kill(state.pid, 0)


_OWNER = """
import os, pathlib, signal, sys
from flash.preview.local import launch_platform
with launch_platform(pathlib.Path(sys.argv[1])) as state:
    print(state.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_previews_platform_goes_with_its_owner_however_that_goes(tmp_path: Path) -> None:
    """A killed owner takes no leave; the end of the pipe tells its platform."""
    environment = {**os.environ, "FLASH_HOME": str(tmp_path / "home")}
    owner = subprocess.run(
        [sys.executable, "-c", _OWNER, str(tmp_path / "preview")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert owner.returncode == -signal.SIGKILL
    watched = int(owner.stdout)

    # a pidfd becomes readable when its process ends; where it has ended already there is none to open
    try:
        descriptor = os.pidfd_open(watched)
    except ProcessLookupError:
        return
    with os.fdopen(descriptor) as pidfd:
        import select

        ended, _, _ = select.select([pidfd], [], [], 30)
    assert ended
