"""What a function accepts and returns: JSON Schema for its readers, a binder for its callers.

One rule for queue and load-balanced endpoints: keys of the input are names of parameters, nothing else is accepted. A
function with exactly one parameter that is annotated with a mapping, a ``TypedDict`` or a model takes the whole input
as that parameter's value, unless the input's only key is the parameter's name and that value fits. Values are converted
as pydantic converts JSON: ``"3"`` is an integer, as in a query string; ``"three"`` is not.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import PydanticSerializationError, to_jsonable_python

from flash.errors import InvalidInput
from flash.model.encoding import OutputEncoder, output_adapter, to_json
from flash.model.example import smallest
from flash.model.manifest import CallSchema
from flash.model.signature import Parameter, SchemaGenerator, Signature, annotation_key

__all__ = ["InputBinder", "OutputEncoder", "call_schema", "to_json"]

# typed dicts and dataclasses inside inherit it: what they do not name is refused there, too
_CONFIG: Final = ConfigDict(
    extra="forbid",
    ser_json_bytes="base64",
    val_json_bytes="base64",
    ser_json_inf_nan="constants",
)

_TOLD_BY_REPR: Final = (bool, bytes, float, int, str, type(None))
# most functions of an app take the same types: a schema costs a millisecond, and an app may have thousands
_KNOWN: Final[dict[Hashable, CallSchema]] = {}

_EMPTY: Final = "__empty"
"""What older clients put into an input that would be empty. Source: platform-contract §5.2."""


class InputBinder:
    """Turns an input into a function's arguments.

    Attributes:
        schema: JSON Schema 2020-12 of the input. Of a function that takes the whole input it describes that value, not
            the other, named spelling.
        untyped: Parameters of which the schema says nothing.
        whole: The parameter that takes the whole input, or None.
    """

    def __init__(self, parameters: Collection[Parameter]) -> None:
        self._by_field = {f"p{index}": parameter for index, parameter in enumerate(parameters)}
        self._parameters = tuple(parameters)
        self._extra = next((p for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD), None)
        self._model = _model(self._by_field)
        only = self._parameters[0] if len(self._parameters) == 1 else None
        self._whole = only if only is not None and only.takes_whole_input else None
        self.whole = None if self._whole is None else self._whole.name
        self.untyped = tuple(p.name for p in parameters if not p.is_typed)
        self.schema = _input_schema(self._model, self._by_field.values())
        if self._whole is not None:
            self.schema = _schema_of_whole(self.schema, self._whole.name)

    @classmethod
    def of(
        cls, function: Callable[..., object], *, only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> InputBinder:
        """A binder for a function or bound method.

        Args:
            function: Whose parameters to bind.
            only: Bind these parameters alone: the path parameters of a route.
            without: Leave these to somebody else.

        Raises:
            CallError: The function has no signature.
        """
        return cls(
            [
                parameter
                for parameter in Signature.of(function).parameters
                if parameter.name not in without and (only is None or parameter.name in only)
            ]
        )

    def bind(self, value: object) -> dict[str, object]:
        """The arguments by parameter name, converted; what the input leaves out is left out.

        Args:
            value: The decoded input; None is an empty one.

        Raises:
            InvalidInput: It does not fit; names every field that is wrong.
        """
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise _invalid([{"loc": [], "msg": f"should be an object, not {_kind(value)}", "type": "dict_type"}])
        data = {key: item for key, item in value.items() if key != _EMPTY}
        if self._whole is None:
            return self._validated(data)
        name = self._whole.name
        if not data and self._whole.has_default:
            return {}
        is_named = set(data) == {name}
        if is_named:
            try:
                return self._validated(data)
            except InvalidInput as error:
                named_error = error
        try:
            return self._validated({name: data})
        except InvalidInput as error:
            if is_named and isinstance(data[name], Mapping):
                raise named_error from error
            # the caller did not write the parameter's name, so the report must not begin with it
            problems = [{**problem, "loc": _loc(problem)[1:]} for problem in error.problems]
            raise _invalid(problems) from error

    @property
    def whole_parameter(self) -> str | None:
        """The one parameter whose value the whole input is; None where the input has a key for each."""
        return None if self._whole is None else self._whole.name

    def arguments(self, value: object) -> tuple[tuple[object, ...], dict[str, object]]:
        """The same as positional and keyword arguments, for functions with positional-only or ``*args`` parameters.

        Raises:
            InvalidInput: It does not fit.
        """
        keywords = self.bind(value)
        positional: list[object] = []
        starred = next((p for p in self._parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), None)
        rest = keywords.pop(starred.name, None) if starred else None
        for parameter in self._parameters:
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY or (
                rest and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            ):
                # everything before a value of *args must be positional, defaults included
                if parameter.name not in keywords and not rest:
                    break
                positional.append(keywords.pop(parameter.name, parameter.default))
        if isinstance(rest, (list, tuple)):
            positional.extend(rest)
        return tuple(positional), keywords

    def property_types(self, name: str) -> frozenset[str]:
        """The JSON types that the schema allows for a key, empty where it does not say."""
        found = self.schema.get("properties", {}).get(name)
        return frozenset() if found is None else _types(found, self.schema.get("$defs", {}), depth=0)

    def _validated(self, data: Mapping[str, object]) -> dict[str, object]:
        if self._extra is not None:
            known = {p.name for p in self._parameters if p is not self._extra}
            rest = {key: item for key, item in data.items() if key not in known}
            data = {**{key: data[key] for key in data if key in known}, self._extra.name: rest}
        try:
            text = json.dumps(data)
        except (TypeError, ValueError) as error:
            raise _invalid([{"loc": [], "msg": f"is not JSON: {error}", "type": "json_invalid"}]) from error
        try:
            model = self._model.model_validate_json(text)
        except ValidationError as error:
            problems: list[dict[str, object]] = [
                {"loc": self._written(problem["loc"]), "msg": problem["msg"], "type": problem["type"]}
                for problem in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            raise _invalid(problems, hint=self._hint(problems)) from error
        bound = {
            parameter.name: getattr(model, field)
            for field, parameter in self._by_field.items()
            if field in model.model_fields_set
        }
        if self._extra is not None:
            extra = bound.pop(self._extra.name)
            bound.update(extra if isinstance(extra, dict) else {})
        return bound

    def _written(self, loc: tuple[int | str, ...]) -> list[object]:
        """Where the caller wrote it: extra keys stand beside the others."""
        return list(loc[1:] if self._extra is not None and loc[:1] == (self._extra.name,) else loc)

    def _hint(self, problems: Collection[Mapping[str, object]]) -> str:
        if not any(problem["type"] == "extra_forbidden" and len(_loc(problem)) == 1 for problem in problems):
            return ""
        names = [parameter.name for parameter in self._parameters]
        return f"the parameters are {', '.join(names)}" if names else "the function takes no parameters"


def call_schema(function: Callable[..., object]) -> CallSchema:
    """What a function or bound method accepts and returns; not to be changed, as others may share parts of it.

    Raises:
        CallError: It has no signature.
    """
    signature = Signature.of(function)
    key = _key(signature)
    if key is None:
        return _schema_of(signature)
    known = _KNOWN.get(key)
    if known is None:
        known = _KNOWN[key] = _schema_of(_numbered(signature))
    return _named(known, [parameter.name for parameter in signature.parameters])


def _key(signature: Signature) -> Hashable | None:
    """What signatures share whose schemas differ in the names of parameters only; None where that cannot be told."""
    parts: list[Hashable] = [signature.is_generator, annotation_key(signature.returns)]
    for parameter in signature.parameters:
        default = parameter.default if parameter.has_default else None
        if type(default) not in _TOLD_BY_REPR and default is not inspect.Parameter.empty:
            return None
        parts += [parameter.kind, parameter.has_default, repr(default), parameter.is_typed]
        parts.append(None if parameter.name == _EMPTY else annotation_key(parameter.annotation))
    return None if None in parts else tuple(parts)


def _numbered(signature: Signature) -> Signature:
    parameters = enumerate(signature.parameters)
    return replace(signature, parameters=tuple(replace(each, name=str(number)) for number, each in parameters))


def _named(schema: CallSchema, names: Sequence[str]) -> CallSchema:
    """*schema*, of parameters that are called by their numbers, with their names."""

    def renamed(of: Mapping[str, Any]) -> dict[str, Any]:
        return {names[int(number)]: each for number, each in of.items()}

    data, example = dict(schema.input or {}), schema.example
    if schema.parameter is None:
        data["properties"] = renamed(data["properties"])
        if "required" in data:
            data["required"] = [names[int(number)] for number in data["required"]]
        example = renamed(example) if isinstance(example, dict) else example
    return schema.model_copy(
        update={
            "input": data,
            "example": example,
            "parameter": None if schema.parameter is None else names[int(schema.parameter)],
            "untyped": [names[int(each)] if each.isdecimal() else each for each in schema.untyped],
        }
    )


def _schema_of(signature: Signature) -> CallSchema:
    binder = InputBinder(signature.parameters)
    untyped = list(binder.untyped)
    output: dict[str, Any] | None = None
    if signature.returns is None:
        untyped.append("return")
    else:
        result = types.GenericAlias(list, signature.returns) if signature.is_generator else signature.returns
        output = output_adapter(result).json_schema(mode="serialization", schema_generator=SchemaGenerator)
    return CallSchema(
        input=binder.schema,
        output=output,
        untyped=untyped,
        example=_example(binder),
        parameter=binder.whole_parameter,
    )


def _model(by_field: Mapping[str, Parameter]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for field, parameter in by_field.items():
        annotation: Any = parameter.annotation
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            annotation = types.GenericAlias(list, annotation)
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            annotation = types.GenericAlias(dict, (str, annotation))
        # names of parameters may be names of BaseModel's own attributes, or begin with an underscore: aliases may too
        if parameter.has_default:
            fields[field] = (annotation, Field(default=None, alias=parameter.name))
        else:
            fields[field] = (annotation, Field(alias=parameter.name))
    return create_model("Input", __config__=_CONFIG, **fields)


def _input_schema(model: type[BaseModel], parameters: Collection[Parameter]) -> dict[str, Any]:
    schema = model.model_json_schema(mode="validation", schema_generator=SchemaGenerator)
    schema.pop("title", None)
    properties = schema.setdefault("properties", {})
    for parameter in parameters:
        found = properties[parameter.name]
        found.pop("title", None)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            schema["additionalProperties"] = properties.pop(parameter.name).get("additionalProperties", True)
            continue
        if not parameter.has_default:
            continue
        del found["default"]  # the model's, which stands for "left out"
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            continue
        try:
            found["default"] = to_jsonable_python(parameter.default, bytes_mode="base64", by_alias=True)
        except (PydanticSerializationError, ValueError, RecursionError):
            continue  # a default that JSON cannot carry is the function's own affair
    return schema


def _schema_of_whole(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The schema of the one parameter, as if its value were the document."""
    definitions = schema.get("$defs", {})
    value = {key: item for key, item in schema["properties"][name].items() if key != "default"}
    choices = [choice for choice in value.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        value = choices[0]
    if "$ref" in value:
        value = definitions[value["$ref"].rsplit("/", 1)[-1]]
    return {**({"$defs": definitions} if "#/$defs/" in json.dumps(value) else {}), **value}


def _example(binder: InputBinder) -> Any:
    candidates: tuple[Any, ...] = ({}, smallest(binder.schema))
    for candidate in candidates:
        try:
            binder.bind(candidate)
        except Exception:  # noqa: BLE001, S112  # why: the user's own validators may raise anything
            continue
        return candidate
    return None


def _types(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> frozenset[str]:
    if depth > 8:  # a type alias that refers to itself
        return frozenset()
    if "$ref" in schema:
        return _types(definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {}), definitions, depth + 1)
    found = {schema["type"]} if isinstance(schema.get("type"), str) else set(schema.get("type", ()))
    for keyword in ("anyOf", "oneOf", "allOf"):
        for choice in schema.get(keyword, ()):
            found |= _types(choice, definitions, depth + 1)
    return frozenset(found)


def _invalid(problems: Collection[dict[str, object]], *, hint: str = "") -> InvalidInput:
    described = "; ".join(
        f"{'.'.join(str(part) for part in _loc(problem)) or 'the input'}: {problem['msg']}" for problem in problems
    )
    return InvalidInput(f"invalid input: {' '.join(described.split())}", problems=tuple(problems), hint=hint)


def _loc(problem: Mapping[str, object]) -> list[object]:
    loc = problem["loc"]
    return list(loc) if isinstance(loc, (list, tuple)) else []


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)
