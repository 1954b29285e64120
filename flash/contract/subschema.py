"""Whether what was valid stays valid: one JSON Schema against another, keyword by keyword.

Of an input, everything that the old schema takes must be taken by the new one. Of an output, everything that the new
one gives must have been promised by the old one. It is sound: where nothing is said, nothing breaks. What is not
understood is said to be so. It is not complete: a change that breaks nothing, such as a pattern written otherwise, may
be told as one that does.

A schema that names properties and says nothing of others is read as its users mean it: callers give the named ones, and
readers skip what they do not know. A field of an output that has a default is always there, because it is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from flash.contract.objects import compare_objects
from flash.contract.reading import (
    ANNOTATIONS,
    FORMATS,
    Document,
    NotUnderstood,
    Shown,
    assertions,
    escaped,
    is_anything,
    same,
    tags,
    text_of,
    type_of,
    types_of,
    wide,
    words,
)
from flash.contract.rules import Difference
from flash.contract.unions import compare_unions
from flash.contract.values import compare_arrays, compare_integers, compare_numbers, compare_strings

__all__ = ["Difference", "Direction", "differences"]

Direction = Literal["input", "output"]
Schema = Mapping[str, Any]

_RULES: Final[Mapping[str, tuple[str, str]]] = {
    "unjudged": ("FLASH-C001", "FLASH-C001"),
    "unknown-key": ("FLASH-C201", "FLASH-C320"),
    "renamed": ("FLASH-C202", "FLASH-C302"),
    "missing": ("FLASH-C203", "FLASH-C301"),
    "optional": ("FLASH-C205", "FLASH-C303"),
    "types": ("FLASH-C206", "FLASH-C304"),
    "null": ("FLASH-C207", "FLASH-C305"),
    "values": ("FLASH-C208", "FLASH-C306"),
    "bounds": ("FLASH-C209", "FLASH-C307"),
    "pattern": ("FLASH-C210", "FLASH-C308"),
    "format": ("FLASH-C211", "FLASH-C309"),
    "keys": ("FLASH-C212", "FLASH-C310"),
    "kind": ("FLASH-C213", "FLASH-C311"),
    "default": ("FLASH-C220", "FLASH-C220"),
}
"""What keeps one schema from lying within another, and the rule: of an input, of an output."""

_COMPARED: Final = {
    "integer": compare_integers,
    "number": compare_numbers,
    "string": compare_strings,
    "array": compare_arrays,
    "object": compare_objects,
}
_UNDERSTOOD: Final = frozenset(
    {
        *("type", "enum", "const", "anyOf", "oneOf", "allOf", "pattern", *FORMATS, "contentSchema"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
        *("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        *("properties", "required", "additionalProperties", "patternProperties", "propertyNames"),
        *("minProperties", "maxProperties"),
    }
)
_BROKEN: Final = (re.error, TypeError, ValueError, KeyError, AttributeError, RecursionError, NotUnderstood)
"""What a schema raises that somebody has edited, or that is nested deeper than anybody means."""


def differences(
    old: Schema | bool,
    new: Schema | bool,
    *,
    direction: Direction,
    old_root: Schema | bool | None = None,
    new_root: Schema | bool | None = None,
) -> tuple[Difference, ...]:
    """How *new* differs from *old* for those who rely on *old*, in the order of the schema.

    Args:
        old: The schema that is relied on.
        new: The one that takes its place.
        direction: Whether callers send the value, or get it.
        old_root: The document that *old* is a part of; itself, if left out.
        new_root: The same of *new*.

    Example:
        >>> old, new = {"type": "integer"}, {"type": "number"}
        >>> differences(old, new, direction="input")
        ()
        >>> differences(old, new, direction="output")
        (Difference(rule='FLASH-C304', pointer='', old='integer', new='number'),)
    """
    try:
        found = _differences(direction, old, new, Document(_or(old_root, old)), Document(_or(new_root, new)))
    except _BROKEN as error:
        return (Difference("FLASH-C001", "", None, f"not understood: {error}" if str(error) else "nested too deep"),)
    return tuple({text_of([one.rule, one.pointer, one.old, one.new]): one for one in found}.values())


def _differences(direction: Direction, old: Any, new: Any, before: Document, after: Document) -> list[Difference]:
    comparison = Comparison(direction, before, after)
    one, two = before.reference_to(old), after.reference_to(new)
    return comparison.compare(one, two, "") if direction == "input" else comparison.compare(two, one, "")


def _or(root: Any, schema: Any) -> Any:
    return schema if root is None else root


class Comparison:
    """Whether one schema, *sub*, lies within another, *sup*. Of an input sub is the old one, of an output the new one.

    Attributes:
        sub: The document of the one.
        sup: The document of the other.
    """

    def __init__(self, direction: Direction, old: Document, new: Document) -> None:
        self.direction = direction
        self.sub, self.sup = (old, new) if direction == "input" else (new, old)
        self._same = same(_definitions(old.root), _definitions(new.root))
        self._open: set[str] = set()

    def say(self, kind: str, at: str, sub: Any, sup: Any) -> list[Difference]:
        """One difference; the two sides are put into their order in time."""
        rule = _RULES[kind][self.direction == "output"]
        old, new = (sub, sup) if self.direction == "input" else (sup, sub)
        return [Difference(rule, at, old, new)]

    def compare(self, sub: Any, sup: Any, at: str, shown: Shown | None = None) -> list[Difference]:
        """What keeps *sub* from lying within *sup*, and notes."""
        if isinstance(sub, Mapping) and isinstance(sup, Mapping) and ("$ref" in sub or "$ref" in sup):
            # a value that holds values of its own kind is finite: what is asked again further down is answered above
            key = text_of([assertions(sub), assertions(sup)])
            if key in self._open:
                return []
            self._open.add(key)
            try:
                return self._compare(sub, sup, at, shown or Shown(sub, sup))
            finally:
                self._open.remove(key)
        return self._compare(sub, sup, at, shown or Shown(sub, sup))

    # -- unions, and what is said of a value as a whole ----------------------------------------------------------------

    def _compare(self, sub: Any, sup: Any, at: str, shown: Shown) -> list[Difference]:
        sub, sup = self.sub.resolved(sub), self.sup.resolved(sup)
        if sub is False or is_anything(sup):
            return []
        level = self._sameness(sub, sup)
        if level == "defaults too":
            return []
        try:
            found = self._parted(sub, sup, at, shown)
        except NotUnderstood:
            if level == "different":
                raise
            return []
        return found if level == "different" else [one for one in found if one.is_note]

    def _sameness(self, sub: Any, sup: Any) -> Literal["defaults too", "but for defaults", "different"]:
        level = min(same(sub, sup), self._same if '"$ref"' in text_of([sub, sup]) else 2)
        return ("different", "but for defaults", "defaults too")[level]

    def _parted(self, sub: Any, sup: Any, at: str, shown: Shown) -> list[Difference]:
        if isinstance(sup, bool):
            return self.say("types", at, words(shown.sub), words(shown.sup))
        sub = {} if isinstance(sub, bool) else sub
        found = self._parts_of_sub(sub, sup, at, shown)
        return self._parts_of_sup(sub, sup, at, shown) if found is None else found

    def _parts_of_sub(self, sub: Schema, sup: Schema, at: str, shown: Shown) -> list[Difference] | None:
        """Each part of what *sub* is made of; None where it is one thing."""
        if "allOf" in sub:
            return self._all_at_once(sub, sup, at, shown)
        for keyword in ("anyOf", "oneOf"):
            if keyword in sub:
                return self._each_branch(sub, sup, keyword, at, shown)
        if "const" in sub or "enum" in sub:
            values = [sub["const"]] if "const" in sub else list(sub["enum"])
            return self._values(values, sup, at, shown)
        if types_of(sub) == ("boolean",):
            return self._values([False, True], sup, at, shown)
        if types_of(sub) == ("null",):
            return self._values([None], sup, at, shown)
        return None

    def _parts_of_sup(self, sub: Schema, sup: Schema, at: str, shown: Shown) -> list[Difference]:
        """*sub*, which is one thing, against what *sup* is made of."""
        if "allOf" in sup:
            rest = _without(sup, "allOf")
            parts = [*([] if is_anything(rest) else [rest]), *sup["allOf"]]
            return [one for part in parts for one in self.compare(sub, part, at, shown)]
        strange = [key for key in sup if key not in _UNDERSTOOD | ANNOTATIONS and not self._is_in_both(key, sub, sup)]
        if strange:
            return self.say("unjudged", at, words(shown.sub), f"the keyword {strange[0]!r} is not understood")
        types = types_of(sub)
        if len(types) > 1 and any(key in sup for key in ("anyOf", "oneOf")):
            return [one for name in types for one in self.compare({**sub, "type": name}, sup, at, shown)]
        for keyword in ("anyOf", "oneOf"):
            if keyword in sup:
                return compare_unions(self, sub, sup, keyword, at, shown)
        fixed = self._fixed(sup)
        if fixed is not None:
            is_kin = any(type_of(one) in wide(types) for one in fixed)
            return self.say("values" if is_kin else "types", at, words(shown.sub), fixed if is_kin else words(sup))
        return self._typed(sub, sup, at, shown)

    def _is_in_both(self, key: str, sub: Schema, sup: Schema) -> bool:
        return key in sub and self._sameness(sub[key], sup[key]) != "different"

    def _all_at_once(self, sub: Schema, sup: Schema, at: str, shown: Shown) -> list[Difference]:
        """Of what holds all at once, one part within *sup* is enough; else the parts are taken together."""
        rest = _without(sub, "allOf")
        parts = [*([] if is_anything(rest) else [rest]), *sub["allOf"]]
        tried = [self.compare(part, sup, at, shown) for part in parts]
        for found in tried:
            if all(one.is_note for one in found):
                return found
        whole: dict[str, Any] = {}
        for part in parts:
            one = self.sub.resolved(part)
            said = {} if isinstance(one, bool) else assertions(one)
            if one is False or any(key in whole and text_of(whole[key]) != text_of(said[key]) for key in said):
                return self.say("unjudged", at, words(shown.sub), "several parts that hold at once are not understood")
            whole |= said
        return self.compare(whole, sup, at, shown)

    def _branches(self, sub: Schema, keyword: str) -> list[Any]:
        """Those of a union, each with what is said of all of them."""
        tag = sub.get("discriminator", {}).get("propertyName")
        if tag is not None:
            # OpenAPI's word, which pydantic takes at its word: the tag must be given although it has a default
            resolved = [self.sub.resolved(one) for one in sub[keyword]]
            return [
                one if isinstance(one, bool) else {**one, "required": sorted({*one.get("required", ()), tag})}
                for one in resolved
            ]
        rest = _without(sub, keyword)
        return list(sub[keyword]) if is_anything(rest) else [{"allOf": [rest, one]} for one in sub[keyword]]

    def _each_branch(self, sub: Schema, sup: Schema, keyword: str, at: str, shown: Shown) -> list[Difference]:
        found: list[Difference] = []
        tag = sub.get("discriminator", {}).get("propertyName", "")
        known = tags(sup, tag, self.sup)
        for branch in self._branches(sub, keyword):
            own = tags(branch, tag, self.sub) if known else ()
            if {text_of(one) for one in own} <= {text_of(one) for one in known}:
                found += self.compare(branch, sup, at, shown)
            else:
                found += self.say("kind", f"{at}/{escaped(tag)}", list(own), list(known))
        return found

    def _values(self, values: list[Any], sup: Schema, at: str, shown: Shown) -> list[Difference]:
        missing = [value for value in values if not self._takes(sup, value)]
        if not missing:
            return []
        if missing == [None]:
            return self.say("null", at, words(shown.sub), words(shown.sup))
        fixed = self._fixed(sup)
        if len(missing) < len(values) or fixed is not None:
            given = words(shown.sub) if values == [False, True] else values
            return self.say("values", at, given, words(shown.sup) if fixed is None else fixed)
        return self.say("types", at, words(shown.sub), words(shown.sup))

    def _fixed(self, schema: Schema) -> list[Any] | None:
        """All values that there can be, where the schema names them."""
        if "const" in schema:
            return [schema["const"]]
        if "enum" in schema:
            return list(schema["enum"])
        if schema.get("type") == "null":
            return [None]
        branches = [self.sup.resolved(one) for one in schema.get("anyOf", ())]
        found = [None if isinstance(one, bool) else self._fixed(one) for one in branches]
        return [value for one in found if one is not None for value in one] if found and None not in found else None

    def _takes(self, sup: Any, value: Any) -> bool:
        """Whether a single value is valid under *sup*; formats are believed only where they are nobody's."""
        from jsonschema.exceptions import UnknownType
        from referencing.exceptions import Unresolvable

        from flash.contract.validate import is_valid

        sup = self.sup.resolved(sup)
        if isinstance(sup, bool):
            return sup
        if "anyOf" in sup and is_anything(_without(sup, "anyOf")):
            return any(self._takes(branch, value) for branch in sup["anyOf"])
        if any(part in text_of(sup) for part in ('"format"', '"content')) and isinstance(value, (str, list, dict)):
            return False
        try:
            return is_valid(sup, value, root=self.sup.root)
        except (UnknownType, Unresolvable) as error:
            raise NotUnderstood(str(error)) from error

    # -- types ---------------------------------------------------------------------------------------------------------

    def _typed(self, sub: Schema, sup: Schema, at: str, shown: Shown) -> list[Difference]:
        allowed = types_of(sup)
        missing = [
            one for one in types_of(sub) if one not in allowed and not (one == "integer" and "number" in allowed)
        ]
        found: list[Difference] = []
        if "null" in missing and len(missing) == 1:
            found += self.say("null", at, words(shown.sub), words(shown.sup))
        elif missing:
            found += self.say("types", at, words(shown.sub), words(shown.sup))
            if "type" not in sub:
                return found  # it was anything: what exactly is no longer taken says nothing
        for name in types_of(sub):
            if name in missing:
                continue
            if name in _COMPARED:
                found += _COMPARED[name](self, sub, sup, at)
        return found


def _definitions(root: Schema | bool) -> Any:
    return {} if isinstance(root, bool) else {key: root[key] for key in ("$defs", "definitions") if key in root}


def _without(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}
