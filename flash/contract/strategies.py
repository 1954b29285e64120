"""JSON Schema 2020-12, as pydantic emits it, becomes a Hypothesis strategy.

Everything drawn is valid JSON and valid under the schema. The converse is not promised: where the schema says less than
the function means (``additionalProperties`` left out, formats), the strategy keeps to values that nobody can object to.
A keyword that it cannot honour is an error that names it, never a guess.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from hypothesis import strategies as st

from flash.contract.formats import Unsupported, formatted, matching, text
from flash.contract.merge import merged
from flash.contract.numbers import MAX_SAFE_INTEGER, integers, numbers
from flash.contract.validate import is_valid

__all__ = ["MAX_SAFE_INTEGER", "Unsupported", "from_schema"]

Json = Any
Schema = Mapping[str, Any]
Strategy = st.SearchStrategy[Json]

_MORE_ITEMS: Final = 5
_MORE_ITEMS_IN_RECURSION: Final = 2

_UNSUPPORTED: Final = (
    "$dynamicRef",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "not",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
)

_TYPE_OF_KEYWORD: Final = {
    **dict.fromkeys(
        ("properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties"),
        "object",
    ),
    "maxProperties": "object",
    **dict.fromkeys(("items", "prefixItems", "minItems", "maxItems", "uniqueItems"), "array"),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format", "contentMediaType", "contentSchema"), "string"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), "number"),
}

_ASSERTIONS: Final = frozenset(
    {*_TYPE_OF_KEYWORD, "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", *_UNSUPPORTED}
)
"""The keywords that say anything about a value, as far as they are known here."""


def from_schema(schema: Schema | bool) -> Strategy:
    """Values that are valid under *schema*: JSON types only, numbers finite, text without surrogates and NUL.

    Raises:
        Unsupported: The schema has a keyword, format, pattern or reference that cannot be honoured, and every value
            needs it: a branch of a union, and a property that may be missing, is left out instead.
    """
    return _Reader(schema).strategy(schema)


class _Reader:
    """Reads the parts of one document; its references are resolved against that document."""

    def __init__(self, root: Schema | bool) -> None:
        self._root = root
        self._by_name: dict[str, Strategy] = {}
        self._open: set[str] = set()
        self._is_recursive = False

    def strategy(self, schema: Schema | bool) -> Strategy:
        if schema is True:
            return _any_json()
        if schema is False:
            return st.nothing()
        for keyword in _UNSUPPORTED:
            if keyword in schema:
                raise Unsupported(f"keyword {keyword!r}")
        if "$ref" in schema:
            return self._reference(schema)
        if "allOf" in schema:
            beside = {key: value for key, value in schema.items() if key in _ASSERTIONS - {"allOf"}}
            return self._merged([beside, *schema["allOf"]])
        if "const" in schema:
            return self._one_from(schema, [schema["const"]])
        if "enum" in schema:
            return self._one_from(schema, schema["enum"])
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._branches(schema, keyword)
        return self._typed(schema)

    # -- combining ---------------------------------------------------------------------------------------------------

    def _reference(self, schema: Schema) -> Strategy:
        pointer = schema["$ref"]
        target = self._target(pointer)
        beside = {key: value for key, value in schema.items() if key in _ASSERTIONS - {"$ref"}}
        if beside:
            return self._merged([beside, target])
        return self._shared(pointer, target)

    def _shared(self, name: str, schema: Schema | bool) -> Strategy:
        # a list of things that hold lists of the same grows without end on average, unless the lists are short
        self._is_recursive |= name in self._open
        if name not in self._by_name:
            built: list[Strategy] = []
            self._by_name[name] = st.deferred(lambda: built[0] if built else st.nothing())
            self._open.add(name)
            try:
                built.append(self.strategy(schema))
            except Unsupported:
                del self._by_name[name]
                raise
            finally:
                self._open.remove(name)
        return self._by_name[name]

    def _target(self, pointer: str) -> Schema | bool:
        if not pointer.startswith("#"):
            raise Unsupported(f"$ref {pointer!r} leaves the document")
        found: Any = self._root
        for part in pointer[1:].split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or key not in found:
                raise Unsupported(f"$ref {pointer!r} leads nowhere")
            found = found[key]
        return cast("Schema | bool", found)

    def _merged(self, parts: list[Schema | bool]) -> Strategy:
        whole: dict[str, Any] = {}
        for part in parts:
            whole = merged(whole, self._without_reference(part))
        # by its content, because what is merged may contain itself
        return self._shared(json.dumps(whole, sort_keys=True, default=str), whole)

    def _without_reference(self, schema: Schema | bool) -> Schema | bool:
        seen = set()
        while isinstance(schema, Mapping) and "$ref" in schema:
            pointer = schema["$ref"]
            if pointer in seen:
                raise Unsupported(f"$ref {pointer!r} leads to itself")
            seen.add(pointer)
            schema = merged(self._target(pointer), {key: value for key, value in schema.items() if key != "$ref"})
        return schema

    def _branches(self, schema: Schema, keyword: str) -> Strategy:
        beside = {key: value for key, value in schema.items() if key in _ASSERTIONS - {keyword}}
        if "discriminator" in schema:
            # OpenAPI's word, which pydantic takes at its word: the tag must be given although it has a default
            beside["required"] = [*beside.get("required", ()), schema["discriminator"]["propertyName"]]
        tried = [self._or_reason({"allOf": [beside, branch]} if beside else branch) for branch in schema[keyword]]
        branches = [branch for branch in tried if not isinstance(branch, Unsupported)]
        # one branch that cannot be drawn from leaves the others: an optional callable is still None
        for reason in tried:
            if isinstance(reason, Unsupported) and not branches:
                raise reason
        drawn = st.one_of(branches)
        if keyword == "oneOf":
            return drawn.filter(lambda value: is_valid(schema, value, root=self._root))
        return drawn

    def _or_reason(self, schema: Schema | bool) -> Strategy | Unsupported:
        try:
            return self.strategy(schema)
        except Unsupported as error:
            return error

    def _one_from(self, schema: Schema, values: list[Json]) -> Strategy:
        valid = [value for value in values if is_valid(schema, value, root=self._root)]
        return st.sampled_from(valid) if valid else st.nothing()

    # -- types -------------------------------------------------------------------------------------------------------

    def _typed(self, schema: Schema) -> Strategy:
        types = schema.get("type")
        if types is None:
            types = sorted({_TYPE_OF_KEYWORD[key] for key in schema if key in _TYPE_OF_KEYWORD})
            if not types:
                return _any_json()
        elif isinstance(types, str):
            types = [types]
        readers: dict[str, Callable[[Schema], Strategy]] = {
            "null": lambda _: st.none(),
            "boolean": lambda _: st.booleans(),
            "integer": integers,
            "number": numbers,
            "string": self._strings,
            "array": self._arrays,
            "object": self._objects,
        }
        for name in types:
            if name not in readers:
                raise Unsupported(f"type {name!r}")
        return st.one_of([readers[name](schema) for name in types])

    def _strings(self, schema: Schema) -> Strategy:
        lengths = schema.get("minLength", 0), schema.get("maxLength")
        if schema.get("contentMediaType") == "application/json" or schema.get("format") == "json-string":
            content = self.strategy(schema.get("contentSchema", True))
            return content.map(json.dumps).filter(
                lambda value: lengths[0] <= len(value) and (lengths[1] is None or len(value) <= lengths[1])
            )
        if "pattern" in schema and "format" in schema:
            raise Unsupported("keywords 'pattern' and 'format' together")
        if "pattern" in schema:
            return matching(schema["pattern"], *lengths)
        if "format" in schema:
            return formatted(schema["format"], *lengths)
        return text(*lengths)

    def _arrays(self, schema: Schema) -> Strategy:
        prefix = [self.strategy(item) for item in schema.get("prefixItems", ())]
        rest = self.strategy(schema.get("items", True))
        least = schema.get("minItems", 0)
        most = schema.get("maxItems")
        if most is None:
            most = max(least, len(prefix)) + (_MORE_ITEMS_IN_RECURSION if self._is_recursive else _MORE_ITEMS)
        if schema.get("items") is False:
            most = min(most, len(prefix))
        if least > most:
            return st.nothing()
        unique_by = _identity if schema.get("uniqueItems") else None
        if not prefix:
            return _filled(
                rest,
                st.nothing() if least else st.builds(list),
                lambda: st.lists(rest, min_size=least, max_size=most, unique_by=unique_by),
            )

        @st.composite
        def arrays(draw: st.DrawFn) -> list[Json]:
            longest = min(most, len(prefix)) if rest.is_empty else most
            length = draw(st.integers(least, longest) if least <= longest else st.nothing())
            values = [draw(item) for item in prefix[:length]]
            return values + [draw(rest) for _ in range(length - len(values))]

        drawn = arrays()
        if unique_by is not None:
            return drawn.filter(lambda values: len({_identity(value) for value in values}) == len(values))
        return drawn

    def _objects(self, schema: Schema) -> Strategy:
        declared = schema.get("properties", {})
        required = schema.get("required", ())
        additional = schema.get("additionalProperties", True)
        always = {key: self.strategy(declared.get(key, additional)) for key in required}
        tried = {key: self._or_reason(value) for key, value in declared.items() if key not in always}
        # what need not be given and cannot be drawn is not given: it has a default that was meant to be used
        sometimes = {key: value for key, value in tried.items() if not isinstance(value, Unsupported)}
        known = st.fixed_dictionaries(always, optional=sometimes)
        least = schema.get("minProperties", 0)
        most = schema.get("maxProperties")
        if "properties" in schema:
            # valid where nothing is said, but not what anybody means: a function has just these parameters
            additional = schema.get("additionalProperties", False)
        extra = self._extra_properties(schema, additional, set(declared) | set(required), least, most)
        if extra is None:
            drawn: Strategy = known
        elif always or sometimes:
            drawn = st.builds(lambda more, given: {**more, **given}, extra, known)
        else:
            return extra
        if least or most is not None:
            return drawn.filter(lambda value: least <= len(value) and (most is None or len(value) <= most))
        return drawn

    def _extra_properties(
        self, schema: Schema, additional: Schema | bool, declared: set[str], least: int, most: int | None
    ) -> Strategy | None:
        patterns = schema.get("patternProperties", {})
        if patterns and (declared or len(patterns) > 1):
            raise Unsupported("keyword 'patternProperties' beside other properties")
        if patterns:
            ((pattern, value),) = patterns.items()
            keys = matching(pattern)
        elif additional is False:
            return None
        else:
            value = additional
            # a name's schema may come without a type: it is text all the same
            names = self.strategy({"type": "string", "allOf": [schema.get("propertyNames", True)]})
            keys = names.filter(lambda key: key not in declared)
        if most is None:
            most = least + (_MORE_ITEMS_IN_RECURSION if self._is_recursive else _MORE_ITEMS)
        floor = 0 if declared else least
        values = self.strategy(value)
        return _filled(
            values,
            st.nothing() if floor else st.builds(dict),
            lambda: st.dictionaries(keys, values, min_size=floor, max_size=max(floor, most)),
        )


def _filled(content: Strategy, empty: Strategy, build: Callable[[], Strategy]) -> Strategy:
    """What *build* makes, or *empty* where *content* has no values; looked at late, because it may contain itself."""
    return st.deferred(lambda: empty if content.is_empty else build())


def _any_json() -> Strategy:
    scalars = st.none() | st.booleans() | integers({}) | numbers({}) | text()
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text(), inner, max_size=3),
        max_leaves=5,
    )


def _identity(value: Json) -> object:
    """What makes an item unique: equality of Python, so that a set keeps as many (JSON has 1 and true apart)."""
    if isinstance(value, list):
        return ("array", *(_identity(item) for item in value))
    if isinstance(value, dict):
        return frozenset((key, _identity(item)) for key, item in value.items())
    return value
