"""Old and new versions overlap while one takes the other's place: whether the calls between endpoints survive that.

Where builds are rolled out endpoint by endpoint, as on Runpod, old and new callers meet old and new callees until the
last is done. A platform that switches all endpoints at once still finishes the jobs of old workers, which then call new
ones; and where a canary has a share of the calls, or what was live is put back, new workers call old ones.

A worker calls by the names and routes of the build that it belongs to, so every call of what is live is held against
the new contracts, and every new call against those that are live. Calls that would fail in their own build too are
none of this module's business. The source of all this is in ``docs/contract.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flash.contract.change import Change
from flash.contract.resolving import Problem, problems, reached, signature, strangers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flash.model.calls import CallEdge
    from flash.model.manifest import Manifest

__all__ = ["EXPAND_AND_CONTRACT", "callers_of", "judge_callers"]

EXPAND_AND_CONTRACT: Final = (
    "expand and contract: let the callee take the old way and the new one, and deploy it; then let its callers use the "
    "new way, and deploy them; then take the old way out"
)

_OLD_CALLER: Final = "FLASH-C501"
_NEW_CALLER: Final = "FLASH-C502"
_NOT_THERE_YET: Final = "FLASH-C503"


class _Call(NamedTuple):
    """An edge, and who has it."""

    endpoint: str
    function: str
    edge: CallEdge

    @property
    def pair(self) -> tuple[str, ...]:
        """Who calls whom."""
        edge = self.edge
        return (self.endpoint, self.function, edge.caller_method, edge.endpoint, edge.function)

    def told(self, version: str = "") -> str:
        """``app.py:7 (live): prep calls infer(data=…)``."""
        return self.edge.told(self.endpoint, self.function, version)


def judge_callers(old: Manifest, new: Manifest) -> tuple[Change, ...]:
    """What fails while workers of both versions run, in the order of the callers.

    Args:
        old: What is live.
        new: What is to take its place.
    """
    before, after = list(_calls(old)), list(_calls(new))
    same = {
        name for name in old.resources.keys() & new.resources.keys() if _interface(old, name) == _interface(new, name)
    }
    found: dict[tuple[str, str, str], _Broken] = {}
    for rule, calls, own, other in ((_OLD_CALLER, before, old, new), (_NEW_CALLER, after, new, old)):
        counterparts = _by_pair(after if calls is before else before)
        versions = ("live", "new") if calls is before else ("new", "live")
        for call in calls:
            if call.endpoint not in other.resources or call.edge.endpoint in same:
                # who is on one side only is called by nobody on the other
                continue
            wrong = _fresh(call.edge, own, other)
            if not wrong:
                continue
            is_missing = rule == _NEW_CALLER and wrong[0].kind == "endpoint"
            key = (_NOT_THERE_YET if is_missing else rule, call.edge.endpoint, call.edge.method or call.edge.function)
            broken = found.setdefault(key, _Broken(call.edge))
            broken.pointers |= dict.fromkeys(one.pointer for one in wrong)
            told = f"{call.told(versions[0])}: {'; '.join(one.said for one in wrong)}"
            twins = (one.told(versions[1]) for one in counterparts.get(call.pair, []))
            broken.callers |= dict.fromkeys((told, *twins))
    return tuple(
        Change(
            rule=rule,
            endpoint=endpoint,
            operation=operation,
            pointer=_common(broken.pointers),
            old=signature(broken.edge, old),
            new=signature(broken.edge, new),
            callers=tuple(broken.callers),
        )
        for (rule, endpoint, operation), broken in found.items()
    )


@dataclass(slots=True)
class _Broken:
    """Calls of one operation that fail in one direction: the first of them, and what is told of all."""

    edge: CallEdge
    pointers: dict[str, None] = field(default_factory=dict)
    callers: dict[str, None] = field(default_factory=dict)


def _common(pointers: Iterable[str]) -> str:
    """Where all of it is."""
    several = set(pointers)
    if len(several) == 1:
        return several.pop()
    sides = {one.partition("/")[0] for one in several}
    return sides.pop() if len(sides) == 1 else ""


def callers_of(manifest: Manifest, endpoint: str, operation: str = "") -> tuple[str, ...]:
    """Who calls an endpoint, each with its place: ``app.py:7: prep calls infer(data=…)``.

    Args:
        manifest: Of the callers' build.
        endpoint: The callee.
        operation: Its function, the method of its class, or its route; all of them where it is empty.
    """
    found = []
    for call in _calls(manifest):
        edge = call.edge
        if edge.endpoint != endpoint:
            continue
        if operation in {"", edge.route, edge.callee, edge.method or edge.function}:
            found.append(call.told())
    return tuple(dict.fromkeys(found))


def _calls(manifest: Manifest) -> Iterator[_Call]:
    for endpoint, resource in manifest.resources.items():
        for entry in resource.functions:
            for edge in entry.calls:
                yield _Call(endpoint, entry.name, edge)


def _by_pair(calls: list[_Call]) -> dict[tuple[str, ...], list[_Call]]:
    found: dict[tuple[str, ...], list[_Call]] = {}
    for call in calls:
        found.setdefault(call.pair, []).append(call)
    return found


def _interface(manifest: Manifest, name: str) -> list[Any]:
    """What callers of an endpoint depend on."""
    resource = manifest.resources[name]
    entries = [
        (one.name, one.is_class, one.is_generator, one.class_methods, one.http_method, one.http_path, one.contract)
        for one in resource.functions
    ]
    return [resource.is_load_balanced, resource.client_mode, entries]


def _fresh(edge: CallEdge, own: Manifest, other: Manifest) -> list[Problem]:
    """What is wrong with a call on the other side, and is right on its own."""
    found = problems(edge, other)
    if found:
        known = {(one.kind, one.pointer) for one in problems(edge, own)}
        found = [one for one in found if (one.kind, one.pointer) not in known]
    mine, theirs = reached(edge, own), reached(edge, other)
    if mine is not None and theirs is not None:
        said = {(one.kind, one.pointer) for one in found}
        found += [one for one in strangers(edge, mine, theirs) if (one.kind, one.pointer) not in said]
    return found
