"""A change of a contract, as it is judged, told and waived."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flash.contract.rules import RULES

if TYPE_CHECKING:
    from flash.contract.rules import Rule, Severity

__all__ = ["Change"]

_LONGEST: Final = 120


@dataclass(frozen=True, slots=True)
class Change:
    """What is another than in what is live, under one rule.

    Attributes:
        rule: The rule's id.
        endpoint: Whose contract it is.
        operation: The function, ``Class.method``, or route; empty for an endpoint as a whole.
        pointer: Where in the input or output: ``input/image/width``; ``*`` is any item or key. Of a call, the argument.
            Empty where it is about the whole.
        old: What was, for people: words or plain JSON. None where there was nothing.
        new: What is, likewise.
        callers: Who calls it, each with its place in the source.
    """

    rule: str
    endpoint: str
    operation: str = ""
    pointer: str = ""
    old: Any = None
    new: Any = None
    callers: tuple[str, ...] = ()

    @property
    def about(self) -> Rule:
        """The rule."""
        return RULES[self.rule]

    @property
    def severity(self) -> Severity:
        """Whether it breaks somebody."""
        return self.about.severity

    @property
    def scope(self) -> str:
        """What waivers go by: ``greeter/hello``."""
        return f"{self.endpoint}/{self.operation}" if self.operation else self.endpoint

    @property
    def step(self) -> str:
        """``integer → string``; one of the two, where the other is nothing."""
        return " → ".join(_shown(one) for one in (self.old, self.new) if one is not None)

    @property
    def text(self) -> str:
        """The change in one line, without the callers.

        >>> Change(rule="FLASH-C206", endpoint="a", operation="f", pointer="input/n", old="integer", new="string").text
        'FLASH-C206 a/f input/n: parameter takes fewer types: integer → string'
        """
        where = f"{self.scope} {self.pointer}" if self.pointer else self.scope
        return f"{self.rule} {where}: {self.about.title}{f': {self.step}' if self.step else ''}"

    def as_json(self) -> dict[str, Any]:
        """Its attributes by their names, and ``"severity"``, ``"title"``, ``"text"``: the whole in one line."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "title": self.about.title,
            "endpoint": self.endpoint,
            "operation": self.operation,
            "pointer": self.pointer,
            "old": self.old,
            "new": self.new,
            "callers": list(self.callers),
            "text": self.text,
        }


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
