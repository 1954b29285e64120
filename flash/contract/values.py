"""Numbers, text and lists of two schemas: whether the ones of the first are all among those of the second."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from flash.contract.reading import FORMATS, limits, multiple

if TYPE_CHECKING:
    from flash.contract.reading import Document, Shown
    from flash.contract.rules import Difference

__all__ = ["Comparing", "compare_arrays", "compare_bounds", "compare_integers", "compare_numbers", "compare_strings"]

Schema = Mapping[str, Any]


class Comparing(Protocol):
    """What a comparison is for its parts. See :class:`flash.contract.subschema.Comparison`."""

    sub: Document
    sup: Document

    @property
    def direction(self) -> str:
        """``input`` or ``output``."""
        ...

    def say(self, kind: str, at: str, sub: Any, sup: Any) -> list[Difference]:
        """One difference."""
        ...

    def compare(self, sub: Any, sup: Any, at: str, shown: Shown | None = None) -> list[Difference]:
        """What keeps *sub* from lying within *sup*."""
        ...


def compare_bounds(
    comparison: Comparing, sub: Schema, sup: Schema, at: str, *, low: str, high: str, is_integer: bool = False
) -> list[Difference]:
    """Whether the one range lies within the other; *low* and *high* are the keywords of its bounds."""
    least, above, most, below = limits(sub, low, high, is_integer=is_integer)
    sup_least, sup_above, sup_most, sup_below = limits(sup, low, high, is_integer=is_integer)
    is_low = least > sup_least or (least == sup_least and (above or not sup_above))
    is_high = most < sup_most or (most == sup_most and (below or not sup_below))
    if is_low and is_high:
        return []
    keys = (low, high, "exclusiveMinimum", "exclusiveMaximum") if low == "minimum" else (low, high)
    said = [{key: one[key] for key in keys if key in one} for one in (sub, sup)]
    return comparison.say("bounds", at, said[0], said[1])


def compare_integers(comparison: Comparing, sub: Schema, sup: Schema, at: str) -> list[Difference]:
    """Of which each is a multiple of 1."""
    found = compare_bounds(comparison, sub, sup, at, low="minimum", high="maximum", is_integer=True)
    return found + _multiples(comparison, sub, sup, at, multiple(sub) or Fraction(1))


def compare_numbers(comparison: Comparing, sub: Schema, sup: Schema, at: str) -> list[Difference]:
    """Of any kind."""
    found = compare_bounds(comparison, sub, sup, at, low="minimum", high="maximum")
    return found + _multiples(comparison, sub, sup, at, multiple(sub))


def _multiples(comparison: Comparing, sub: Schema, sup: Schema, at: str, given: Fraction | None) -> list[Difference]:
    wanted = multiple(sup)
    if wanted is None or (given is not None and (given / wanted).denominator == 1):
        return []
    said = {} if "multipleOf" not in sub else {"multipleOf": sub["multipleOf"]}
    return comparison.say("bounds", at, said, {"multipleOf": sup["multipleOf"]})


def compare_strings(comparison: Comparing, sub: Schema, sup: Schema, at: str) -> list[Difference]:
    """By length, pattern, and what they mean."""
    found = compare_bounds(comparison, sub, sup, at, low="minLength", high="maxLength")
    if "pattern" in sup and sup["pattern"] != sub.get("pattern"):
        found += comparison.say("pattern", at, sub.get("pattern"), sup["pattern"])
    for keyword in FORMATS:
        if keyword in sup and sup[keyword] != sub.get(keyword):
            found += comparison.say("format", at, sub.get(keyword), sup[keyword])
    if "contentSchema" in sup:
        found += comparison.compare(sub.get("contentSchema", True), sup["contentSchema"], at)
    return found


def compare_arrays(comparison: Comparing, sub: Schema, sup: Schema, at: str) -> list[Difference]:
    """By length, by the items that have a place of their own, and by the others."""
    found = compare_bounds(comparison, _closed(sub), _closed(sup), at, low="minItems", high="maxItems")
    longest = _longest(sub)
    if sup.get("uniqueItems") and not sub.get("uniqueItems") and longest > 1:
        found += comparison.say("bounds", at, {"uniqueItems": False}, {"uniqueItems": True})
    fixed = max(len(sub.get("prefixItems", ())), len(sup.get("prefixItems", ())))
    for number in range(min(fixed, longest)):
        wanted = _item(sup, number)
        if wanted is not False:  # that there are fewer was said above
            found += comparison.compare(_item(sub, number), wanted, f"{at}/{number}")
    if longest > fixed and sup.get("items", True) is not False:
        found += comparison.compare(sub.get("items", True), sup.get("items", True), f"{at}/*")
    return found


def _item(schema: Schema, number: int) -> Any:
    prefix = schema.get("prefixItems", ())
    return prefix[number] if number < len(prefix) else schema.get("items", True)


def _longest(schema: Schema) -> int:
    return int(_closed(schema).get("maxItems", 2**63))


def _closed(schema: Schema) -> Schema:
    """Where nothing may follow the named items, there are no more than those."""
    if schema.get("items") is not False:
        return schema
    length = len(schema.get("prefixItems", ()))
    return {**schema, "maxItems": min(length, schema.get("maxItems", length))}
