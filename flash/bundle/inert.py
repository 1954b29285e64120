"""Stand-ins for third-party modules that are not installed on the machine that builds.

Everything that is done with one at the top of a module is possible and does nothing, so that what the module declares
can be seen. A value that comes of one is never taken for a value: text made of it carries a mark.
"""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["MARK", "Inert", "InertFinder"]

MARK: Final = "\N{REPLACEMENT CHARACTER}inert:"
"""What text made of a stand-in begins with; no name, requirement or path contains it."""


class _InertBase:
    """What a class has for a base that is not installed."""

    def __init_subclass__(cls, **_options: object) -> None:
        super().__init_subclass__()

    def __init__(self, *_args: object, **_kwargs: object) -> None: ...


class Inert:
    """Anything of a module that is not installed: called, subscripted, subclassed or calculated with, it does nothing.

    As a decorator it leaves what it decorates alone. It is false, as something that is not there.
    """

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, name: str) -> Inert:
        if name.startswith("__") and name.endswith("__"):
            # protocols that are not spoken: whoever asks takes another way
            raise AttributeError(name)
        return Inert(f"{self._name}.{name}")

    def __setattr__(self, name: str, value: object) -> None: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102  a stand-in documents nothing
        if len(args) == 1 and not kwargs and callable(args[0]) and not isinstance(args[0], Inert):
            return args[0]
        return Inert(f"{self._name}(…)")

    def __getitem__(self, _key: object) -> Inert:
        return Inert(f"{self._name}[…]")

    def __setitem__(self, _key: object, _value: object) -> None: ...

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        first = next(base for base in bases if isinstance(base, Inert))
        return (_InertBase,) if first is self else ()

    def __iter__(self) -> Iterator[object]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False

    def __contains__(self, _item: object) -> bool:
        return False

    def __enter__(self) -> Inert:  # noqa: PYI034  what Python 3.10 has no name for
        return self

    def __exit__(self, *_: object) -> None: ...

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"{MARK}{self._name}"

    __str__ = __repr__

    def __format__(self, _layout: str) -> str:
        return repr(self)


def _same(self: Inert, *_: object) -> Inert:
    return self


for _name in (
    *("add", "and", "floordiv", "matmul", "mod", "mul", "or", "pow", "sub", "truediv", "xor"),
    *("lshift", "rshift"),
):
    setattr(Inert, f"__{_name}__", _same)
    setattr(Inert, f"__r{_name}__", _same)
for _name in ("neg", "pos", "invert", "lt", "le", "gt", "ge"):
    setattr(Inert, f"__{_name}__", _same)


class _InertModule(ModuleType):
    def __getattr__(self, name: str) -> Inert:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Inert(f"{self.__name__}.{name}")


class InertFinder:
    """Finds a module that nobody else finds. To be the last of ``sys.meta_path``.

    Args:
        own: Top-level names of the project: what is missing below them is an error.
        know: Told each top-level name that was not found.
    """

    def __init__(self, own: Collection[str], know: Callable[[str], None]) -> None:
        self._own = own
        self._know = know

    def find_spec(self, name: str, path: object = None, _target: object = None) -> ModuleSpec | None:
        """Answer the import system."""
        top = name.partition(".")[0]
        if top in self._own or (path is not None and not isinstance(path, _InertPath)):
            # a module of the project, or a part of a package that is installed
            return None
        if path is None:
            self._know(top)
        # of the loader protocol, the two methods that the import system calls
        spec = ModuleSpec(name, _InertLoader, is_package=True)  # type: ignore[arg-type]
        spec.submodule_search_locations = _InertPath()
        return spec


class _InertPath(list[str]):
    """Where a stand-in's submodules lie: nowhere."""


class _InertLoader:
    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return _InertModule(spec.name)

    @staticmethod
    def exec_module(_module: ModuleType) -> None: ...
