"""The steps of a plan: what is to be done about one endpoint, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from flash.deploy.cost import NOTHING, Cost

__all__ = [
    "ACTIONS",
    "CreateEndpoint",
    "DeleteEndpoint",
    "KeepEndpoint",
    "ReplaceEndpoint",
    "Staged",
    "Step",
    "UpdateEndpoint",
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
        is_other_type: Queue-based becomes load-balanced, or the other way round. Runpod cannot do that in place: there
            the endpoint is made anew too, with another id. The local platform keeps the id; the URL changes anyway.
    """

    is_other_type: bool = False

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
