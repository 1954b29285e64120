"""The check that every call of another endpoint that a function makes resolves, as far as a build can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flash.contract.resolving import problems
from flash.errors import ContractViolation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flash.model.calls import CallEdge
    from flash.model.manifest import Manifest

__all__ = ["Unresolved", "check_calls", "not_followed", "unresolved"]


class Unresolved(NamedTuple):
    """A call that its own build's contracts would refuse.

    Attributes:
        place: ``path:line``.
        where: The same, with the way to it.
        text: The call.
        said: Why.
    """

    place: str
    where: str
    text: str
    said: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}: {self.said}"


def check_calls(manifest: Manifest, endpoint: str, function: str, method: str = "") -> None:
    """Check that every call of another endpoint that a function makes would be taken; arguments as of `unresolved`.

    Raises:
        ContractViolation: One would not; names all, and is about the place of the first.
    """
    found = unresolved(manifest, endpoint, function, method)
    if not found:
        return
    path, _, line = found[0].place.rpartition(":")
    name = f"{function}.{method}" if method else function
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    raise ContractViolation(
        f"endpoint {endpoint!r}: {name} calls {found[0].text}, which is not taken: {found[0].said}{more}",
        hint="mend the call, or what the endpoint that it calls accepts",
        path=path or None,
        line=int(line) if line.isdigit() else None,
        detail="\n".join(str(one) for one in found),
    )


def unresolved(manifest: Manifest, endpoint: str, function: str, method: str = "") -> list[Unresolved]:
    """The calls of a function that its own build's contracts would refuse.

    Args:
        manifest: The build's.
        endpoint: The caller's.
        function: Its function or class.
        method: The method of a class. What runs whichever method does is told with the first.
    """
    return [
        Unresolved(edge.at, edge.where, edge.text, one.said)
        for edge in _edges(manifest, endpoint, function, method)
        for one in problems(edge, manifest)
    ]


def not_followed(manifest: Manifest, endpoint: str, function: str, method: str = "") -> list[str]:
    """The calls of the project's own functions that could not be read, as ``infer (app.py:9)``; arguments likewise."""
    return [
        f"{edge.callee} ({edge.where})"
        for edge in _edges(manifest, endpoint, function, method)
        if edge.why and edge.endpoint and not edge.function.startswith("Endpoint(")
    ]


def _edges(manifest: Manifest, endpoint: str, function: str, method: str) -> Iterator[CallEdge]:
    resource = manifest.resources.get(endpoint)
    for entry in resource.functions if resource is not None else ():
        if entry.name == function:
            is_first = not entry.class_methods or entry.class_methods[0] == method
            for edge in entry.calls:
                if edge.caller_method == method or (is_first and not edge.caller_method):
                    yield edge
