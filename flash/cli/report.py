"""Reads what ``pytest --flash-report=FILE`` wrote: the verdict of a run, and what it deployed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flash.deploy.deployment import DeployedEndpoint
from flash.errors import DeployError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Condition", "Report"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the gate.

    Attributes:
        outcome: ``pass``, ``refused`` or ``inconclusive``.
        evidence: What was seen, a line each.
        remedy: What would change it.
    """

    code: str
    title: str
    outcome: str
    evidence: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict of a run.

    Attributes:
        digest: Of the artifact that was tested; None where none was built.
        outcome: ``deployed``, ``refused``, ``failed``, ``rolled-back`` or ``interrupted``.
        message: Why nothing new is live, in one line; empty for ``deployed``.
        hint: What would change that.
        detail: Evidence of more than one line.
        live: What is live after a rollback, in words.
        is_local: Whether the environment is on the local platform.
    """

    app: str
    environment: str
    digest: str | None
    outcome: str
    is_local: bool
    gate: tuple[Condition, ...]
    endpoints: tuple[DeployedEndpoint, ...]
    message: str = ""
    hint: str = ""
    detail: str = ""
    live: str = ""

    @classmethod
    def read(cls, path: Path) -> Report | None:
        """Read *path*; None where the run ended before it wrote one.

        Raises:
            DeployError: It is there, and not a report.
        """
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls.parse(data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DeployError(f"the run's report cannot be read: {error!r}") from error

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Report:
        """Take a report apart."""
        error = data.get("error") or {}
        return cls(
            app=data["app"],
            environment=data["environment"],
            digest=data["digest"],
            outcome=data["outcome"],
            is_local=data.get("target") == "local",
            gate=tuple(
                Condition(
                    code=condition["code"],
                    title=condition["title"],
                    outcome=condition["outcome"],
                    evidence=tuple(condition["evidence"]),
                    remedy=condition["remedy"],
                )
                for condition in data["gate"]
            ),
            endpoints=tuple(
                DeployedEndpoint(
                    name=endpoint["name"],
                    kind=endpoint["kind"],
                    id=endpoint["id"],
                    url=endpoint["url"],
                    routes=tuple(endpoint["routes"]),
                    example=endpoint.get("example"),
                )
                for endpoint in data["endpoints"]
            ),
            message=_headline(error),
            hint=error.get("hint", ""),
            detail=error.get("detail", ""),
            live=data.get("live", ""),
        )

    @property
    def stands_in_the_way(self) -> tuple[Condition, ...]:
        """The conditions that are refused or inconclusive."""
        return tuple(condition for condition in self.gate if condition.outcome in {"refused", "inconclusive"})


def _headline(error: dict[str, Any]) -> str:
    """``path:line: message``, as far as they are known."""
    message: str = error.get("message", "")
    path, line = error.get("path"), error.get("line")
    if path is None:
        return message
    return f"{path}: {message}" if line is None else f"{path}:{line}: {message}"
