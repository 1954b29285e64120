"""What a function's signature says, as far as it can be resolved.

Annotations are the user's: a forward reference may name a class that only a type checker imports, an object may be
a type that JSON cannot carry. One such annotation makes its parameter untyped; it never makes the function unusable.
"""

from __future__ import annotations

import collections.abc
import inspect
import sys
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Union, get_args, get_origin

import typing_extensions
from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUndefinedAnnotation
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from flash.errors import CallError

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pydantic_core import core_schema

__all__ = ["Parameter", "SchemaGenerator", "Signature", "annotation_key", "public_methods"]

# pydantic refuses typing.TypedDict before Python 3.12; typing_extensions' own knows what is required there
_TYPED_DICT_NEEDS_REPLACING: Final = sys.version_info < (3, 12)

_NO_SCHEMA: Final = (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUndefinedAnnotation)

_ITERATES: Final = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)


_PLAIN: Final = (dict, frozenset, list, set, tuple, Union, types.UnionType)
"""Generic types that mean the same whoever writes them."""
# every function of an app that takes and returns the same needs it worked out once
_USABLE: Final[dict[tuple[Hashable, str], Any]] = {}

_BOUNDS: Final = frozenset(
    {"ge", "gt", "le", "lt", "multiple_of", "max_digits", "decimal_places", "min_length", "max_length", "pattern"}
)
# what the names of a dict's items may look like, by the type that they are converted to
_NAMES: Final[dict[str, dict[str, Any]]] = {
    "int": {"pattern": r"^-?\d{1,15}$"},
    "float": {"pattern": r"^-?\d{1,15}(\.\d{1,5})?$"},
    "decimal": {"pattern": r"^-?\d{1,15}(\.\d{1,5})?$"},
    "bool": {"enum": ["true", "false"]},
    "complex": {"format": "complex"},
    "literal": {"format": "literal"},
}


class SchemaGenerator(GenerateJsonSchema):
    """Pydantic's JSON Schema 2020-12, silent about defaults that JSON cannot carry.

    Where pydantic's own allows more than its validation, this says what is accepted: whatever is valid under the schema
    of an input is an input. A format that JSON Schema does not know tells readers that they cannot make such values.
    """

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  pydantic's own spelling
    _method_names: ClassVar[dict[Any, str]] = {}

    def build_schema_type_to_method(self) -> dict[Any, Callable[[Any], JsonSchemaValue]]:
        """As pydantic's, which asks for the names of all methods anew for every schema."""
        if not self._method_names:
            for kind, method in super().build_schema_type_to_method().items():
                self._method_names[kind] = method.__name__
        return {kind: getattr(self, name) for kind, name in self._method_names.items()}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """A number, or text that is one; only a number where it has bounds, which text cannot show."""
        said = super().decimal_schema(schema)
        if self.mode != "validation" or "anyOf" not in said:
            return said
        number, *texts = said["anyOf"]
        if not _BOUNDS.isdisjoint(schema):
            bounded: JsonSchemaValue = number
            return bounded
        return {**said, "anyOf": [number, *({"pattern": r"^[+-]?\d+(\.\d+)?$", **text} for text in texts)]}

    def complex_schema(self, schema: core_schema.ComplexSchema) -> JsonSchemaValue:
        """Text such as ``1+2j``."""
        return {**super().complex_schema(schema), "format": "complex"}

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        """``date-time`` has an offset; what must have none is something else."""
        said = super().datetime_schema(schema)
        return {**said, "format": "naive-date-time"} if schema.get("tz_constraint") == "naive" else said

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Names are text in JSON, and have to look like what they are converted to."""
        said = super().dict_schema(schema)
        keys: Any = schema.get("keys_schema")
        names = _NAMES.get(keys["type"]) if keys is not None and self.mode == "validation" else None
        if names is None or (keys["type"] == "literal" and all(isinstance(one, str) for one in keys["expected"])):
            return said
        bounded = names if _BOUNDS.isdisjoint(keys) else {"format": f"bounded-{keys['type']}"}
        return {**said, "propertyNames": {**said.get("propertyNames", {}), **bounded}}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that an input can set.

    Attributes:
        annotation: Resolved; ``Any`` where it is missing, unresolvable, or not a type that JSON can carry.
        has_default: Whether it may be left out.
        default: Its default, meaningless without one.
        is_typed: Whether values for it can be generated from its annotation.
    """

    name: str
    kind: inspect._ParameterKind
    annotation: Any
    has_default: bool
    default: object
    is_typed: bool

    @property
    def takes_whole_input(self) -> bool:
        """Whether it is annotated with a mapping or a model, optional or not."""
        return _is_mapping(self.annotation)


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's parameters and result.

    Attributes:
        parameters: Without ``self``, and without what a web framework injects.
        injected: Names of parameters that FastAPI fills, such as a ``Request``.
        returns: The resolved return annotation, of one item for a generator; None where it says nothing that JSON
            Schema could.
        is_generator: Whether it yields its result, sync or async.
        is_async: Whether it must be awaited or iterated on an event loop.
    """

    parameters: tuple[Parameter, ...]
    injected: tuple[str, ...]
    returns: Any | None
    is_generator: bool
    is_async: bool

    @classmethod
    def of(cls, function: Callable[..., object]) -> Signature:
        """Read the signature of a function or bound method.

        Raises:
            CallError: It has none, as some builtins.
        """
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError) as error:
            raise CallError(f"{function!r} has no signature: {error}") from error
        original = inspect.unwrap(function)
        hints = _hints(original)
        parameters: list[Parameter] = []
        injected: list[str] = []
        for parameter in signature.parameters.values():
            if _is_injected(hints.get(parameter.name), parameter.default):
                injected.append(parameter.name)
                continue
            annotation, is_typed = _usable(hints.get(parameter.name), "validation")
            parameters.append(
                Parameter(
                    name=parameter.name,
                    kind=parameter.kind,
                    annotation=annotation,
                    has_default=parameter.default is not parameter.empty
                    or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD),
                    default=parameter.default,
                    is_typed=is_typed,
                )
            )
        # a decorator of the user's own may hide what the function is: then its original tells
        kinds = (function, original)
        is_async_generator = any(inspect.isasyncgenfunction(kind) for kind in kinds)
        is_generator = is_async_generator or any(inspect.isgeneratorfunction(kind) for kind in kinds)
        result = hints.get("return")
        annotation, is_typed = _usable(_item_of(result) if is_generator else result, "serialization")
        return cls(
            parameters=tuple(parameters),
            injected=tuple(injected),
            returns=annotation if is_typed else None,
            is_generator=is_generator,
            is_async=is_async_generator or any(inspect.iscoroutinefunction(kind) for kind in kinds),
        )


def public_methods(owner: type | object) -> dict[str, Callable[..., object]]:
    """The public methods of a class or instance, bound and as the user wrote them, in the order of their definition.

    Methods of a class that was never constructed are bound to the class itself: good for reading, not for calling.
    """
    cls: type = owner if isinstance(owner, type) else type(owner)
    found: dict[str, Callable[..., object]] = {}
    for base in reversed(cls.__mro__[:-1]):
        for name in vars(base):
            if name.startswith("_") or name in found:
                continue
            method = getattr(owner, name, None)
            method = getattr(method, "local", method)  # the method of a decorated class is wrapped
            if not inspect.isfunction(method) and not inspect.ismethod(method):
                continue
            is_unbound = owner is cls and inspect.isfunction(method)
            if is_unbound and not isinstance(inspect.getattr_static(cls, name), staticmethod):
                method = types.MethodType(method, cls)
            found[name] = method
    return found


def _hints(function: Callable[..., object]) -> dict[str, Any]:
    """Annotations by parameter name, each resolved on its own; those that cannot be are left out."""
    plain = getattr(function, "__func__", function)
    if not hasattr(plain, "__annotations__"):
        plain = getattr(type(plain), "__call__", plain)  # noqa: B004  the method itself is wanted
    namespace = getattr(plain, "__globals__", {})
    found: dict[str, Any] = {}
    for name, annotation in getattr(plain, "__annotations__", {}).items():
        holder = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found.update(typing.get_type_hints(holder, globalns=namespace, include_extras=True))
        except Exception:  # noqa: BLE001, S112  # why: evaluating the user's annotation may raise anything
            continue
    return found


def _usable(annotation: Any | None, mode: typing.Literal["validation", "serialization"]) -> tuple[Any, bool]:
    """*annotation* in a form that pydantic can use, and whether it says anything."""
    if annotation is None or annotation is Any:
        return Any, False
    key = annotation_key(annotation)
    if key is not None and (key, mode) in _USABLE:
        return _USABLE[key, mode], True
    try:
        portable = _portable(annotation, frozenset())
        TypeAdapter(portable).json_schema(mode=mode, schema_generator=SchemaGenerator)
    except (*_NO_SCHEMA, PydanticUserError, TypeError, NameError, AttributeError):
        # not remembered: what a class refers to may come to be later
        return Any, False
    if key is not None:
        _USABLE[key, mode] = portable
    return portable, True


def annotation_key(annotation: Any) -> Hashable | None:
    """What no other annotation has that means something else; None where that cannot be told.

    Annotations that are equal will not do: unions are in any order of their choices, but their schemas differ.
    """
    if annotation is Any or annotation is None or annotation is Ellipsis:
        return annotation, None
    origin = get_origin(annotation)
    if origin is None:
        return annotation if isinstance(annotation, type) else None
    if origin not in _PLAIN:
        return None
    keys = tuple(annotation_key(argument) for argument in get_args(annotation))
    return None if None in keys else (origin, keys)


def _item_of(annotation: Any | None) -> Any | None:
    """``X`` of ``Iterator[X]``, ``AsyncIterator[X]``, ``Generator[X, …]``."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    arguments = get_args(annotation)
    return arguments[0] if get_origin(annotation) in _ITERATES and arguments else None


def _is_injected(annotation: Any | None, default: object) -> bool:
    """Whether FastAPI fills the parameter; told by module names, because FastAPI is not ours to import here."""
    if type(default).__module__ == "fastapi.params" and type(default).__name__ in {"Depends", "Security"}:
        return True
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    if any(type(item).__module__ == "fastapi.params" and hasattr(item, "dependency") for item in metadata):
        return True
    home = getattr(annotation, "__module__", "") if isinstance(annotation, type) else ""
    return home.split(".")[0] in {"fastapi", "starlette"}


def _is_mapping(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_mapping(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        choices = [choice for choice in get_args(annotation) if choice is not type(None)]
        return len(choices) == 1 and _is_mapping(choices[0])
    if typing_extensions.is_typeddict(annotation):
        return True
    kind = origin or annotation
    return isinstance(kind, type) and issubclass(kind, (collections.abc.Mapping, BaseModel))


def _portable(annotation: Any, seen: frozenset[object]) -> Any:
    """*annotation* with every ``typing.TypedDict`` replaced by one that pydantic accepts."""
    if not _TYPED_DICT_NEEDS_REPLACING:
        return annotation
    if typing.is_typeddict(annotation) and type(annotation).__module__ == "typing":
        if annotation in seen:
            return dict[str, Any]
        return _replaced(annotation, seen | {annotation})
    arguments = get_args(annotation)
    if not arguments or get_origin(annotation) is typing.Literal:
        return annotation
    if get_origin(annotation) is Annotated:
        annotated: Any = Annotated
        parts = (_portable(arguments[0], seen), *arguments[1:])
        return annotated[parts]
    replaced = tuple(_portable_argument(argument, seen) for argument in arguments)
    if replaced == arguments:
        return annotation
    origin: Any = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return Union[replaced]  # noqa: UP007  a tuple of choices
    return annotation.copy_with(replaced) if hasattr(annotation, "copy_with") else origin[replaced]


def _portable_argument(argument: Any, seen: frozenset[object]) -> Any:
    # the arguments of a Callable are a list
    return [_portable(item, seen) for item in argument] if isinstance(argument, list) else _portable(argument, seen)


def _replaced(typed_dict: Any, seen: frozenset[object]) -> Any:
    fields: dict[str, Any] = {}
    for name, hint in typing_extensions.get_type_hints(typed_dict, include_extras=True).items():
        is_required = name in typed_dict.__required_keys__
        origin: Any = get_origin(hint)
        if origin in (typing_extensions.Required, typing_extensions.NotRequired):
            is_required = origin is typing_extensions.Required
            hint = get_args(hint)[0]  # noqa: PLW2901  the wrapper is put back below
        inner = _portable(hint, seen)
        fields[name] = typing_extensions.Required[inner] if is_required else typing_extensions.NotRequired[inner]
    return typing_extensions.TypedDict(typed_dict.__name__, fields)  # type: ignore[operator]
