"""What the marker ``flash_canary`` says: checked when tests are collected, and made one for the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from flash.deploy.canary import Canary
from flash.errors import SettingsError
from flash.model.hardware import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["CANARY_MARK", "canaries_of", "canary_of_run", "check_canaries"]

CANARY_MARK: Final = "flash_canary"
_UNNAMED: Final = "*"
_WHOLE: Final = frozenset({"min_samples", "max_samples"})
_NUMBERS: Final = _WHOLE | {"max_failure_rate", "confidence", "timeout_s"}


def canaries_of(items: Iterable[pytest.Item]) -> dict[str, dict[str, Any]]:
    """The marker's arguments, by node id, as plain data: xdist sends them. Those without a name are in ``*``."""
    found = {}
    for item in items:
        mark = item.get_closest_marker(CANARY_MARK)
        if mark is not None:
            unnamed = {_UNNAMED: [repr(value) for value in mark.args]} if mark.args else {}
            found[item.nodeid] = {**unnamed, **{name: _plain(value) for name, value in mark.kwargs.items()}}
    return found


def check_canaries(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Refuse a run whose markers cannot be.

    Raises:
        pytest.UsageError: Says which, and what may stand there.
    """
    if hasattr(config, "workerinput"):
        # a worker of xdist cannot end the run; its owner refuses to deploy
        return
    try:
        canary_of_run(canaries_of(items))
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from error


def canary_of_run(found: Mapping[str, Mapping[str, Any]]) -> Canary | None:
    """What a run's tests ask for together: those that say nothing go along with those that do.

    Raises:
        SettingsError: A value that cannot be, or two tests that ask for different things.
    """
    if not found:
        return None
    asked: tuple[str, Canary] | None = None
    for nodeid, given in found.items():
        if not given:
            continue
        canary = _canary(nodeid, given)
        if asked is not None and asked[1] != canary:
            raise SettingsError(
                f"{asked[0]} and {nodeid} ask for different canaries, and a deployment has one",
                hint="give flash_canary its arguments once: tests that are marked without any go along",
            )
        asked = (nodeid, canary)
    return Canary() if asked is None else asked[1]


def _plain(value: object) -> object:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if isinstance(value, (bool, int, float, str)) else repr(value)


def _canary(nodeid: str, given: Mapping[str, Any]) -> Canary:
    if _UNNAMED in given:
        raise SettingsError(
            f"{nodeid}: flash_canary takes its arguments by name",
            hint="@pytest.mark.flash_canary(weights=[5, 25, 100], min_samples=200)",
        )
    known = ("weights", *sorted(_NUMBERS))
    for name, value in given.items():
        if name not in known:
            close = nearest(name, known)
            raise SettingsError(
                f"{nodeid}: flash_canary has no argument {name!r}",
                hint=f"did you mean {close!r}?" if close else f"there are: {', '.join(known)}",
            )
        if name == "weights":
            fits = isinstance(value, list) and all(type(one) is int for one in value)
        else:
            fits = type(value) is int or (type(value) is float and name not in _WHOLE)
        if not fits:
            what = (
                "a list of whole numbers" if name == "weights" else "a whole number" if name in _WHOLE else "a number"
            )
            raise SettingsError(f"{nodeid}: flash_canary: {name}={value!r} is not {what}", hint="see docs/canary.md")
    try:
        return Canary(**{**given, **({"weights": tuple(given["weights"])} if "weights" in given else {})})
    except SettingsError as error:
        raise SettingsError(f"{nodeid}: {error.message}", hint=error.hint) from error
