"""What one operation takes and gives, old and new. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.contract.rules import Difference
from flash.contract.subschema import differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flash.model.manifest import CallSchema

__all__ = ["compare_calls"]


def compare_calls(
    old: CallSchema | None, new: CallSchema | None, *, streams: tuple[bool, bool] = (False, False)
) -> Iterator[Difference]:
    """What breaks those who call the old one; pointers begin with ``input`` or ``output``.

    Args:
        old: What is relied on; None where nothing is known.
        new: What takes its place.
        streams: Whether the old one streams, and the new one.
    """
    if old is None or old.input is None or new is None or new.input is None:
        yield Difference("FLASH-C001", "", _known(old), _known(new))
        return
    for one in _inputs(old, new):
        yield Difference(one.rule, f"input{one.pointer}", one.old, one.new)
    if streams[0] != streams[1]:
        words = [("streams" if is_stream else "gives one value") for is_stream in streams]
        yield Difference("FLASH-C404", "", *words)
    for one in _outputs(old, new, streams):
        yield Difference(one.rule, f"output{one.pointer}", one.old, one.new)


def _known(schema: CallSchema | None) -> str:
    if schema is None:
        return "no contract in the manifest"
    if schema.input is None:
        return f"no types: {schema.error}" if schema.error else "no types"
    return "a contract"


def _inputs(old: CallSchema, new: CallSchema) -> tuple[Difference, ...]:
    before, after = old.input or {}, new.input or {}
    if old.parameter is not None and new.parameter is not None:
        found = differences(before, after, direction="input")
        if old.parameter == new.parameter:
            return found
        # callers within the app, and whoever writes the name, give it as a key: see flash.model.schema
        return (Difference("FLASH-C202", f"/{old.parameter}", old.parameter, new.parameter), *found)
    if old.parameter is None and new.parameter is None:
        return differences(before, after, direction="input")
    if old.parameter is not None:
        return (_reshaped(old, new),)
    if new.parameter in before.get("properties", {}):
        # the key that stood for the parameter would be taken for a part of its value
        return (_reshaped(old, new),)
    return differences(before, after, direction="input")


def _reshaped(old: CallSchema, new: CallSchema) -> Difference:
    return Difference("FLASH-C204", "", *(_shape(one) for one in (old, new)))


def _shape(schema: CallSchema) -> str:
    if schema.parameter is not None:
        return f"the value of {schema.parameter!r}"
    names = list((schema.input or {}).get("properties", {}))
    return f"an object with {', '.join(map(repr, names)) or 'no keys'}"


def _outputs(old: CallSchema, new: CallSchema, streams: tuple[bool, bool]) -> tuple[Difference, ...]:
    if old.output is None:
        return ()
    if new.output is None:
        return (Difference("FLASH-C312", "", "typed", "untyped"),)
    if streams[0] == streams[1]:
        return differences(old.output, new.output, direction="output")
    # what is streamed is described as the list of it: what differs beside that is in the items
    before, after = old.output, new.output
    one = before.get("items", True) if streams[0] else before
    two = after.get("items", True) if streams[1] else after
    return differences(one, two, direction="output", old_root=before, new_root=after)
