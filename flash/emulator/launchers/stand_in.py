"""Stands in for the programs of Runpod's worker images, which artifacts of ``runpod-flash`` rely on.

Run by its path, or as the text of ``python -c``, with the interpreter of a worker: nothing of Flash can be imported
here. It does what worker image 1.4.2 does with an artifact (platform contract §5.1), except that a missing package is
not installed by its import name. Its arguments are a kind, FILE, and:

    handler       OWNER   the queue images: FILE's ``handler``, under the SDK's loop
    application   OWNER LISTEN   the load-balanced images: FILE's ``app``, under uvicorn
    program       OWNER   an image of somebody's own: FILE as a program, which starts the loop itself

OWNER is the read end of a pipe, at whose end the worker ends, or empty. LISTEN is a listening socket, or ``:PORT``.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import runpy
import signal
import sys
import threading
from typing import Any, Final

_GRACE_S: Final = 5.0
_KEEP_ALIVE_S: Final = 600
"""Source: the command of the load-balanced images, platform contract §4.8."""


def main(kind: str, path: str, owner: str, listen: str = "") -> None:
    """Work until the SDK or uvicorn ends."""
    if owner:
        _watch_owner(int(owner))
    # where this file lies is nothing that a worker may import from
    sys.path[0] = os.path.dirname(path)  # noqa: PTH120  before anything else is imported
    sys.argv = [path]
    if kind == "program":
        runpy.run_path(path, run_name="__main__")
    elif kind == "application":
        _serve(_load(path).app, listen)
    else:
        _work(_load(path).handler)


def _work(handler: Any) -> None:
    async def run(job: dict[str, Any]) -> Any:
        result = handler(job)
        return await result if inspect.isawaitable(result) else result

    # the images start the loop themselves: what the file's own main block says of concurrency is never read
    importlib.import_module("runpod").serverless.start({"handler": run})


def _serve(app: Any, listen: str) -> None:
    uvicorn = importlib.import_module("uvicorn")
    if all(getattr(route, "path", "") != "/ping" for route in app.routes):
        app.add_api_route("/ping", _ping, methods=["GET"])
    if listen.startswith(":"):
        # inside a container, whose network decides who reaches it
        where: dict[str, Any] = {"host": "0.0.0.0", "port": int(listen[1:])}  # noqa: S104
    else:
        os.set_inheritable(int(listen), False)  # noqa: FBT003  the standard library's own signature
        where = {"fd": int(listen)}
    uvicorn.run(app, **where, timeout_keep_alive=_KEEP_ALIVE_S, access_log=False)


async def _ping() -> dict[str, str]:
    return {"status": "healthy", "endpoint": "lb"}


def _load(path: str) -> Any:
    # an endpoint's name need not be an identifier
    name = os.path.basename(path).removesuffix(".py")  # noqa: PTH119  see above
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _watch_owner(descriptor: int) -> None:
    os.set_inheritable(descriptor, False)  # noqa: FBT003  the standard library's own signature

    def watch() -> None:
        while os.read(descriptor, 1024):
            pass
        # the SDK has a process of its own for heartbeats: the whole group goes
        last = threading.Timer(_GRACE_S, os.killpg, args=(os.getpgrp(), signal.SIGKILL))
        last.daemon = True
        last.start()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="flash-owner").start()


if __name__ == "__main__":
    main(*sys.argv[1:])
