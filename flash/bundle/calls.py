"""The call graph of an app: which calls of other endpoints each function of an endpoint makes, by whatever way."""

from __future__ import annotations

import ast
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flash.bundle.call_meanings import Meanings, Served, key_of
from flash.bundle.call_sites import Body, read_body
from flash.bundle.modules import Definition
from flash.model.calls import CallEdge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from flash.bundle.modules import Modules
    from flash.model.app import Function

__all__ = ["Calls"]

_UNREAD: Final = "it is reached in a way that is not read"
_HOPS: Final = 20


class Calls:
    """Finds the calls of endpoints. A function of the project is read once, however many endpoints use it.

    Args:
        modules: The project.
        served: The functions and classes of all endpoints, by module and name.
    """

    def __init__(self, modules: Modules, served: Mapping[tuple[str, str], Served]) -> None:
        self._modules = modules
        self._served = served
        self._meanings = Meanings(modules, served)
        self._bodies: dict[int, Body] = {}
        self._by_name = {one.definition.node.name: one for one in served.values()}

    def of(self, key: tuple[str, str], function: Function) -> tuple[CallEdge, ...]:
        """The calls that a function or class of an endpoint makes of others, by their place.

        Args:
            key: Its module and name.
            function: What is known of it: one that uses no other is not read.
        """
        if not function.calls and not function.clients:
            return ()
        served = self._served[key]
        found: dict[tuple[object, ...], tuple[tuple[str, str, int, int, str], CallEdge]] = {}
        here = set[str]()
        for edge, order in self._edges(served, here):
            place = (edge.caller_method, edge.at.rpartition(":")[0], *order, edge.callee)
            # of what a line hands on, once is enough
            found.setdefault((edge.caller_method, edge.at, edge.callee) if edge.why else place, (place, edge))
        edges = [edge for _, edge in sorted(found.values(), key=lambda one: one[0])]
        return (*edges, *self._overlooked(served, function, edges, here))

    def _overlooked(
        self, served: Served, function: Function, edges: list[CallEdge], here: set[str]
    ) -> Iterator[CallEdge]:
        """What the function is known to use, and what no call was found of."""
        at = str(function.location)
        for name in sorted(set(function.calls) - {edge.function for edge in edges} - here):
            callee = self._by_name[name]
            if callee.endpoint != served.endpoint:
                yield CallEdge(
                    at=at,
                    endpoint=callee.endpoint,
                    function=name,
                    route=" ".join(callee.route or ()),
                    is_open=True,
                    why=_UNREAD,
                )
        known = {edge.function.partition("(")[2][: len(kind)] for edge in edges for kind in function.clients}
        for kind in function.clients:
            if kind not in known:
                yield CallEdge(at=at, function=f"Endpoint({kind}=…)", is_open=True, why=_UNREAD)

    def _edges(self, served: Served, here: set[str]) -> Iterator[tuple[CallEdge, tuple[int, int]]]:
        own = [served.definition, *self._bases(served.definition)]
        bodies = [self._body(one) for one in own]
        if not served.is_class:
            yield from self._walk(served, "", own, [(bodies[0], {""})], here)
            return
        units: dict[str, set[str]] = {}
        for body in reversed(bodies):
            units.update(body.units)
        reached = set[str]()
        for method in units:
            if method and not method.startswith("_"):
                names = _closure(method, units)
                reached |= names
                yield from self._walk(served, method, own, [(body, names) for body in bodies], here)
        # what runs when an instance is made, whichever method is called then
        rest = units.keys() - reached
        yield from self._walk(served, "", own, [(body, rest) for body in bodies], here)

    def _walk(
        self,
        served: Served,
        caller_method: str,
        own: list[Definition],
        start: Iterable[tuple[Body, Collection[str]]],
        here: set[str],
    ) -> Iterator[tuple[CallEdge, tuple[int, int]]]:
        """The calls in what *served* runs, from the bodies that it starts with: those units of each."""
        seen = {key_of(one) for one in own}
        pending: deque[tuple[Body, Collection[str] | None, tuple[str, ...]]] = deque(
            (body, units, ()) for body, units in start
        )
        while pending:
            body, units, way = pending.popleft()
            here |= body.here
            used = [
                (helper.definition, helper.order) for helper in body.helpers if units is None or helper.unit in units
            ]
            for site in body.sites:
                if units is not None and site.unit not in units:
                    continue
                if site.callee is not None and site.callee.endpoint == served.endpoint and not site.edge.is_remote:
                    # it runs in the same worker
                    used.append((site.callee.definition, site.order))
                else:
                    yield replace(site.edge, caller_method=caller_method, through=list(way)), site.order
            for definition, order in sorted(used, key=lambda one: one[1]):
                if key_of(definition) not in seen:
                    seen.add(key_of(definition))
                    pending.append((self._body(definition), None, (*way, f"{body.path}:{order[0]}")))

    def _body(self, definition: Definition) -> Body:
        key = id(definition.node)
        if key not in self._bodies:
            self._bodies[key] = read_body(definition, self._modules, self._meanings)
        return self._bodies[key]

    def _bases(self, definition: Definition, hops: int = _HOPS) -> Iterator[Definition]:
        """The classes of the project that it inherits from, the nearest first."""
        node = definition.node
        for base in node.bases if isinstance(node, ast.ClassDef) and hops else ():
            meaning = self._modules.meaning(definition.module, base)
            if isinstance(meaning, Definition) and key_of(meaning) not in self._served:
                yield meaning
                yield from self._bases(meaning, hops - 1)


def _closure(method: str, units: Mapping[str, set[str]]) -> set[str]:
    """A method, and those of the same instance that it uses."""
    found, pending = {method}, [method]
    while pending:
        fresh = (units[pending.pop()] & units.keys()) - found
        found |= fresh
        pending += fresh
    return found
