"""What a process that imports modules of a project notes of the endpoints that they make, as JSON."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Any

from flash.bundle.inert import MARK, Inert
from flash.model import hardware
from flash.model.endpoint import HTTP_METHODS, Endpoint
from flash.model.hardware import NetworkVolume, PodTemplate
from flash.model.secret import Secret

__all__ = ["Made", "Recorder"]


class Made:
    """An endpoint that was made, with what it was made of."""

    def __init__(self, endpoint: Endpoint, path: str, line: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.endpoint = endpoint
        self.path = path
        self.line = line
        self.args = args
        self.kwargs = kwargs
        self.functions: list[tuple[Any, str | None, object]] = []

    def as_json(self) -> dict[str, Any]:
        """As the answer has it."""
        return {
            "line": self.line,
            "args": [encoded(value) for value in self.args],
            "kwargs": {key: encoded(value) for key, value in self.kwargs.items()},
            "functions": [
                {
                    "module": getattr(function, "__module__", None),
                    "name": getattr(function, "__qualname__", repr(function)),
                    "method": method,
                    "path": encoded(path),
                }
                for function, method, path in self.functions
            ],
        }


class Recorder:
    """Takes notes of every endpoint that modules of the project at *root* make, by their paths."""

    def __init__(self, root: Path) -> None:
        self._root = f"{os.path.realpath(root)}{os.sep}"
        self._paths: dict[str, str | None] = {}
        self.made: dict[str, list[Made]] = {}
        self.foreign: dict[str, dict[str, Any]] = {}

    def install(self) -> None:
        """From now on every `Endpoint` of this process is noted."""
        init, call = Endpoint.__init__, Endpoint.__call__

        def recorded_init(endpoint: Endpoint, *args: Any, **kwargs: Any) -> None:
            place = self._place()
            if place is not None:
                # before it is checked: what is wrong with it is found out where its place is known
                self.made.setdefault(place[0], []).append(Made(endpoint, *place, args, kwargs))
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


def encoded(value: Any) -> Any:
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
        return {"$": kind.__name__, "items": [encoded(item) for item in items]}
    if isinstance(value, Mapping):
        return {"$": "dict", "items": [[encoded(key), encoded(item)] for key, item in value.items()]}
    if isinstance(value, Secret):
        return {"$": "secret", "name": value.name}
    if isinstance(value, NetworkVolume):
        return _object(value, ("name", "id", "size", "datacenter"))
    if isinstance(value, PodTemplate):
        fields = _object(value, [name for name in PodTemplate.__dataclass_fields__ if name != "env"])
        fields["values"]["env"] = encoded([{"key": key, "value": text} for key, text in value.env])
        return fields
    if isinstance(value, Inert):
        return {"$": "inert", "name": repr(value).removeprefix(MARK)}
    return {"$": "other", "type": type(value).__qualname__}


def _object(value: Any, names: Any) -> dict[str, Any]:
    return {
        "$": "object",
        "type": type(value).__name__,
        "values": {name: encoded(getattr(value, name)) for name in names},
    }
