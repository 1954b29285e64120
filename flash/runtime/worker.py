"""A worker of one endpoint: ``python -m flash.runtime.worker`` in the folder of the unpacked artifact.

A queue endpoint's worker takes jobs until it is told to stop; a load-balanced endpoint's worker serves HTTP with the
uvicorn of its base environment. This is the one module of the runtime that reads the environment; see ``Settings``.
A worker that cannot start ends with the traceback on standard error and status 1.
"""

from __future__ import annotations

import asyncio
import logging
import os
import runpy
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from flash.errors import ManifestError, SettingsError
from flash.model.dispatch import Caller, current_caller, set_default_caller
from flash.runtime import loading
from flash.runtime.owner import await_end

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

__all__ = ["Settings", "install_caller", "load_app", "main"]

_log = logging.getLogger("flash.worker")

_API_URL: Final = "https://api.runpod.io"
_DATA_URL: Final = "https://api.runpod.ai/v2"
"""Source: platform-contract §1.1."""

_GRACE_S: Final = 5.0
"""What a running job gets when the owner of its worker is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment tells a worker.

    Attributes:
        endpoint: ``FLASH_RESOURCE_NAME``: whose jobs or requests it serves.
        is_load_balanced: ``FLASH_ENDPOINT_TYPE`` is ``lb`` (default ``qb``).
        environment_id: ``FLASH_ENVIRONMENT_ID``: where other endpoints are looked up.
        api_key: ``RUNPOD_API_KEY``, given only to workers whose functions call other endpoints.
        api_url: ``RUNPOD_API_BASE_URL``: the control plane.
        data_url: ``RUNPOD_ENDPOINT_BASE_URL``: the base of queue endpoints.
        lb_base_url: ``FLASH_LB_BASE_URL``: the base of load-balanced ones, where they have no hosts of their own.
        worker_id: ``RUNPOD_POD_ID``.
        token: ``RUNPOD_AI_API_KEY``: the worker's own, for the job protocol.
        take_url: ``RUNPOD_WEBHOOK_GET_JOB``.
        done_url: ``RUNPOD_WEBHOOK_POST_OUTPUT``.
        stream_url: ``RUNPOD_WEBHOOK_POST_STREAM``.
        ping_url: ``RUNPOD_WEBHOOK_PING``.
        ping_interval_s: ``RUNPOD_PING_INTERVAL``, there in milliseconds, default 10 000.
        max_concurrency: ``FLASH_MAX_CONCURRENCY``, else the manifest's.
        listen_fd: ``FLASH_LISTEN_FD``: a listening socket to serve on; without it, ``port``.
        port: ``PORT``, default 80. Source: platform-contract §5.3.
        owner_fd: ``FLASH_OWNER_FD``: the read end of a pipe whose end is the end of the worker.
        owner_url: ``FLASH_OWNER_URL``: the same across a container's border, an answer that ends with the platform.
        log_level: ``LOG_LEVEL``, default ``INFO``.
    """

    endpoint: str
    is_load_balanced: bool = False
    environment_id: str = ""
    api_key: str = ""
    api_url: str = _API_URL
    data_url: str = _DATA_URL
    lb_base_url: str | None = None
    worker_id: str = ""
    token: str = ""
    take_url: str = ""
    done_url: str = ""
    stream_url: str = ""
    ping_url: str = ""
    ping_interval_s: float = 10.0
    max_concurrency: int | None = None
    listen_fd: int | None = None
    port: int = 80
    owner_fd: int | None = None
    owner_url: str = ""
    log_level: str = "INFO"

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Settings:
        """Read the environment; blank is unset.

        Raises:
            SettingsError: ``FLASH_RESOURCE_NAME`` is missing, or a number is none.
        """

        def text(name: str, default: str = "") -> str:
            return environ.get(name, "").strip() or default

        def number(name: str) -> int | None:
            value = text(name)
            if not value:
                return None
            if not value.isdigit():
                raise SettingsError(f"{name} is {value!r}, not a number")
            return int(value)

        endpoint = text("FLASH_RESOURCE_NAME")
        if not endpoint:
            raise SettingsError(
                "FLASH_RESOURCE_NAME is not set: which endpoint is this a worker of?",
                hint="workers are started by a platform; to try an endpoint, run pytest --flash-preview",
            )
        ping_interval_ms = number("RUNPOD_PING_INTERVAL") or 10_000
        return cls(
            endpoint=endpoint,
            is_load_balanced=text("FLASH_ENDPOINT_TYPE").lower() == "lb",
            environment_id=text("FLASH_ENVIRONMENT_ID"),
            api_key=text("RUNPOD_API_KEY"),
            api_url=text("RUNPOD_API_BASE_URL", _API_URL).rstrip("/"),
            data_url=text("RUNPOD_ENDPOINT_BASE_URL", _DATA_URL).rstrip("/"),
            lb_base_url=text("FLASH_LB_BASE_URL").rstrip("/") or None,
            worker_id=text("RUNPOD_POD_ID"),
            token=text("RUNPOD_AI_API_KEY"),
            take_url=text("RUNPOD_WEBHOOK_GET_JOB"),
            done_url=text("RUNPOD_WEBHOOK_POST_OUTPUT"),
            stream_url=text("RUNPOD_WEBHOOK_POST_STREAM"),
            ping_url=text("RUNPOD_WEBHOOK_PING"),
            ping_interval_s=ping_interval_ms / 1000,
            max_concurrency=number("FLASH_MAX_CONCURRENCY"),
            listen_fd=number("FLASH_LISTEN_FD"),
            port=number("PORT") or 80,
            owner_fd=number("FLASH_OWNER_FD"),
            owner_url=text("FLASH_OWNER_URL"),
            log_level=text("LOG_LEVEL", "INFO").upper(),
        )


def install_caller(environ: Mapping[str, str] = os.environ) -> None:
    """Make calls of other endpoints' functions go there, in this process, if it is a worker and nobody did before.

    Handler files are also loaded by workers that are not ours, and at build time, where nothing is installed.

    Raises:
        ManifestError: The worker may call others, and its artifact has no manifest to find them with.
    """
    if current_caller() is not None or not environ.get("FLASH_RESOURCE_NAME", "").strip():
        return
    settings = Settings.of(environ)
    caller: Caller
    if settings.environment_id and settings.api_key:
        from flash.runtime.peers import PeerCaller

        caller = PeerCaller(
            endpoint=settings.endpoint,
            environment_id=settings.environment_id,
            api_key=settings.api_key,
            api_url=settings.api_url,
            data_url=settings.data_url,
            lb_base_url=settings.lb_base_url,
            manifest=loading.artifact_manifest(),
        )
    else:
        from flash.runtime.unreachable import UnreachablePeers

        caller = UnreachablePeers(settings.endpoint)
    set_default_caller(caller)


def load_app() -> object:
    """The FastAPI application of this worker's endpoint; uvicorn's factory.

    Raises:
        ManifestError: There is no handler, or it defines no ``app``.
    """
    settings = Settings.of(os.environ)
    return _attribute(settings.endpoint, "app")


def main() -> None:
    """Work until told to stop by SIGTERM, SIGINT or the end of the owner's pipe."""
    settings = Settings.of(os.environ)
    _set_up_logging(settings.log_level)
    if settings.owner_fd is not None:
        _watch_owner(settings.owner_fd)
    if settings.owner_url:
        _end_after(partial(await_end, settings.owner_url, settings.token))
    root = str(loading.artifact_root())
    if root not in sys.path:
        sys.path.insert(0, root)
    sys.excepthook = _show_theirs
    install_caller()
    if settings.is_load_balanced:
        _serve_http(settings)
    else:
        _serve_queue(settings)


def _serve_queue(settings: Settings) -> None:
    from flash.runtime.channel import JobChannel
    from flash.runtime.loop import QueueLoop

    if not settings.take_url or not settings.done_url:
        raise SettingsError(
            "RUNPOD_WEBHOOK_GET_JOB or RUNPOD_WEBHOOK_POST_OUTPUT is not set: there is no queue to take jobs from",
            hint="workers are started by a platform; to try an endpoint, run pytest --flash-preview",
        )
    handler = _attribute(settings.endpoint, "handler")
    stream = _attribute(settings.endpoint, "stream", default=None)
    resource = loading.artifact_manifest().resources.get(settings.endpoint)
    channel = JobChannel(
        worker_id=settings.worker_id,
        token=settings.token,
        take_url=settings.take_url,
        done_url=settings.done_url,
        stream_url=settings.stream_url,
        ping_url=settings.ping_url if settings.token else "",
    )

    queue = QueueLoop(
        channel,
        handler,
        stream,
        slots=max(1, settings.max_concurrency or (resource.max_concurrency if resource else 1)),
        ping_interval_s=settings.ping_interval_s,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # not the event loop's handlers: they wait for the loop, which rests while a plain function runs
        signal.signal(number, lambda *_: queue.drain())
    _log.info("worker %s of %s: waiting for jobs", settings.worker_id or "(unnamed)", settings.endpoint)
    queue.run(asyncio.new_event_loop())


def _serve_http(settings: Settings) -> None:
    arguments = ["flash.runtime.worker:load_app", "--factory", "--no-access-log", "--timeout-keep-alive", "75"]
    if settings.listen_fd is not None:
        os.set_inheritable(settings.listen_fd, False)  # noqa: FBT003  the standard library's own signature
        arguments += ["--fd", str(settings.listen_fd)]
    else:
        # inside a container, whose network decides who reaches it
        arguments += ["--host", "0.0.0.0", "--port", str(settings.port)]  # noqa: S104
    sys.argv = ["uvicorn", *arguments]
    runpy.run_module("uvicorn", run_name="__main__", alter_sys=True)


def _attribute(endpoint: str, name: str, **default: Any) -> Any:
    path = loading.handler_path(loading.artifact_root(), endpoint, loading.artifact_manifest())
    found = getattr(loading.load_file(path), name, default.get("default"))
    if found is None and not default:
        raise ManifestError(f"{path.name} defines no {name!r}", hint="build the artifact again")
    return found


def _show_theirs(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write what ended this worker, from the user's first frame on: those above it are the same for everybody."""
    root = loading.artifact_root()
    ours = root / "flash"
    theirs = trace
    while theirs is not None:
        file = Path(theirs.tb_frame.f_code.co_filename)
        if file.is_relative_to(root) and not file.is_relative_to(ours) and not file.name.startswith("handler_"):
            break
        theirs = theirs.tb_next
    traceback.print_exception(kind, error, theirs or trace)


def _watch_owner(descriptor: int) -> None:
    os.set_inheritable(descriptor, False)  # noqa: FBT003  the standard library's own signature

    def drain() -> None:
        try:
            while os.read(descriptor, 1024):
                pass
        except OSError:
            _log.warning("the owner's pipe broke")

    _end_after(drain)


def _end_after(wait: Callable[[], None]) -> None:
    """Stop this worker when *wait*, which runs in a thread of its own, returns."""

    def watch() -> None:
        wait()
        _log.warning("the owner of this worker is gone; stopping")
        # a job that blocks the main thread is not waited for
        kill = getattr(signal, "SIGKILL", signal.SIGTERM)
        last = threading.Timer(_GRACE_S, os.kill, args=(os.getpid(), kill))
        last.daemon = True
        last.start()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="flash-owner").start()


def _set_up_logging(level: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        # so that the log shows what a function printed when it printed it
        cast("Any", stream).reconfigure(line_buffering=True)
    known = logging.getLevelName(level)
    logging.basicConfig(
        level=known if isinstance(known, int) else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


if __name__ == "__main__":
    main()
