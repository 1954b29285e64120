"""Workers as processes of this machine, in a base environment and with a scrubbed environment.

Each is the leader of a session of its own, so that what it starts ends with it, and holds the end of a pipe that closes
when the platform dies. Nothing of the tool's own environment is on its path.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash.emulator.launchers import Code
from flash.errors import PreviewError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from flash.emulator.launchers import WorkerSpec

__all__ = ["ProcessLauncher", "ProcessWorker"]

_LOG: Final = logging.getLogger(__name__)
_MODULE: Final = "flash.runtime.worker"
# what the images start; run by its path, in the worker's interpreter
_STAND_IN: Final = Path(__file__).with_name("stand_in.py")
_POLL_S: Final = 0.02
_SYSTEM_PATH: Final = ("/usr/local/bin", "/usr/bin", "/bin")
# would change what a worker imports: the artifact and the base environment are all it gets
_NEVER: Final = ("PYTHONSAFEPATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV")


class ProcessWorker:
    """A worker process.

    Args:
        home: Its home and temporary folder, removed with it.
    """

    def __init__(self, process: subprocess.Popen[bytes], *, url: str | None, home: Path) -> None:
        self.url = url
        self._process = process
        self._home = home

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs. What it left running is ended."""
        if self._process.returncode is not None:
            return self._process.returncode
        # looked at before it is reaped: until then its group's id cannot be another's
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        self._signal_group(signal.SIGKILL)
        code = self._process.wait()
        shutil.rmtree(self._home, ignore_errors=True)
        return code

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to the worker, which drains; after *grace_s*, SIGKILL to its whole group."""
        if self.exit_code() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_s
        while self.exit_code() is None:
            if loop.time() >= deadline:
                self._signal_group(signal.SIGKILL)
                deadline = float("inf")
            await asyncio.sleep(_POLL_S)

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            # macOS answers EPERM for a group of which only the zombie is left
            return


class ProcessLauncher:
    """Starts workers as processes.

    Args:
        python_for: The interpreter of the base environment for a Python version and the distributions of an image.
            May take long: it is called in a thread.
    """

    name = "process"

    def __init__(self, python_for: Callable[[str, tuple[str, ...]], Path]) -> None:
        self._python_for = python_for
        # the write end is never inherited: it closes when this process ends, however it does
        self._owned, self._owner = os.pipe()

    def close(self) -> None:
        """Close the pipe; workers that still run exit."""
        os.close(self._owner)
        os.close(self._owned)

    async def open(self) -> None:
        """There is nothing to prepare."""

    async def keep(self, digests: Collection[str]) -> bool:  # noqa: ARG002  the protocol's
        """There is nothing to forget: artifacts are the platform's."""
        return True

    async def lost(self) -> str:
        """Never ends: processes can always be started."""
        await asyncio.Event().wait()
        return ""

    async def aclose(self) -> None:
        """There is nothing to remove."""

    async def launch(self, spec: WorkerSpec) -> ProcessWorker:
        """Start a worker process.

        Raises:
            FlashError: It has no handler, there is no base environment, or it cannot be started.
        """
        return await asyncio.to_thread(self._launch, spec)

    def _launch(self, spec: WorkerSpec) -> ProcessWorker:
        handler = spec.artifact_dir / f"handler_{spec.endpoint_name}.py"
        if not handler.is_file():
            raise PreviewError(
                f"endpoint {spec.endpoint_name!r} has no handler in its artifact, it runs the image {spec.image!r}",
                hint="only containers can run images",
            )
        if spec.code is not Code.FLASH:
            _LOG.info(
                "endpoint %s: its artifact is not of Flash; its base environment has all that the images ship: %s",
                spec.endpoint_name,
                ", ".join(spec.provided),
            )
        python = self._python_for(spec.python_version, spec.provided)
        home = spec.log_path.with_suffix(".home")
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        environment = _environment(spec.environment, python=python, home=home)
        environment["FLASH_OWNER_FD"] = str(self._owned)
        listener = _listener() if spec.is_load_balanced else None
        inherited = [self._owned]
        url = None
        if listener is not None:
            # bound and listening before the worker exists: its port is nobody else's, and no connection is refused
            environment["FLASH_LISTEN_FD"] = str(listener.fileno())
            inherited.append(listener.fileno())
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            log = os.open(spec.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                process = subprocess.Popen(
                    [str(python), *_arguments(spec.code, handler, self._owned, listener)],
                    cwd=spec.artifact_dir,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=inherited,
                    start_new_session=True,
                )
            finally:
                os.close(log)
        except OSError as error:
            shutil.rmtree(home, ignore_errors=True)
            raise PreviewError(f"the worker's interpreter {str(python)!r} cannot be started: {error}") from error
        finally:
            if listener is not None:
                listener.close()
        return ProcessWorker(process, url=url, home=home)


def _arguments(code: Code, handler: Path, owner_fd: int, listener: socket.socket | None) -> list[str]:
    if code is Code.FLASH:
        return ["-m", _MODULE]
    kind = code.value if listener is None else "application"
    return [str(_STAND_IN), kind, str(handler), str(owner_fd), *([] if listener is None else [str(listener.fileno())])]


def _environment(told: Mapping[str, str], *, python: Path, home: Path) -> dict[str, str]:
    environment = {
        "PATH": os.pathsep.join((str(python.parent), *_SYSTEM_PATH)),
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **told,
    }
    return {key: value for key, value in environment.items() if key not in _NEVER}


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    # connections inherit it; asyncio sets it only where it made the socket, and without it replies take 40 ms more
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
