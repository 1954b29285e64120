"""Local platforms as child processes: started, found, stopped. The only place in ``preview`` that starts a process.

Two kinds, one program (``python -m flash.preview.local CONFIG``):

* a *preview's* platform lives in a session of its own and holds a pipe from its owner: it goes when the owner goes,
  however the owner goes;
* the *user's* platform, one per ``FLASH_HOME``, has no owner and stays until it is stopped.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import httpx
from filelock import FileLock

from flash import project
from flash.bundle.evaluation import end_session
from flash.cloud.transport import http_client
from flash.errors import PlatformUnreachable, PortTaken, PreviewError
from flash.model.hardware import DEFAULT_PYTHON, PYTHON_VERSIONS
from flash.preview.backend import PROCESSES, Backend, Wanted, choose

if TYPE_CHECKING:
    from flash.emulator.launchers import Launcher
    from flash.preview.bases import Bases

__all__ = [
    "DEFAULT_PORT",
    "PlatformState",
    "check_start",
    "find_platform",
    "has_state",
    "launch_platform",
    "start_platform",
    "stop_platform",
]

DEFAULT_PORT: Final = 8787
_START_DEADLINE_S: Final = 60.0
_STOP_DEADLINE_S: Final = 30.0
_ANSWERS_WITHIN_S: Final = 5.0
_POLL_S: Final = 0.02
_NOUNS: Final = {"process": "processes", "docker": "containers"}


@dataclass(frozen=True, slots=True)
class PlatformState:
    """A local platform that answers.

    Attributes:
        url: Its origin, ``http://127.0.0.1:PORT``.
        backend: What its workers are: ``process`` or ``docker``.
    """

    url: str
    api_key: str = field(repr=False)
    pid: int
    backend: str

    @property
    def port(self) -> int:
        """The port it listens on."""
        return httpx.URL(self.url).port or 80


# ---------------------------------------------------------------------------------------------------------------------
# The user's platform


def platform_home() -> Path:
    """Where the user's platform keeps its state."""
    return project.flash_home() / "platform"


def find_platform() -> PlatformState | None:
    """The user's platform, if it runs and answers."""
    return _answering(platform_home())


def start_platform(
    port: int | None = None,
    *,
    report: Callable[[str], None],
    foreground: bool = False,
    wanted: Wanted = "auto",
    python_versions: Sequence[str] = (DEFAULT_PYTHON, *PYTHON_VERSIONS),
) -> PlatformState:
    """The user's platform, started if it does not run; returns when it answers.

    Args:
        port: Where it listens; else the port it had last, else 8787.
        report: Told what happens, a line each.
        foreground: Serve in this process until it is told to stop. Returns only then.
        wanted: What its workers are to be; ``auto`` takes what they were the last time.
        python_versions: What they may have to run.

    Raises:
        PortTaken: Somebody else listens on the port, or the platform runs on another one already.
        PreviewError: It runs already and its workers are something else, or they cannot be what was asked for.
        PreviewError: It died while starting; the end of its log is in ``detail``.
    """
    home = platform_home()
    _private_folder(home)
    with FileLock(home / "starting.lock"):
        running = _answering(home)
        if running is not None:
            if port is not None and port != running.port:
                raise PortTaken(
                    f"the local platform runs already, on port {running.port} instead of {port}",
                    hint="stop it first: flash platform stop",
                )
            if wanted not in ("auto", running.backend):
                raise PreviewError(
                    f"the local platform runs already, and its workers are {_NOUNS[running.backend]}",
                    hint=f"flash platform stop, then flash platform start --backend {wanted}",
                )
            return running
        backend = _backend(home, wanted, python_versions)
        config = _config(home, port=port or _last_port(home), policy="scale", owner_fd=None, backend=backend)
        if not foreground:
            process = _spawn(config, home)
            state = _await_start(process, home)
            # it is to outlive this process: nobody here waits for it, and its Popen must not complain of that
            process.returncode = 0
            (home / "port").write_text(f"{state.port}\n", encoding="ascii")
            reason = f"; its workers are {_NOUNS[backend.name]}: {backend.reason}" if backend.reason else ""
            report(f"started the local platform at {state.url}{reason}")
            return state
    _serve(config)
    return PlatformState(url="", api_key="", pid=os.getpid(), backend=backend.name)


def check_start(
    *, wanted: Wanted = "auto", python_versions: Sequence[str] = (DEFAULT_PYTHON, *PYTHON_VERSIONS)
) -> None:
    """Raise what keeps the user's platform from starting, as far as that can be known; starts nothing.

    Raises:
        PortTaken: Somebody else listens on the port that it would take.
        PreviewError: Its workers cannot be what was asked for.
    """
    from flash.emulator.server import check_port

    home = platform_home()
    _chosen(home, wanted, python_versions)
    check_port(_last_port(home))


def has_state() -> bool:
    """Whether the user's platform has ever been started: something may be deployed on it that comes back with it."""
    return (platform_home() / "state.db").exists()


def stop_platform() -> bool:
    """Stop the user's platform and its workers; what is deployed there comes back when it is started again.

    Returns:
        Whether one ran.

    Raises:
        PreviewError: It did not stop in 30 s.
    """
    state = find_platform()
    if state is None:
        return False
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_DEADLINE_S
    while _is_alive(state.pid):
        if time.monotonic() > deadline:
            raise PreviewError(
                f"the local platform (process {state.pid}) did not stop in {_STOP_DEADLINE_S:.0f} s",
                hint=f"its log is {platform_home() / 'platform.log'}",
            )
        time.sleep(_POLL_S)
    return True


def _backend(home: Path, wanted: Wanted, python_versions: Sequence[str]) -> Backend:
    """What the workers of the user's platform will be; what was asked for, or found, holds for the next start too."""
    backend = _chosen(home, wanted, python_versions)
    if wanted != "auto" or backend.name == "docker":
        _last_backend(home).write_text(f"{backend.name}\n", encoding="ascii")
    return backend


def _chosen(home: Path, wanted: Wanted, python_versions: Sequence[str]) -> Backend:
    last = _last_backend(home)
    if wanted == "auto" and last.exists() and last.read_text(encoding="ascii").strip() == "process":
        return PROCESSES
    return choose(wanted, python_versions)


def _last_backend(home: Path) -> Path:
    return home / "backend"


def _last_port(home: Path) -> int:
    try:
        return int((home / "port").read_text(encoding="ascii"))
    except FileNotFoundError:
        return DEFAULT_PORT
    except ValueError as error:
        raise PreviewError(f"{home / 'port'} holds no port: {error}", hint="delete that file") from error


# ---------------------------------------------------------------------------------------------------------------------
# A preview's platform


@contextmanager
def launch_platform(home: Path, backend: Backend = PROCESSES) -> Iterator[PlatformState]:
    """A platform of the block's own on a free port; gone, with its workers, at the end of the block or of this process.

    Args:
        home: An empty folder for its state.
        backend: What its workers are.

    Raises:
        PreviewError: It died, while starting or later; what it left of containers is removed.
    """
    _private_folder(home)
    owner_read, owner_write = os.pipe()
    try:
        config = _config(home, port=0, policy="one", owner_fd=owner_read, backend=backend)
        process = _spawn(config, home, pass_fds=(owner_read,))
    except BaseException:
        os.close(owner_write)
        raise
    finally:
        os.close(owner_read)
    try:
        yield _await_start(process, home)
    finally:
        os.close(owner_write)
        try:
            process.wait(_STOP_DEADLINE_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
            # its workers end with it
            process.kill()
            process.wait()
            if isinstance(error, KeyboardInterrupt):
                # whoever interrupts the stop does not want to wait for it
                raise
        finally:
            # whatever made a base environment for it
            end_session(process)
            if process.returncode != 0:
                _bury(home, backend)


def _bury(home: Path, backend: Backend) -> None:
    """Remove what a platform that died has left, and say why it died, if it could."""
    said = _start_error(home, "") if (home / "start-error.json").exists() else None
    if backend.name == "docker":
        from flash.emulator.launchers.leftovers import Labels, sweep
        from flash.emulator.launchers.sdk import DockerContainers

        try:
            with closing(DockerContainers(backend.host)) as containers:
                sweep(containers, Labels.of(project.flash_home(), home))
        except PreviewError as error:
            # an engine that is gone keeps what it has for the next run; why the platform died says more
            raise said or error from error
    if said is not None:
        raise said


# ---------------------------------------------------------------------------------------------------------------------
# Both


def _config(home: Path, *, port: int, policy: Literal["one", "scale"], owner_fd: int | None, backend: Backend) -> Path:
    """Write what the child is to serve; a file, because arguments can be read by every user of the machine."""
    key = home / "api-key"
    if not key.exists():
        _write_private(key, f"flash_{secrets.token_urlsafe(24)}")
    config = home / "config.json"
    settings = {
        "home": str(home),
        "port": port,
        "policy": policy,
        "owner_fd": owner_fd,
        "backend": backend.name,
        "docker_host": backend.host,
        "api_key": key.read_text(encoding="ascii"),
    }
    _write_private(config, json.dumps(settings))
    return config


def _private_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _spawn(config: Path, home: Path, *, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    (home / "start-error.json").unlink(missing_ok=True)
    (home / "platform.json").unlink(missing_ok=True)
    with (home / "platform.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "flash.preview.local", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            env=_tool_environment(),
            pass_fds=pass_fds,
            # Ctrl+C at the terminal is the owner's to handle: it closes the pipe when it is done
            start_new_session=True,
        )


def _tool_environment() -> dict[str, str]:
    """This process's environment, without what would reroute the child or show it a key that is not for it."""
    dropped = ("RUNPOD_", "PYTEST_", "COV_", "COVERAGE_")
    return {name: value for name, value in project.environment().items() if not name.startswith(dropped)}


def _await_start(process: subprocess.Popen[bytes], home: Path) -> PlatformState:
    deadline = time.monotonic() + _START_DEADLINE_S
    while True:
        state = _read_state(home)
        if state is not None and state.pid == process.pid:
            return state
        if process.poll() is not None:
            raise _start_error(home, f"it exited with status {process.returncode}")
        if time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise _start_error(home, f"it did not answer in {_START_DEADLINE_S:.0f} s")
        time.sleep(_POLL_S)


def _start_error(home: Path, reason: str) -> PreviewError:
    try:
        said = json.loads((home / "start-error.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return PreviewError(f"the local platform did not start: {reason}", detail=_tail(home / "platform.log"))
    kind = PortTaken if said["type"] == "PortTaken" else PreviewError
    return kind(said["message"], hint=said["hint"], detail=said["detail"])


def _tail(path: Path, lines: int = 20) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _read_state(home: Path) -> PlatformState | None:
    path = home / "platform.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return PlatformState(url=data["url"], api_key=data["api_key"], pid=data["pid"], backend=data["backend"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as error:
        raise PreviewError(
            f"{path} cannot be read: {error}", hint="delete that file; the platform writes it"
        ) from error


def _answering(home: Path) -> PlatformState | None:
    state = _read_state(home)
    if state is None:
        return None
    try:
        with http_client(state.url) as client:
            reply = client.get(
                f"{state.url}/flash/healthz",
                headers={"Authorization": f"Bearer {state.api_key}"},
                timeout=_ANSWERS_WITHIN_S,
            )
    except httpx.ConnectError:
        # what a killed platform leaves behind; the next start replaces it
        return None
    except httpx.TransportError as error:
        raise PlatformUnreachable(
            f"the local platform at {state.url} does not answer: {error}",
            hint=f"its log is {home / 'platform.log'}; if it hangs, end process {state.pid}",
        ) from error
    # another program may have taken the port since
    return state if reply.is_success and reply.json().get("pid") == state.pid else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # one that has ended and that its parent has not asked after looks alive to kill(2)
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] != "Z"


# ---------------------------------------------------------------------------------------------------------------------
# The child


def _serve(config_path: Path) -> None:
    from flash.bundle.install import Uv
    from flash.emulator.server import PlatformConfig, serve
    from flash.preview.bases import Bases

    settings = json.loads(config_path.read_text(encoding="utf-8"))
    home = Path(settings["home"])
    bases = Bases(project.flash_home() / "bases", Uv(environment=project.environment()), report=lambda _line: None)
    config = PlatformConfig(
        home=home,
        port=settings["port"],
        policy=settings["policy"],
        owner_fd=settings["owner_fd"],
        api_key=settings["api_key"],
    )
    serve(config, launcher=_launcher(settings, home, bases))


def _launcher(settings: Mapping[str, Any], home: Path, bases: Bases) -> Launcher:
    if settings["backend"] == "process":
        from flash.emulator.launchers.process import ProcessLauncher

        return ProcessLauncher(bases.python)
    from flash.emulator.launchers.docker import DockerLauncher
    from flash.emulator.launchers.leftovers import Labels
    from flash.emulator.launchers.sdk import DockerContainers

    return DockerLauncher(
        DockerContainers(settings["docker_host"]),
        labels=Labels.of(project.flash_home(), home),
        folder=home,
        library_for=bases.library,
        compile_for=bases.compile,
        is_preview=settings["owner_fd"] is not None,
    )


def main(config_path: str) -> None:
    """Serve as the configuration file says; leaves ``start-error.json`` where that fails."""
    from flash.errors import FlashError

    path = Path(config_path)
    try:
        _serve(path)
    except FlashError as error:
        said = {"type": type(error).__name__, "message": error.message, "hint": error.hint, "detail": error.detail}
        (path.parent / "start-error.json").write_text(json.dumps(said), encoding="utf-8")
        raise


if __name__ == "__main__":
    main(sys.argv[1])
