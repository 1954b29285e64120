"""Stand-ins for what ``flash.model`` is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flash.model.dispatch import Target


@dataclass
class RecordingCaller:
    """A caller for which only the endpoint *here* is here; answers *answer*, and keeps what it was asked."""

    here: str | None = None
    answer: object = None
    calls: list[tuple[str, Target, dict[str, object]]] = field(default_factory=list)

    def is_here(self, target: Target) -> bool:
        return target.endpoint == self.here

    def call(self, target: Target, arguments: Mapping[str, object]) -> object:
        self.calls.append(("call", target, dict(arguments)))
        return self.answer

    async def acall(self, target: Target, arguments: Mapping[str, object]) -> object:
        self.calls.append(("acall", target, dict(arguments)))
        return self.answer
