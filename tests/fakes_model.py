"""Stand-ins for what ``flash.model`` is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.model.dispatch import Target
    from flash.model.request import ClientRequest


@dataclass
class RecordingCaller:
    """A caller for which only the endpoint *here* is here; answers *answer*, and keeps what it was asked.

    What is sent to clients' endpoints it answers with *replies*, one after the other; an exception is raised.
    """

    here: str | None = None
    answer: object = None
    calls: list[tuple[str, Target, dict[str, object]]] = field(default_factory=list)
    replies: list[object] = field(default_factory=list)
    sent: list[tuple[str, ClientRequest]] = field(default_factory=list)

    def is_here(self, target: Target) -> bool:
        return target.endpoint == self.here

    def call(self, target: Target, arguments: Mapping[str, object]) -> object:
        self.calls.append(("call", target, dict(arguments)))
        return self.answer

    async def acall(self, target: Target, arguments: Mapping[str, object]) -> object:
        self.calls.append(("acall", target, dict(arguments)))
        return self.answer

    def send(self, request: ClientRequest) -> object:
        self.sent.append(("send", request))
        return self._reply()

    async def asend(self, request: ClientRequest) -> object:
        self.sent.append(("asend", request))
        return self._reply()

    def _reply(self) -> object:
        reply = self.replies.pop(0) if self.replies else self.answer
        if isinstance(reply, Exception):
            raise reply
        return reply
