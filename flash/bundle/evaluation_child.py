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
import base64
import faulthandler
import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from flash import alias
from flash.bundle.inert import MARK, Inert, InertFinder
from flash.errors import DiscoveryError, FlashError
from flash.model import hardware
from flash.model.endpoint import HTTP_METHODS, Endpoint
from flash.model.hardware import NetworkVolume, PodTemplate
from flash.model.secret import Secret

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


class _Made:
    """An endpoint that was made, with what it was made of."""

    def __init__(self, endpoint: Endpoint, path: str, line: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.endpoint = endpoint
        self.path = path
        self.line = line
        self.args = args
        self.kwargs = kwargs
        self.functions: list[tuple[Any, str | None, object]] = []

    def as_json(self) -> dict[str, Any]:
        return {
            "line": self.line,
            "args": [_encoded(value) for value in self.args],
            "kwargs": {key: _encoded(value) for key, value in self.kwargs.items()},
            "functions": [
                {
                    "module": getattr(function, "__module__", None),
                    "name": getattr(function, "__qualname__", repr(function)),
                    "method": method,
                    "path": _encoded(path),
                }
                for function, method, path in self.functions
            ],
        }


class _Recorder:
    """Takes notes of every endpoint that modules of the project at *root* make, by their paths."""

    def __init__(self, root: Path) -> None:
        self._root = f"{os.path.realpath(root)}{os.sep}"
        self._paths: dict[str, str | None] = {}
        self.made: dict[str, list[_Made]] = {}
        self.foreign: dict[str, dict[str, Any]] = {}

    def install(self) -> None:
        init, call = Endpoint.__init__, Endpoint.__call__

        def recorded_init(endpoint: Endpoint, *args: Any, **kwargs: Any) -> None:
            place = self._place()
            if place is not None:
                # before it is checked: what is wrong with it is found out where its place is known
                self.made.setdefault(place[0], []).append(_Made(endpoint, *place, args, kwargs))
            init(endpoint, *args, **kwargs)

        def recorded_call(endpoint: Endpoint, target: Any, /) -> Any:
            decorated = call(endpoint, target)
            self._note(endpoint, target, None, None)
            return decorated

        replaced: dict[str, Callable[..., Any]] = {"__init__": recorded_init, "__call__": recorded_call}
        for method in HTTP_METHODS:
            replaced[method.lower()] = self._recorded_route(method, getattr(Endpoint, method.lower()))
        for name, function in replaced.items():
            setattr(Endpoint, name, function)

    def _recorded_route(self, method: str, route: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(endpoint: Endpoint, path: Any) -> Any:
            decorate = route(endpoint, path)

            def decorated(function: Any) -> Any:
                wrapper = decorate(function)
                self._note(endpoint, function, method, path)
                return wrapper

            return decorated

        return recorded

    def _note(self, endpoint: Endpoint, function: Any, method: str | None, path: object) -> None:
        made = next((made for several in self.made.values() for made in several if made.endpoint is endpoint), None)
        if made is None:
            return
        place = self._place()
        if place is not None and place[0] != made.path:
            # the entry in the manifest would depend on what that file is imported by
            self.foreign.setdefault(
                place[0],
                {
                    "message": f"it puts {getattr(function, '__name__', 'something')!r} on an Endpoint of {made.path}",
                    "hint": "decorate in the file that makes the endpoint; its functions may call those of other files",
                    "path": place[0],
                    "line": place[1],
                },
            )
        else:
            made.functions.append((function, method, path))

    def _place(self) -> tuple[str, int] | None:
        """The path and the line of the module that is being run right now."""
        lines: dict[str, int] = {}
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            path = self._path_of(frame.f_code.co_filename)
            if path is not None:
                # its own line, or that of its function that was called
                line = lines.setdefault(path, frame.f_lineno)
                if frame.f_code.co_name == "<module>":
                    return path, line
            frame = frame.f_back
        return None

    def _path_of(self, file: str) -> str | None:
        if file not in self._paths:
            real = os.path.realpath(file)
            inside = real.removeprefix(self._root) if real.startswith(self._root) else None
            self._paths[file] = None if inside is None else Path(inside).as_posix()
        return self._paths[file]


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
        while frame.f_back is not None and frame.f_globals.get("__name__") in (
            "os",
            "collections.abc",
            "_collections_abc",
        ):
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


def _encoded(value: Any) -> Any:
    """*value* as JSON; what is no plain value is ``{"$": kind, …}``."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Enum) and type(value).__module__ == hardware.__name__:
        return {"$": "member", "type": type(value).__name__, "name": value.name}
    if isinstance(value, str):
        return {"$": "inert", "name": value.partition(MARK)[2]} if MARK in value else str(value)
    if isinstance(value, bytes):
        return {"$": "bytes", "base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, (list, tuple, set, frozenset)):
        kind = next(kind for kind in (list, tuple, set, frozenset) if isinstance(value, kind))
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return {"$": kind.__name__, "items": [_encoded(item) for item in items]}
    if isinstance(value, Mapping):
        return {"$": "dict", "items": [[_encoded(key), _encoded(item)] for key, item in value.items()]}
    if isinstance(value, Secret):
        return {"$": "secret", "name": value.name}
    if isinstance(value, NetworkVolume):
        return _object(value, ("name", "id", "size", "datacenter"))
    if isinstance(value, PodTemplate):
        fields = _object(value, [name for name in PodTemplate.__dataclass_fields__ if name != "env"])
        fields["values"]["env"] = _encoded([{"key": key, "value": text} for key, text in value.env])
        return fields
    if isinstance(value, Inert):
        return {"$": "inert", "name": repr(value).removeprefix(MARK)}
    return {"$": "other", "type": type(value).__qualname__}


def _object(value: Any, names: Any) -> dict[str, Any]:
    return {
        "$": "object",
        "type": type(value).__name__,
        "values": {name: _encoded(getattr(value, name)) for name in names},
    }


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
    recorder = _Recorder(root)
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
