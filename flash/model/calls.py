"""Calls from one endpoint to another, as they stand in the source: the edges of an app's call graph."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from flash.model.wire import Wire

__all__ = ["CallEdge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEdge(Wire):
    """A call that a function of an endpoint makes, itself or through others of the project.

    Who calls is whoever has the edge. What is called is empty where nobody in the project knows it.

    Attributes:
        at: ``path:line`` of the call, relative to the project.
        caller_method: The public method of the caller's class that makes it; empty for a function or route, and where
            it is made whichever method runs.
        endpoint: The callee's endpoint.
        function: Its function or class.
        method: The method, of a class.
        route: ``POST /process``, of a load-balanced endpoint.
        arguments: The names that it is given, positional ones by the callee's own signature in the same build, sorted.
        literals: Those of them that are written out, with their values: JSON, none that looks like a secret.
        is_open: Whether it may be given more, by ``*`` or ``**`` or by whoever it is handed to.
        surplus: How many positional arguments no parameter of the callee takes.
        reads: Keys of the answer that the caller takes for granted, sorted.
        is_dropped: Whether nobody looks at the answer.
        is_remote: Whether it is written as ``.remote(…)``.
        is_awaited: Whether it is awaited where it is written.
        through: ``path:line`` of the calls on the way from the endpoint's function to it, outermost first.
        why: Why what it is given and whom it reaches is not known; empty where it is.
    """

    at: str
    caller_method: str = ""
    endpoint: str = ""
    function: str = ""
    method: str = ""
    route: str = ""
    arguments: list[str] = field(default_factory=list)
    literals: dict[str, Any] = field(default_factory=dict)
    is_open: bool = False
    surplus: int = 0
    reads: list[str] = field(default_factory=list)
    is_dropped: bool = False
    is_remote: bool = False
    is_awaited: bool = False
    through: list[str] = field(default_factory=list)
    why: str = ""

    def as_json(self, *, without_defaults: bool = True) -> dict[str, Any]:  # noqa: ARG002  always short
        """As JSON types, without what is as it is by default."""
        return Wire.as_json(self, without_defaults=True)

    @property
    def callee(self) -> str:
        """``Model.predict`` or ``infer``; of what nobody knows, the endpoint's name or nothing."""
        return f"{self.function}.{self.method}" if self.method else self.function or self.endpoint

    @property
    def text(self) -> str:
        """The call as it would be written: ``infer(data=…, steps=3, …)``."""
        given = [
            f"{name}={json.dumps(self.literals[name], ensure_ascii=False)}" if name in self.literals else f"{name}=…"
            for name in self.arguments
        ]
        return f"{self.callee}({', '.join([*given, *(['…'] if self.is_open else [])])})"

    @property
    def where(self) -> str:
        """``app.py:12, by helpers.py:7``."""
        return f"{self.at} (by way of {', '.join(self.through)})" if self.through else self.at

    def told(self, endpoint: str, function: str, version: str = "") -> str:
        """Who makes it, where: ``app.py:7 (live): pipeline/prep calls infer(data=…)``.

        Args:
            endpoint: The caller's.
            function: Its function or class.
            version: Which one's, where there are several.
        """
        name = f"{function}.{self.caller_method}" if self.caller_method else function
        caller = name if endpoint == function else f"{endpoint}/{name}"
        return f"{self.where}{f' ({version})' if version else ''}: {caller} calls {self.text}"
