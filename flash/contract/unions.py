"""One thing against a union: one of its branches must take all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flash.contract.reading import Shown, escaped, is_anything, tags, text_of, types_of, wide, words

if TYPE_CHECKING:
    from flash.contract.rules import Difference
    from flash.contract.values import Comparing

__all__ = ["compare_unions"]

Schema = Mapping[str, Any]


def compare_unions(
    comparison: Comparing, sub: Schema, sup: Schema, keyword: str, at: str, shown: Shown
) -> list[Difference]:
    """What keeps *sub*, which is of one type, from lying within the union *sup*; *keyword* has its branches."""
    rest = {key: value for key, value in sup.items() if key not in (keyword, "discriminator")}
    found = [] if is_anything(rest) else comparison.compare(sub, rest, at, shown)
    branches = [comparison.sup.resolved(branch) for branch in sup[keyword]]
    name = sup.get("discriminator", {}).get("propertyName")
    if name is not None:
        return [*found, *_tagged(comparison, sub, branches, name, at, shown)]
    if keyword == "oneOf" and not _are_apart(branches):
        # valid under two of them is valid under none
        return [*found, *comparison.say("unjudged", at, words(shown.sub), "a oneOf whose branches overlap")]
    tried = [comparison.compare(sub, branch, at) for branch in branches]
    for one in tried:
        if all(each.is_note for each in one):
            return [*found, *one]
    kin = [number for number, branch in enumerate(branches) if _is_kin(sub, branch)]
    titled = [number for number in kin if _title(branches[number]) == _title(sub)]
    if len(kin) == 1 or len(titled) == 1:
        return [*found, *tried[(titled or kin)[0]]]
    kind = "kind" if kin and types_of(sub) == ("object",) else "types"
    return [*found, *comparison.say(kind, at, words(shown.sub), words(shown.sup))]


def _tagged(
    comparison: Comparing, sub: Schema, branches: Sequence[Schema | bool], name: str, at: str, shown: Shown
) -> list[Difference]:
    """*sub* against the branches of a union whose kinds the property *name* tells apart."""
    where = f"{at}/{escaped(name)}"
    if types_of(sub) != ("object",):
        return comparison.say("types", at, words(shown.sub), words(shown.sup))
    own = tags(sub, name, comparison.sub)
    known = [tag for one in branches for tag in tags(one, name, comparison.sup)]
    if not own:
        is_there = name in sub.get("properties", {})
        return comparison.say(
            "values" if is_there else "missing", where, words(sub["properties"][name]) if is_there else None, known
        )
    wanted = set(map(text_of, own))
    fitting = [one for one in branches if wanted <= set(map(text_of, tags(one, name, comparison.sup)))]
    if not fitting:
        return comparison.say("kind", where, list(own), known)
    found = comparison.compare(sub, fitting[0], at)
    is_written = comparison.direction == "output" and "default" in sub["properties"][name]
    if name not in sub.get("required", ()) and not is_written:
        found += comparison.say("optional", where, "optional", "required")
    return found


def _is_kin(sub: Schema, branch: Schema | bool) -> bool:
    if isinstance(branch, bool) or "type" not in branch:
        return False
    return not wide(types_of(sub)).isdisjoint(wide(types_of(branch)))


def _are_apart(branches: Iterable[Schema | bool]) -> bool:
    """Whether no value can be valid under two of them, as far as their types tell."""
    seen: set[str] = set()
    for branch in branches:
        if isinstance(branch, bool) or "type" not in branch:
            return False
        types = wide(types_of(branch))
        if not types.isdisjoint(seen):
            return False
        seen |= types
    return True


def _title(schema: Schema | bool) -> object:
    return None if isinstance(schema, bool) else schema.get("title")
