"""The process that imports modules of a project, and says which endpoints that makes.

    python -I -c "…; main()" REQUEST.json ANSWERS.json

Request: ``{"root": str, "source_folder": str, "modules": [{"name": str, "path": str}], "own": [str]}``, where *own* are
top-level names of the project. Answers, a line for each module:
``{"endpoints": […], "variables": [str], "missing": [str], "failure": {…} | null}``.

Nothing is served and nobody is called: starting a process, opening a connection and reading from the terminal are
refused, ``asyncio.run`` runs nothing, and the environment is empty but for what a process needs.
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final, NoReturn

from flash import alias
from flash.bundle.inert import Inert, InertFinder
from flash.bundle.recorder import Recorder
from flash.errors import DiscoveryError, FlashError

__all__ = ["main"]

_FORBIDDEN: Final[Mapping[str, str]] = {
    "os.exec": "replaces the process",
    "os.fork": "forks",
    "os.forkpty": "forks",
    "os.posix_spawn": "starts a process",
    "os.spawn": "starts a process",
    "os.startfile": "starts a process",
    "os.system": "starts a process",
    "socket.bind": "opens a port",
    "socket.connect": "opens a network connection",
    "socket.getaddrinfo": "asks the network for an address",
    "subprocess.Popen": "starts a process",
}
"""Audit events of what a declaration never needs, and what a module does that raises them."""


# longer than anybody waits for it: who started it may be gone, and a module may never end
_END_S: Final = 120.0
# get() of a mapping, os.getenv
_BETWEEN: Final = ("os", "collections.abc", "_collections_abc")


class _NoTerminal(io.TextIOBase):
    """Standard input that nobody may read."""

    def readable(self) -> bool:
        return True

    def _refused(self, *_: object) -> NoReturn:
        raise _refusal("reads standard input")

    read = readline = readlines = __iter__ = __next__ = fileno = _refused


class _Environment(MutableMapping[str, str]):
    """The environment, which notes what the project's files ask it for."""

    def __init__(self, values: MutableMapping[str, str], root: Path, know: Callable[[str], None]) -> None:
        self._values = values
        self._root = f"{os.path.realpath(root)}{os.sep}"
        self._know = know

    def __getitem__(self, name: str) -> str:
        self._note(name)
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        self._note(name)
        return name in self._values

    def __setitem__(self, name: str, value: str) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def copy(self) -> dict[str, str]:
        return dict(self._values)

    def _note(self, name: object) -> None:
        frame = sys._getframe(2)
        while frame.f_back is not None and frame.f_globals.get("__name__") in _BETWEEN:
            frame = frame.f_back
        if os.path.realpath(frame.f_code.co_filename).startswith(self._root):
            self._know(str(name))


def _refusal(does: str) -> DiscoveryError:
    return DiscoveryError(
        f"it {does} when it is imported",
        hint='move that into the function, or below `if __name__ == "__main__":`',
    )


def _forbid() -> None:
    def hook(event: str, args: tuple[Any, ...]) -> None:
        does = _FORBIDDEN.get(event)
        if does is None and event == "open" and args and args[0] in (0, "/dev/stdin", "/dev/tty"):
            does = "reads standard input"
        if does is not None:
            raise _refusal(does)

    sys.addaudithook(hook)


def _run_nothing(coroutine: Any, **_: object) -> Inert:
    """Takes the place of ``asyncio.run``: what it would do is for scripts, not for declarations."""
    close = getattr(coroutine, "close", None)
    if close is not None:
        close()
    return Inert("asyncio.run(…)")


def _failure(error: BaseException, root: Path, variables: Collection[str]) -> dict[str, Any]:
    """What went wrong, and where in the project."""
    inside = f"{os.path.realpath(root)}{os.sep}"
    path: str | None = None
    line: int | None = None
    trace = error.__traceback__
    while trace is not None:
        file = os.path.realpath(trace.tb_frame.f_code.co_filename)
        if file.startswith(inside):
            path, line = Path(file.removeprefix(inside)).as_posix(), trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.filename and os.path.realpath(error.filename).startswith(inside):
        path = Path(os.path.realpath(error.filename).removeprefix(inside)).as_posix()
        line = error.lineno
    hint = error.hint if isinstance(error, FlashError) else ""
    if isinstance(error, SystemExit):
        message = f"it exits when it is imported, with status {error.code!r}"
    elif isinstance(error, FlashError):
        message = error.message
    else:
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if isinstance(error, KeyError) and error.args and error.args[0] in variables:
            hint = "a build sees no environment variables, so that it is the same everywhere: give it a default"
    return {"message": message.replace(inside, ""), "hint": hint, "path": path, "line": line}


def main() -> None:
    """Import the modules and write the answers."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    root = Path(request["root"])
    variables: list[str] = []
    missing: list[str] = []
    recorder = Recorder(root)
    recorder.install()
    alias.take_over()
    # descriptors of its own: a module may close those that it knows of
    answers = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND)
    sys.argv[:] = [""]
    sys.path.insert(0, str(root))
    if request["source_folder"]:
        sys.path.append(str(root / request["source_folder"]))
    sys.meta_path.append(InertFinder(frozenset(request["own"]), missing.append))
    sys.stdin = _NoTerminal()
    os.environ = _Environment(os.environ, root, variables.append)  # type: ignore[assignment]  # noqa: B003
    setattr(asyncio, "run", _run_nothing)  # noqa: B010  a name of a module that is not ours
    _forbid()
    for module in request["modules"]:
        faulthandler.dump_traceback_later(_END_S, exit=True)
        failure = None
        try:
            importlib.import_module(module["name"])
        except BaseException as error:  # noqa: BLE001  # why: a user's module may raise anything, and may exit
            failure = _failure(error, root, variables)
        answer = {
            "endpoints": [made.as_json() for made in recorder.made.get(module["path"], ())],
            "variables": list(dict.fromkeys(variables)),
            "missing": list(dict.fromkeys(missing)),
            "failure": failure or recorder.foreign.get(module["path"]),
        }
        variables.clear()
        missing.clear()
        os.write(answers, f"{json.dumps(answer)}\n".encode())
    sys.stdout.flush()
    # threads and exit functions of the user's modules are not waited for
    os._exit(0)
