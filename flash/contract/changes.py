"""What has changed in the contracts of an app, from one manifest to another, for those who rely on the first. Pure.

What callers see is an endpoint's kind, its routes or methods, what they take, what they give, and whether they stream.
What callers do not see, such as the name of a queue's function, is no change. Callers within the app, which go by the
names of functions too, are judged by :mod:`flash.contract.calls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from flash.contract.calls import callers_of, judge_callers
from flash.contract.change import Change
from flash.contract.operations import Operation, operations_of
from flash.contract.reading import plain, text_of
from flash.contract.shapes import compare_calls

if TYPE_CHECKING:
    from flash.model.manifest import CallSchema, Manifest

__all__ = ["Change", "Comparison", "compare", "compare_with_callers"]

_NOTHING_KNOWN: Final = "no contract in the manifest"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What has changed.

    Attributes:
        changes: By endpoint, in the order of the old manifest; those that could not be judged are among them.
    """

    changes: tuple[Change, ...]

    @property
    def breaking(self) -> tuple[Change, ...]:
        """Those that break somebody."""
        return tuple(one for one in self.changes if one.severity == "breaking")

    @property
    def notes(self) -> tuple[Change, ...]:
        """Those that break nobody, and should be known."""
        return tuple(one for one in self.changes if one.severity == "note")

    @property
    def unjudged(self) -> tuple[str, ...]:
        """What could not be judged, a line each."""
        return tuple(one.text for one in self.changes if one.severity == "unjudged")


def compare(old: Manifest, new: Manifest) -> Comparison:
    """What breaks those who rely on *old*, when *new* takes its place.

    An endpoint that is new is no change, nor is anything else that nobody can rely on yet.
    """
    gone = [name for name in old.resources if name not in new.resources]
    come = [name for name in new.resources if name not in old.resources]
    found: list[Change] = []
    for name in old.resources:
        if name in new.resources:
            found += [_called(change, old, new) for change in _endpoint(name, old, new)]
            continue
        like = [one for one in come if len(gone) == 1 and _face(new, one) == _face(old, name)]
        renamed = like[0] if len(like) == 1 else None
        change = Change(
            rule="FLASH-C101" if renamed is None else "FLASH-C102",
            endpoint=name,
            old=name,
            new=renamed,
            callers=callers_of(old, name),
        )
        found.append(change)
    return Comparison(tuple(found))


def compare_with_callers(old: Manifest, new: Manifest) -> Comparison:
    """The same, and what fails while workers of both run."""
    return Comparison((*compare(old, new).changes, *judge_callers(old, new)))


def _called(change: Change, old: Manifest, new: Manifest) -> Change:
    """With who calls it in the new version, and who does in the old one, where the new one has no such call."""
    now = callers_of(new, change.endpoint, change.operation)
    known = {caller.partition(": ")[2] for caller in now}
    live = [one for one in callers_of(old, change.endpoint, change.operation) if one.partition(": ")[2] not in known]
    return replace(change, callers=(*now, *(f"{one} (live)" for one in live)))


def _face(manifest: Manifest, name: str) -> str:
    """What callers see of an endpoint, as text: of equals, one may be the other under another name."""
    resource = manifest.resources[name]
    shown = [
        [one.method, one.verb, one.shape, one.is_stream, _contract(one.schema)] for one in operations_of(manifest, name)
    ]
    return text_of([resource.is_load_balanced, resource.client_mode, resource.image_name, shown])


def _contract(schema: CallSchema | None) -> Any:
    return None if schema is None else [plain(schema.input), plain(schema.output), schema.parameter, schema.error]


def _endpoint(name: str, old: Manifest, new: Manifest) -> Iterator[Change]:
    """An endpoint that both have."""
    before, after = operations_of(old, name), operations_of(new, name)
    one, two = old.resources[name], new.resources[name]
    # what the workers run is the same: what could not be known of it before has not changed since
    is_same_code = bool(one.fingerprint) and one.fingerprint == two.fingerprint
    if before and after and one.is_load_balanced != two.is_load_balanced:
        kinds = ["load-balanced" if resource.is_load_balanced else "queue" for resource in (one, two)]
        yield Change(rule="FLASH-C401", endpoint=name, old=kinds[0], new=kinds[1])
        return
    is_described = any(operation.schema is not None for operation in before)
    if before and not is_described and not is_same_code:
        # once for all of it: an older Flash, or runpod-flash, has built it
        yield Change(rule="FLASH-C001", endpoint=name, old=_NOTHING_KNOWN)
    compared = _routes if one.is_load_balanced else _jobs
    for change in compared(name, before, after):
        if change.rule != "FLASH-C001" or change.pointer or (is_described and not is_same_code):
            yield change


def _routes(endpoint: str, before: Sequence[Operation], after: Sequence[Operation]) -> Iterator[Change]:
    served = {(one.verb, one.shape): one for one in after}
    kept = {(one.verb, one.shape) for one in before} & set(served)
    free = [one for key, one in served.items() if key not in kept]
    lost = [one for one in before if (one.verb, one.shape) not in kept]
    for operation in before:
        if operation not in lost:
            yield from _changed(endpoint, operation, served[operation.verb, operation.shape])
            continue
        moved = _moved(operation, lost, free)
        if moved is None:
            yield Change(rule="FLASH-C103", endpoint=endpoint, operation=operation.name, old=operation.name)
            continue
        if operation.shape != moved.shape:
            yield Change(
                rule="FLASH-C403", endpoint=endpoint, operation=operation.name, old=operation.path, new=moved.path
            )
        if operation.verb != moved.verb:
            yield Change(
                rule="FLASH-C402", endpoint=endpoint, operation=operation.name, old=operation.verb, new=moved.verb
            )
        yield from _changed(endpoint, operation, moved)


def _moved(operation: Operation, lost: Sequence[Operation], free: Sequence[Operation]) -> Operation | None:
    """Where a route has gone: to its function's new one, or, where no other has gone, to the only one like it."""
    for own in free:
        if own.function == operation.function:
            return own
    like = [one for one in free if len(lost) == 1 and _contract(one.schema) == _contract(operation.schema)]
    return like[0] if len(like) == 1 and operation.schema is not None else None


def _jobs(endpoint: str, before: Sequence[Operation], after: Sequence[Operation]) -> Iterator[Change]:
    if not before:
        return
    if not after:
        yield Change(rule="FLASH-C103", endpoint=endpoint, operation=before[0].name, old=before[0].name)
        return
    was_class, is_class = (bool(operations[0].method) for operations in (before, after))
    if was_class and not is_class:
        yield Change(
            rule="FLASH-C406", endpoint=endpoint, operation=before[0].name, old=_methods(before), new=after[0].function
        )
    elif len(after) > 1 and is_class and len(before) == 1:
        yield Change(
            rule="FLASH-C405", endpoint=endpoint, operation=before[0].name, old=before[0].name, new=_methods(after)
        )
    if len(before) == 1 and len(after) == 1:
        # jobs need not say which, so that no name tells the one from the other
        if was_class and is_class and before[0].method != after[0].method:
            yield _renamed_method(endpoint, before[0], after[0])
        yield from _changed(endpoint, before[0], after[0])
        return
    key: Callable[[Operation], str] = (lambda one: one.method) if was_class else (lambda one: one.function)
    kept = {key(one): one for one in after}
    lost = [one for one in before if key(one) not in kept]
    free = [one for one in after if key(one) not in set(map(key, before))]
    for operation in before:
        if key(operation) in kept:
            yield from _changed(endpoint, operation, kept[key(operation)])
            continue
        like = [one for one in free if len(lost) == 1 and _contract(one.schema) == _contract(operation.schema)]
        if is_class and len(like) == 1 and operation.schema is not None and was_class:
            yield _renamed_method(endpoint, operation, like[0])
        elif was_class == is_class:
            yield Change(rule="FLASH-C103", endpoint=endpoint, operation=operation.name, old=operation.name)


def _renamed_method(endpoint: str, old: Operation, new: Operation) -> Change:
    return Change(rule="FLASH-C104", endpoint=endpoint, operation=old.name, old=old.method, new=new.method)


def _methods(operations: Sequence[Operation]) -> str:
    return ", ".join(one.method or one.function for one in operations)


def _changed(endpoint: str, old: Operation, new: Operation) -> Iterator[Change]:
    """What has changed in an operation that both have."""
    schema = _with_names_of(new, old)
    for one in compare_calls(schema, new.schema, streams=(old.is_stream, new.is_stream)):
        yield Change(
            rule=one.rule, endpoint=endpoint, operation=old.name, pointer=one.pointer, old=one.old, new=one.new
        )


def _with_names_of(new: Operation, old: Operation) -> CallSchema | None:
    """The old schema, with the new names of what travels in the path: there it has no name."""
    names = dict(zip(old.path_parameters, new.path_parameters, strict=False))
    schema = old.schema
    if schema is None or schema.input is None or all(one == two for one, two in names.items()):
        return schema
    if len(old.path_parameters) != len(new.path_parameters):
        return schema
    given = schema.input
    renamed = {
        **given,
        "properties": {names.get(name, name): value for name, value in given.get("properties", {}).items()},
        "required": [names.get(name, name) for name in given.get("required", ())],
    }
    return replace(schema, input=renamed)
