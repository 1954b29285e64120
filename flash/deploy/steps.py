"""The steps of a plan: what is to be done about one endpoint, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from flash.deploy.cost import NOTHING, Cost

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ACTIONS",
    "CreateEndpoint",
    "DeleteEndpoint",
    "KeepEndpoint",
    "ReplaceEndpoint",
    "Staged",
    "Step",
    "UpdateEndpoint",
    "step_from_json",
    "text_of",
    "text_or_none",
]


@dataclass(frozen=True, slots=True)
class _Step:
    """What is to be done about one endpoint.

    Attributes:
        reasons: Why, a line each; never the value of a variable.
        id: Of the endpoint as it is live; empty where it is not.
        cost: Once the plan is carried out.
        cost_before: As it is live; unknown where its configuration is.
    """

    name: str
    reasons: tuple[str, ...] = ()
    id: str = ""
    cost: Cost = NOTHING
    cost_before: Cost = NOTHING

    action: ClassVar[str]
    sign: ClassVar[str]

    @property
    def reason(self) -> str:
        """All reasons in one line."""
        return "; ".join(self.reasons)

    def as_json(self) -> dict[str, Any]:
        """As JSON.

        Shape: ``{"action", "name", "id": str | null, "reasons": [str], "is_other_type": bool, "cost": COST,
        "cost_before": COST}``
        """
        return {
            "action": self.action,
            "name": self.name,
            "id": self.id or None,
            "reasons": list(self.reasons),
            "is_other_type": False,
            "cost": self.cost.as_json(),
            "cost_before": self.cost_before.as_json(),
        }


@dataclass(frozen=True, slots=True)
class CreateEndpoint(_Step):
    """An endpoint that is not there yet."""

    action: ClassVar[str] = "create"
    sign: ClassVar[str] = "+"


@dataclass(frozen=True, slots=True)
class UpdateEndpoint(_Step):
    """An endpoint that gets a new version in place: its workers take it as they are replaced one by one."""

    action: ClassVar[str] = "update"
    sign: ClassVar[str] = "~"


@dataclass(frozen=True, slots=True)
class ReplaceEndpoint(_Step):
    """An endpoint whose workers cannot become those of the new version: they are made anew.

    Attributes:
        is_other_type: Queue-based becomes load-balanced, or the other way round. The local platform keeps the id, and
            the URL changes anyway; Runpod cannot do that at all.
    """

    is_other_type: bool = False

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        # super() without arguments does not work in a class with slots before 3.14
        return {**_Step.as_json(self), "is_other_type": self.is_other_type}

    action: ClassVar[str] = "replace"
    sign: ClassVar[str] = "±"


@dataclass(frozen=True, slots=True)
class DeleteEndpoint(_Step):
    """An endpoint that the project no longer declares."""

    action: ClassVar[str] = "delete"
    sign: ClassVar[str] = "-"


@dataclass(frozen=True, slots=True)
class KeepEndpoint(_Step):
    """An endpoint that stays as it is."""

    action: ClassVar[str] = "keep"
    sign: ClassVar[str] = "="


Step: TypeAlias = "CreateEndpoint | UpdateEndpoint | ReplaceEndpoint | DeleteEndpoint | KeepEndpoint"
Staged: TypeAlias = "CreateEndpoint | UpdateEndpoint | ReplaceEndpoint"

ACTIONS: Final[tuple[type[Step], ...]] = (
    CreateEndpoint,
    UpdateEndpoint,
    ReplaceEndpoint,
    DeleteEndpoint,
    KeepEndpoint,
)
"""All kinds of steps, in the order in which they are counted."""


def step_from_json(data: Mapping[str, Any]) -> Step:
    """What ``as_json`` of a step gave.

    Raises:
        KeyError, TypeError, ValueError: It is something else.
    """
    kind = next((kind for kind in ACTIONS if kind.action == data["action"]), None)
    if kind is None:
        raise ValueError(f"there is no action {data['action']!r}")
    step = kind(
        text_of(data["name"]),
        tuple(map(text_of, data["reasons"])),
        text_or_none(data["id"]) or "",
        cost=Cost.from_json(data["cost"]),
        cost_before=Cost.from_json(data["cost_before"]),
    )
    if isinstance(step, CreateEndpoint) == bool(step.id):
        raise ValueError(f"{step.action} {step.name!r} has {'an' if step.id else 'no'} id")
    if isinstance(step, ReplaceEndpoint):
        return replace(step, is_other_type=data["is_other_type"] is True)
    return step


def text_of(value: object) -> str:
    """Text that must be text.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def text_or_none(value: object) -> str | None:
    """Text, or null.

    Raises:
        TypeError: It is something else.
    """
    return None if value is None else text_of(value)
