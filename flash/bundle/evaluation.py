"""What static reading cannot tell, told by a process that imports the modules in question.

Only a module whose endpoints cannot be read is ever imported, never in this process, and never for long. The process
is isolated from the environment and the folder that Flash happens to run in; what it says is data, and is checked by
the same constructor as what was read.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from flash.errors import DiscoveryError
from flash.model import hardware
from flash.model.secret import Secret

if TYPE_CHECKING:
    from flash.bundle.modules import Module, Modules

__all__ = [
    "Evaluate",
    "EvaluatedEndpoint",
    "EvaluatedFunction",
    "Evaluation",
    "end_session",
    "evaluate_modules",
    "wait_for",
]

LIMIT_S: Final = 30.0
"""Seconds that a module may take to be imported. Source: platform contract §4.3."""

_START: Final = "import sys; sys.path.append(sys.argv.pop(1)); from flash.bundle.evaluation_child import main; main()"


@dataclass(frozen=True, slots=True)
class EvaluatedFunction:
    """What an endpoint was put on.

    Attributes:
        name: Its qualified name in *module*.
        method: Of a route, else None.
        path: The same.
    """

    module: str
    name: str
    method: str | None
    path: object


@dataclass(frozen=True, slots=True)
class EvaluatedEndpoint:
    """An endpoint that importing the module made.

    Attributes:
        line: Where in the module.
        args: What ``Endpoint`` was called with.
        kwargs: The same, by keyword.
    """

    line: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    functions: tuple[EvaluatedFunction, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What importing a module did.

    Attributes:
        endpoints: In the order in which they were made.
        variables: Environment variables that files of the project asked for.
        missing: Third-party modules that are not installed, for which something inert stood in.
        failure: Why the import ended early; None where it did not.
    """

    endpoints: tuple[EvaluatedEndpoint, ...]
    variables: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    failure: DiscoveryError | None = None


Evaluate: TypeAlias = "Callable[[Path, Sequence[Module], Modules], Mapping[str, Evaluation]]"
"""Imports modules of the project at a root, somewhere else; what came of each, by its name."""


def evaluate_modules(
    root: Path, wanted: Sequence[Module], modules: Modules, *, limit_s: float = LIMIT_S
) -> dict[str, Evaluation]:
    """Import modules in one process of their own, each once, whichever of them import each other.

    Args:
        root: The project.
        wanted: What to import.
        modules: All of the project.
        limit_s: Seconds that one may take.
    """
    with TemporaryDirectory(prefix="flash-evaluate-") as scratch:
        request, answers = Path(scratch, "request.json"), Path(scratch, "answers.json")
        request.write_text(
            json.dumps(
                {
                    "root": str(root.resolve()),
                    "source_folder": modules.source_folder,
                    "modules": [{"name": module.name, "path": module.path} for module in wanted],
                    "own": sorted(modules.top_level),
                }
            ),
            encoding="utf-8",
        )
        answers.touch()
        status = _run([str(request), str(answers)], Path(scratch), answers, limit_s)
        answered = _answers(answers)
    found = dict[str, Evaluation]()
    for number, module in enumerate(wanted):
        if number < len(answered):
            found[module.name] = _evaluation(answered[number], module)
        else:
            found[module.name] = Evaluation((), failure=_unanswered(status, limit_s, module))
    return found


def _answers(file: Path) -> list[dict[str, Any]]:
    """A line for each module; that of one that ended the interpreter is missing."""
    # not splitlines, which knows ends of lines that JSON does not escape
    *lines, _rest = file.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines]


def _evaluation(data: dict[str, Any], module: Module) -> Evaluation:
    try:
        endpoints = tuple(_endpoint(entry, module) for entry in data["endpoints"])
    except DiscoveryError as error:
        return Evaluation((), failure=error)
    return Evaluation(
        endpoints=endpoints,
        variables=tuple(data["variables"]),
        missing=tuple(data["missing"]),
        failure=None if data["failure"] is None else _failure(data["failure"], module),
    )


def _unanswered(status: int | None, limit_s: float, module: Module) -> DiscoveryError:
    if status is None:
        return DiscoveryError(
            f"importing it took more than {limit_s:g} s",
            path=module.path,
            hint='what takes long or waits belongs into the function, or below `if __name__ == "__main__":`',
        )
    return DiscoveryError(
        f"importing it ended the interpreter with status {status}",
        path=module.path,
        hint="a module exits or crashes at import time: move that into the function",
    )


def _run(arguments: list[str], scratch: Path, answers: Path, limit_s: float) -> int | None:
    """Run the child to its end, and end whatever it has started; its exit status, or None where it got stuck."""
    flash_folder = str(Path(__file__).resolve().parents[2])
    # a file, not a pipe: a process that it leaves behind would hold a pipe open
    with Path(scratch, "output").open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-I", "-B", "-X", "utf8", "-c", _START, flash_folder, *arguments],
            cwd=scratch,
            env={"PATH": os.defpath, "HOME": str(scratch), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return _wait(child, answers, limit_s)
        finally:
            end_session(child)


def _wait(child: subprocess.Popen[bytes], answers: Path, limit_s: float) -> int | None:
    size = -1
    while answers.stat().st_size > size:
        size = answers.stat().st_size
        with suppress(subprocess.TimeoutExpired):
            return wait_for(child, limit_s)
    return None


def wait_for(child: subprocess.Popen[bytes], limit_s: float) -> int:
    """Wait for the end of a child; its exit status. Unlike ``Popen.wait`` it does not look only every 50 ms.

    Raises:
        subprocess.TimeoutExpired: It runs on.
    """
    try:
        descriptor = os.pidfd_open(child.pid)
    except (AttributeError, OSError):
        # no Linux, or one of long ago
        return child.wait(limit_s)
    try:
        # not select, which knows no descriptor above 1023
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(limit_s * 1000):
            raise subprocess.TimeoutExpired(child.args, limit_s)
    finally:
        os.close(descriptor)
    return child.wait()


def end_session(child: subprocess.Popen[bytes]) -> None:
    """End a child that leads a session of its own, with whatever it has started, and wait for it."""
    if hasattr(os, "killpg"):
        # it may have ended, and left nobody behind
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
    child.wait()


def _failure(data: dict[str, Any], module: Module) -> DiscoveryError:
    from flash.bundle.secret_search import hidden

    path = data["path"]
    return DiscoveryError(
        # what a module raises may quote what it has
        hidden(data["message"]),
        hint=data["hint"],
        path=path or module.path,
        line=data["line"] if path else None,
    )


def _endpoint(data: dict[str, Any], module: Module) -> EvaluatedEndpoint:
    try:
        return EvaluatedEndpoint(
            line=data["line"],
            args=tuple(_decoded(value) for value in data["args"]),
            kwargs={key: _decoded(value) for key, value in data["kwargs"].items()},
            functions=tuple(
                EvaluatedFunction(entry["module"] or "", entry["name"], entry["method"], _decoded(entry["path"]))
                for entry in data["functions"]
            ),
        )
    except DiscoveryError as error:
        error.path, error.line = module.path, data["line"]
        raise


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value["$"]
    if kind == "member":
        return getattr(hardware, value["type"])[value["name"]]
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind](_decoded(item) for item in value["items"])
    if kind == "dict":
        return {_decoded(key): _decoded(item) for key, item in value["items"]}
    if kind == "secret":
        return Secret(value["name"])
    if kind == "object":
        return getattr(hardware, value["type"])(**{name: _decoded(each) for name, each in value["values"].items()})
    if kind == "bytes":
        return base64.b64decode(value["base64"])
    what = "a module that is not installed here" if kind == "inert" else "an object"
    raise DiscoveryError(
        f"an argument of its endpoint is {value.get('name') or value.get('type')!r}, of {what}",
        hint="endpoints are described by plain values",
    )


_COLLECTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}
