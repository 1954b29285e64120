"""A local platform as a process: it listens, says where, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from flash.emulator.gateway import application
from flash.emulator.platform import Platform
from flash.emulator.scaler import Policy
from flash.errors import PortTaken, PreviewError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flash.emulator.launchers import Launcher, WorkerNetwork

__all__ = ["STATE_FILE", "PlatformConfig", "check_port", "serve"]

_LOG: Final = logging.getLogger(__name__)
STATE_FILE: Final = "platform.json"
_STOP_GRACE_S: Final = 5.0
_CLOSE_S: Final = 2
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class PlatformConfig:
    """How a platform is to run.

    Attributes:
        home: Folder of its own.
        port: 0 for a free one.
        policy: ``"one"`` worker per version, or ``"scale"``.
        owner_fd: Read end of its owner's pipe: at its end the platform stops.
        api_key: What callers must show.
        started_by: What started it, for people who wonder.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 0
    policy: Policy = Policy.ONE
    owner_fd: int | None = None
    api_key: str = field(repr=False)
    started_by: str = ""


def serve(config: PlatformConfig, *, launcher: Launcher) -> None:
    """Run a platform until SIGTERM, SIGINT, or its owner's end; then its workers are gone too.

    Raises:
        PortTaken: Somebody else listens there.
        PreviewError: No worker can be started, or none any more.
    """
    with contextlib.closing(_listen(config.host, config.port)) as listener, _log_file(config.home):
        asyncio.run(_serve(config, listener, launcher))


async def _serve(config: PlatformConfig, listener: socket.socket, launcher: Launcher) -> None:
    stopping = asyncio.Event()
    platform = Platform(config.home, api_key=config.api_key, launcher=launcher, policy=Policy(config.policy))
    server = _Server(
        uvicorn.Config(
            application(platform),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_CLOSE_S,
            timeout_keep_alive=75,
        )
    )
    _stop_on_signals(stopping)
    if config.owner_fd is not None:
        _stop_with_owner(config.owner_fd, stopping)
    url = _url(listener)
    listeners = [listener]
    try:
        network = await launcher.open()
        if network is None:
            platform.start(url)
        else:
            listeners.append(_listen_to_workers(network))
            platform.start(url, worker_url=_url(listeners[1]), peers=[network.subnet])
        await _answer(config, platform, server, listeners, launcher, stopping)
    finally:
        for each in listeners[1:]:
            each.close()
        await platform.close()
        await launcher.aclose()


async def _answer(
    config: PlatformConfig,
    platform: Platform,
    server: _Server,
    listeners: list[socket.socket],
    launcher: Launcher,
    stopping: asyncio.Event,
) -> None:
    answering = asyncio.ensure_future(server.serve(sockets=listeners))
    starting = asyncio.ensure_future(server.has_started.wait())
    rounds = asyncio.ensure_future(platform.run())
    ending = asyncio.ensure_future(stopping.wait())
    losing = asyncio.ensure_future(launcher.lost())
    state_file = config.home / STATE_FILE
    try:
        await asyncio.wait({answering, starting}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return
        _write_state(state_file, config, url=platform.base_url, backend=launcher.name)
        _LOG.info("answers at %s", platform.base_url)
        await asyncio.wait({answering, rounds, ending, losing}, return_when=asyncio.FIRST_COMPLETED)
        if losing.done():
            again = "`flash platform start`" if config.owner_fd is None else "run this again"
            raise PreviewError(losing.result(), hint=f"start it, and then {again}; what is left over goes then")
    finally:
        state_file.unlink(missing_ok=True)
        rounds.cancel()
        # workers finish their jobs and report them: the platform answers until they are gone
        await platform.stop_workers(_STOP_GRACE_S)
        platform.queue.close()
        server.should_exit = True
        results = await asyncio.gather(answering, rounds, return_exceptions=True)
        for waiting in (ending, starting, losing):
            waiting.cancel()
        for result in results:
            if isinstance(result, Exception):
                raise result


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again before the workers are gone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()


def check_port(port: int, host: str = "127.0.0.1") -> None:
    """Raise where a platform could not listen.

    Raises:
        PortTaken: Somebody else does, or nobody may.
    """
    _listen(host, port).close()


def _listen(host: str, port: int) -> socket.socket:
    if host not in _LOOPBACK:
        raise PortTaken(f"a local platform listens on loopback only, not on {host!r}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise PortTaken(
            f"port {port} on {host} is taken: {os.strerror(error.errno)}",
            hint="choose another: flash platform start --port N; or stop what listens there",
        ) from error
    return _without_delay(listener)


def _without_delay(listener: socket.socket) -> socket.socket:
    # connections inherit it; asyncio sets it only where it made the socket, and without it replies take 40 ms more
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _listen_to_workers(network: WorkerNetwork) -> socket.socket:
    try:
        return _without_delay(socket.create_server((network.gateway, 0), backlog=2048))
    except OSError as error:
        raise PreviewError(
            f"cannot listen at {network.gateway}, where containers reach the platform: {error.strerror or error}",
            hint="containers must run on this machine, not in a virtual one; without them: --flash-backend=process",
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _stop_on_signals(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        # not the loop's own handlers: not every platform's loop has them
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopping.set))


def _stop_with_owner(owner_fd: int, stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(owner_fd, 1):
            pass
        with contextlib.suppress(RuntimeError):  # the loop has ended before the owner
            loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=watch, name="flash-owner", daemon=True).start()


def _write_state(path: Path, config: PlatformConfig, *, url: str, backend: str) -> None:
    state: dict[str, Any] = {
        "url": url,
        "api_key": config.api_key,
        "pid": os.getpid(),
        "backend": backend,
        "started_by": config.started_by,
    }
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(state, file)
    part.replace(path)


@contextlib.contextmanager
def _log_file(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(home / "platform.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("flash.emulator", "uvicorn.error")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger, level in zip(loggers, (logging.INFO, logging.WARNING), strict=True):
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate = propagate
            logger.removeHandler(handler)
        handler.close()
