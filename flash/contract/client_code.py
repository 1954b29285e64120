"""A typed Python client, written from what an app's endpoints accept and return.

Types are ``TypedDict``s and what the standard library has: values stay the JSON that travels, and the only thing that a
client needs is httpx. Pydantic would validate a second time what the endpoint validates anyway.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flash.contract.client_parts import HEAD, TAIL
from flash.model.components import Components, pascal
from flash.model.manifest import CallSchema, FunctionEntry, Manifest

__all__ = ["client_code"]

Schema = Mapping[str, Any]

_RESERVED: Final = ("Any", "AsyncClient", "CallFailed", "Client", "Final", "JobFailed", "Literal", "Mapping")
_MORE_RESERVED: Final = ("NotRequired", "Refused", "Self", "TypeAlias", "TypedDict", "UNSET")
_PUBLIC: Final = ("AsyncClient", "CallFailed", "Client", "JobFailed", "Refused")
_TAKEN: Final = frozenset({"arguments", "self", "result"})
_PARAMETER: Final = re.compile(r"\{([^{}:]+)(?::[^{}]*)?\}")
_WORD: Final = re.compile(r"\w+")
_WIDTH: Final = 100
_NO_NAME: Final = re.compile(r"\W+")
_SIMPLE: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


def client_code(manifest: Manifest) -> str:
    """The source of the client. The same manifest gives the same text."""
    endpoints = {name: resource for name, resource in manifest.resources.items() if resource.functions}
    classes = _unique_classes(endpoints)
    components = Components(
        {*_RESERVED, *_MORE_RESERVED, *classes.values(), *(f"Async{one}" for one in classes.values())}
    )
    calls = {
        name: [call for entry in resource.functions for call in _calls(components, entry)]
        for name, resource in endpoints.items()
    }
    schemas = components.schemas()
    public = [*_PUBLIC, *map(_name, schemas)]
    names = "".join(f'    "{name}",\n' for name in sorted(public, key=_as_isort))
    text = "".join(f"\n\n{_type(name, schema)}" for name, schema in schemas.items()) + TAIL
    for prefix in ("", "Async"):
        for name, class_name in classes.items():
            text += f"\n\nclass {prefix}{class_name}(_{prefix}Endpoint):\n"
            text += f'    """The endpoint {name}."""\n'
            text += "".join(call.method(is_async=bool(prefix)) for call in calls[name])
        text += _client(prefix, classes)
    used = set(_WORD.findall(text))
    return (
        HEAD.format(
            app=manifest.project_name or "without a name",
            names=names,
            typing=", ".join(name for name in ("Any", "Final", "Literal", "TypeAlias", "TypedDict") if name in used),
            newer=", ".join(name for name in ("NotRequired", "Self") if name in used),
        )
        + text
    )


def _as_isort(name: str) -> tuple[int, str]:
    return (0 if len(name) > 1 and name.isupper() else 1 if name[0].isupper() else 2), name


def _unique_classes(names: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        base = _name(f"{pascal(name)}Endpoint")
        number, tried = 2, base
        while tried in found.values():
            tried, number = f"{base}{number}", number + 1
        found[name] = tried
    return found


def _client(prefix: str, classes: Mapping[str, str]) -> str:
    word, http = ("async ", "httpx.AsyncClient") if prefix else ("", "httpx.Client")
    transport = "httpx.AsyncBaseTransport" if prefix else "httpx.BaseTransport"
    close, enter, leave = ("aclose", "__aenter__", "__aexit__") if prefix else ("close", "__enter__", "__exit__")
    attributes = "".join(
        f'        self.{_name(name)} = {prefix}{one}(urls.get("{name}", ""), self._http, timeout_s)\n'
        for name, one in classes.items()
    )
    return f'''

class {prefix}Client:
    """All endpoints of the app.

    Args:
        urls: By endpoint, where it is.
        api_key: Of the platform.
        timeout_s: How long to wait for a job, or an answer.
        transport: How requests are sent; a test's stand-in.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        *,
        api_key: str,
        timeout_s: float = 300.0,
        transport: {transport} | None = None,
    ) -> None:
        headers = {{"Authorization": f"Bearer {{api_key}}"}}
        self._http = {http}(headers=headers, timeout=timeout_s, transport=transport)
{attributes}
    {word}def {close}(self) -> None:
        """Let go of all connections."""
        {"await " if prefix else ""}self._http.{close}()

    {word}def {enter}(self) -> Self:
        return self

    {word}def {leave}(self, *exc_info: object) -> None:
        {"await " if prefix else ""}self.{close}()
'''


@dataclass(frozen=True, slots=True)
class _Call:
    """A function, a method or a route, as a method of its endpoint.

    Attributes:
        key: The method of a class that the input has to name; empty for none.
        parameters: By name, the type, and whether it may be left out.
        whole: The one parameter that is the whole input.
    """

    name: str
    key: str
    parameters: Callable[[], list[tuple[str, str, bool]]]
    more: Callable[[], str]
    whole: str | None
    output: Callable[[], str]
    verb: str
    path: str
    about: str

    def method(self, *, is_async: bool) -> str:
        """Its source."""
        parameters, more, output = self.parameters(), self.more(), self.output()
        if self.whole:
            ((name, annotation, is_optional),) = parameters
            listed = [f"{_name(name)}: {annotation}{' | None = None' if is_optional else ''}"]
            sent = f"dict({_name(name)} or {{}})" if is_optional else f"dict({_name(name)})"
        else:
            typed = [
                f"{_name(name)}: {annotation}{' | _Unset = UNSET' if optional else ''}"
                for name, annotation, optional in sorted(parameters, key=lambda one: one[2])
            ]
            listed = [*(["*", *typed] if typed else []), *([f"**more: {more}"] if more else [])]
            items = [*(f'"{name}": {_name(name)}' for name, _, _ in parameters), *(["**more"] if more else [])]
            sent = f"_given({_listed('{', items, '}', 2)})"
        if self.key:
            sent = f'{{"method": "{self.key}", **{sent}}}'
        word, wait = ("async ", "await ") if is_async else ("", "")
        return (
            f"\n    {word}def {_name(self.name)}{_listed('(', ['self', *listed], ')', 1)} -> {output}:\n"
            f'        """{self.about}"""\n'
            f"        arguments: dict[str, Any] = {sent}\n"
            f"{self._sending(wait, output)}"
            "        return result\n"
        )

    def _sending(self, wait: str, output: str) -> str:
        if not self.verb:
            return f"        result: {output} = {wait}self._run(arguments)\n"
        in_path = _PARAMETER.findall(self.path)
        template = _PARAMETER.sub(r"{\1}", self.path)
        text, path = "", f'"{template}"'
        if in_path:
            names = ", ".join(f'"{name}"' for name in in_path)
            text = f"        placed = {{name: arguments.pop(name) for name in ({names},)}}\n"
            path = f'_path("{template}", placed)'
        how = "body" if self.verb in _WITH_BODY else "query"
        return f'{text}        result: {output} = {wait}self._request("{self.verb}", {path}, {how}=arguments)\n'


def _calls(components: Components, entry: FunctionEntry) -> Iterator[_Call]:
    methods = list(entry.contract) or (entry.class_methods if entry.is_class else [""])
    for method in methods:
        contract = entry.contract.get(method) or CallSchema(error="its schema is not known")
        owner = pascal(f"{entry.name}_{method}")
        schema: Schema = contract.input if contract.input is not None else {"type": "object"}
        definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}

        def gathered(name: str, value: Schema, owner: str = owner, more: Schema = definitions) -> Callable[[], Schema]:
            return components.add({**value, **more}, owner=owner, direction="Input", wish=f"{owner}{pascal(name)}")

        required = schema.get("required", ())
        if contract.parameter:
            # it may be left out where nothing of it is needed
            given = [(contract.parameter, gathered(contract.parameter, schema), not required)]
        else:
            given = [
                (name, gathered(name, value), name not in required)
                for name, value in schema.get("properties", {}).items()
            ]
        extra = schema.get("additionalProperties", contract.input is None)
        more = None if contract.parameter or extra is False else gathered("more", {} if extra is True else extra)
        result: Schema = contract.output if contract.output is not None else {}
        output = components.add(result, owner=owner, direction="Output", wish=f"{owner}Output")
        about = f"Call {entry.name}{f'.{method}' if method else ''}"
        yield _Call(
            name=method or entry.name,
            key=method if method and len(methods) > 1 else "",
            parameters=lambda given=given: [  # type: ignore[misc]  # a default keeps this round's
                (name, _expression(one()), is_optional) for name, one, is_optional in given
            ],
            more=lambda more=more: _expression(more()) if more else "",  # type: ignore[misc]
            whole=contract.parameter,
            output=lambda output=output: _expression(output()),  # type: ignore[misc]
            verb=entry.http_method or "",
            path=entry.http_path or "",
            about=f"{about}: {_one_line(contract.error)}" if contract.error else f"{about}.",
        )


def _listed(opening: str, items: Sequence[str], closing: str, depth: int) -> str:
    """On one line, or, where that is too long, each item on one of its own."""
    line = f"{opening}{', '.join(items)}{closing}"
    if len(line) <= _WIDTH - 4 * depth - 30:
        return line
    margin = "    " * depth
    return f"{opening}\n" + "".join(f"{margin}    {item},\n" for item in items) + f"{margin}{closing}"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("\\", "/").replace('"', "'")


def _name(text: str) -> str:
    """An identifier that nothing else here has."""
    name = _NO_NAME.sub("_", text)
    if name[:1].isdigit() or keyword.iskeyword(name) or name in _TAKEN:
        return f"{name}_" if not name[:1].isdigit() else f"_{name}"
    return name


def _type(name: str, schema: Schema) -> str:
    """The definition of a named type."""
    name, properties = _name(name), schema.get("properties")
    if schema.get("type") != "object" or not properties:
        return f'{name}: TypeAlias = "{_quoted(_expression(schema))}"\n'
    required = schema.get("required", ())
    fields = {
        key: _expression(value) if key in required else f"NotRequired[{_expression(value)}]"
        for key, value in properties.items()
    }
    if all(key.isidentifier() and not keyword.iskeyword(key) and not key.startswith("__") for key in fields):
        return f"class {name}(TypedDict):\n" + "".join(f"    {key}: {value}\n" for key, value in fields.items())
    items = "".join(f'        {key!r}: "{_quoted(value)}",\n' for key, value in fields.items())
    return f'{name} = TypedDict(\n    "{name}",\n    {{\n{items}    }},\n)\n'


def _quoted(expression: str) -> str:
    return expression.replace("\\", "\\\\").replace('"', '\\"')


def _expression(schema: Any) -> str:
    """A type that has all values of a schema; ``Any`` where Python has no other."""
    if not isinstance(schema, Mapping):
        return "Any"
    if "$ref" in schema:
        return _name(str(schema["$ref"]).rpartition("/")[2])
    choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if choices is not None:
        simple = all(one is None or isinstance(one, (bool, int, str)) for one in choices)
        return f"Literal[{', '.join(map(repr, choices))}]" if simple and choices else "Any"
    for keyword_ in ("anyOf", "oneOf"):
        if schema.get(keyword_):
            found = list(dict.fromkeys(_expression(one) for one in schema[keyword_]))
            return "Any" if "Any" in found else " | ".join(found)
    kind = schema.get("type")
    if kind == "array":
        return f"list[{'Any' if 'prefixItems' in schema else _expression(schema.get('items'))}]"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_expression(values) if values else 'Any'}]"
    return _SIMPLE.get(str(kind), "Any")
