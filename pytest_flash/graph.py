"""The calls between endpoints for the report: those of the artifact, with what the gate was told would break."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.report.document import Call

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flash.model.manifest import Manifest

__all__ = ["calls_of"]


def calls_of(manifest: Manifest, changes: Iterable[Mapping[str, object]] = ()) -> Iterator[Call]:
    """The calls of an app, in the order of its manifest.

    Args:
        manifest: The artifact's.
        changes: What the gate was told, as :attr:`flash.deploy.decision.Verdict.changes` has it.
    """
    breaking = [
        (str(change["rule"]), [str(one) for one in _list(change["callers"])])
        for change in changes
        if str(change["rule"]).startswith("FLASH-C5") and change["severity"] == "breaking"
    ]
    for endpoint, resource in manifest.resources.items():
        for entry in resource.functions:
            for edge in entry.calls:
                told = edge.told(endpoint, entry.name, "new")
                yield Call(
                    caller=endpoint,
                    function=f"{entry.name}.{edge.caller_method}" if edge.caller_method else entry.name,
                    endpoint=edge.endpoint,
                    operation=edge.callee,
                    route=edge.route,
                    call=edge.text,
                    arguments=tuple(edge.arguments),
                    is_open=edge.is_open,
                    at=edge.at,
                    through=tuple(edge.through),
                    unread=edge.why,
                    breaks=tuple(f"{rule}: {said}" for rule, callers in breaking for said in _about(told, callers)[:1]),
                )


def _about(told: str, callers: Iterable[str]) -> list[str]:
    """What fails with a call: itself, or the call of what is live that it is told after."""
    found = []
    before = ""
    for one in callers:
        if one.startswith(f"{told}: "):
            found.append(one)
        elif one == told:
            found.append(before)
        else:
            before = one
    return [one for one in found if one]


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []
