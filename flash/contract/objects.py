"""Objects of two schemas: their named keys, those that may be missing, those that have new names, and all others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from flash.contract.reading import escaped, plain, text_of, words
from flash.contract.values import Comparing, compare_bounds

if TYPE_CHECKING:
    from flash.contract.rules import Difference

__all__ = ["compare_objects"]

Schema = Mapping[str, Any]


class _Keys(NamedTuple):
    """What a schema says of an object's keys.

    Attributes:
        named: Schemas by name.
        needed: Names that are always there.
        patterns: Schemas by pattern of the names.
        others: Of all other keys, as whoever writes the object means it; False where there are none.
        is_closed: Whether the schema itself refuses them.
        is_open: Whether it says something of them other than that.
    """

    named: Mapping[str, Any]
    needed: frozenset[str]
    patterns: Mapping[str, Any]
    others: Any
    is_closed: bool
    is_open: bool

    @classmethod
    def of(cls, schema: Schema, *, is_written: bool) -> _Keys:
        """Those of *schema*; *is_written*: whether what has a default is there all the same."""
        named: Mapping[str, Any] = schema.get("properties", {})
        needed = set(schema.get("required", ()))
        if is_written:
            needed |= {name for name, one in named.items() if isinstance(one, Mapping) and "default" in one}
        said = schema.get("additionalProperties")
        return cls(
            named=named,
            needed=frozenset(needed),
            patterns=schema.get("patternProperties", {}),
            others=("properties" not in schema and "patternProperties" not in schema) if said is None else said,
            is_closed=said is False,
            is_open=said is not None and said is not False,
        )

    def matching(self, name: str) -> list[Any]:
        """The schemas of the patterns that *name* has."""
        return [schema for pattern, schema in self.patterns.items() if re.search(pattern, name)]


def compare_objects(comparison: Comparing, sub: Schema, sup: Schema, at: str) -> list[Difference]:
    """What keeps the objects of *sub* from being objects of *sup*."""
    is_output = comparison.direction == "output"
    one, two = (_Keys.of(schema, is_written=is_output) for schema in (sub, sup))
    old_name, new_name = _renamed(two, one) if is_output else _renamed(one, two)
    renamed = {old_name, new_name}
    found: list[Difference] = []
    if old_name is not None:
        names = (new_name, old_name) if is_output else (old_name, new_name)
        found += comparison.say("renamed", f"{at}/{escaped(old_name)}", *names)
    for name, given in one.named.items():
        if name not in renamed:
            found += _given(comparison, name, given, two, f"{at}/{escaped(name)}")
    for name in sorted(two.needed - one.needed - renamed):
        where = f"{at}/{escaped(name)}"
        if name in one.named:
            found += comparison.say("optional", where, "optional", "required")
        else:
            found += comparison.say("missing", where, None, words(two.named.get(name, True)))
    for name, wanted in two.named.items():
        if name in one.named or name in renamed:
            continue
        where = f"{at}/{escaped(name)}"
        sources = one.matching(name) or ([] if one.others is False else [one.others])
        found += [each for source in sources for each in comparison.compare(source, wanted, where)]
        if is_output and not sources and name not in two.needed:
            # it was not promised to be there; who looks for it finds it never again
            found += comparison.say("missing", where, None, words(wanted))
    found += _others(comparison, one, two, at)
    found += _names(comparison, one, sub, sup, at)
    said = [_counted(schema, keys) for schema, keys in ((sub, one), (sup, two))]
    if "minProperties" in sup or "maxProperties" in sup:
        found += compare_bounds(comparison, said[0], sup, at, low="minProperties", high="maxProperties")
    return found


def _renamed(old: _Keys, new: _Keys) -> tuple[str | None, str | None]:
    """The only name that has gone and the only one like it that has come, or nothing."""
    gone = [name for name in old.named if name not in new.named]
    if len(gone) != 1 or new.is_open or new.matching(gone[0]):
        return None, None
    was = text_of(plain(old.named[gone[0]]))
    come = [name for name, schema in new.named.items() if name not in old.named and text_of(plain(schema)) == was]
    return (gone[0], come[0]) if len(come) == 1 else (None, None)


def _given(comparison: Comparing, name: str, given: Any, two: _Keys, at: str) -> list[Difference]:
    """A named key of the one, in the other."""
    wanted = [two.named[name]] if name in two.named else []
    found = _default(comparison, given, wanted[0], at) if wanted else []
    wanted += two.matching(name)
    if not wanted and two.is_open:
        wanted = [two.others]
    if wanted:
        return [*found, *(each for one in wanted for each in comparison.compare(given, one, at))]
    if two.is_closed or (comparison.direction == "input" and two.named):
        # a schema that does not refuse it drops it without a word: nobody who sends it means that
        return comparison.say("unknown-key", at, words(given), None)
    return []


def _default(comparison: Comparing, given: Any, wanted: Any, at: str) -> list[Difference]:
    if comparison.direction == "output" or not (isinstance(given, Mapping) and isinstance(wanted, Mapping)):
        return []
    if "default" not in given or "default" not in wanted or text_of(given["default"]) == text_of(wanted["default"]):
        return []
    return comparison.say("default", at, text_of(given["default"]), text_of(wanted["default"]))


def _others(comparison: Comparing, one: _Keys, two: _Keys, at: str) -> list[Difference]:
    """Keys of the one that have no names of their own, in the other."""
    found: list[Difference] = []
    sources = {**one.patterns, **({} if one.others is False else {"": one.others})}
    for pattern, source in sources.items():
        # a key may have any pattern that is not known to be another one
        wanted = [two.patterns[pattern]] if pattern in two.patterns else list(two.patterns.values())
        found += [each for schema in wanted for each in comparison.compare(source, schema, f"{at}/*")]
        if pattern in two.patterns:
            continue
        if two.is_closed:
            found += comparison.say("keys", at, words(source), None)
        elif two.is_open:
            found += comparison.compare(source, two.others, f"{at}/*")
    return found


def _names(comparison: Comparing, one: _Keys, sub: Schema, sup: Schema, at: str) -> list[Difference]:
    """The keys themselves, which are text."""
    if "propertyNames" not in sup:
        return []
    wanted = {"type": "string", "allOf": [sup["propertyNames"]]}
    found = comparison.compare({"enum": list(one.named)}, wanted, at) if one.named else []
    for pattern in one.patterns:
        found += comparison.compare({"type": "string", "pattern": pattern}, wanted, f"{at}/*")
    if one.others is not False:
        given = {"type": "string", "allOf": [sub.get("propertyNames", True)]}
        found += comparison.compare(given, wanted, f"{at}/*")
    return found


def _counted(schema: Schema, keys: _Keys) -> Schema:
    """With how many keys there are at least and at most, as the names tell."""
    least = max(schema.get("minProperties", 0), len(keys.needed))
    if keys.others is not False or keys.patterns:
        return {**schema, "minProperties": least}
    most = len(set(keys.named) | keys.needed)
    return {"minProperties": least, "maxProperties": min(schema.get("maxProperties", most), most)}
