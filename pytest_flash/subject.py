"""What contract checks are about, from static discovery: plain data, the same in every process of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from flash.model.app import App

__all__ = ["Subject", "is_contract", "subjects"]


class Subject(NamedTuple):
    """What one check is about; plain strings, because xdist sends it to its workers.

    Attributes:
        method: A class's method, else the empty string.
        label: As in the node id: ``gpu_worker`` or ``api/process``.
    """

    endpoint: str
    function: str
    method: str
    label: str

    @property
    def nodeid(self) -> str:
        """``flash::contract[gpu_worker]``."""
        return f"flash::contract[{self.label}]"


def subjects(app: App) -> tuple[Subject, ...]:
    """One for each function, method and route of an app, in the order of their declaration."""
    found: list[Subject] = []
    for endpoint in app:
        for function in endpoint.functions:
            if endpoint.is_load_balanced:
                found.append(Subject(endpoint.name, function.name, "", f"{endpoint.name}/{function.name}"))
            elif function.is_class:
                found += [
                    Subject(endpoint.name, function.name, method, f"{endpoint.name}/{method}")
                    for method in function.methods
                ]
            else:
                found.append(Subject(endpoint.name, function.name, "", endpoint.name))
    return tuple(found)


def is_contract(nodeid: str) -> bool:
    """Whether a node id is one of a contract check."""
    return nodeid.startswith("flash::contract[")
