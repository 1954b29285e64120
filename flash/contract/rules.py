"""The rules by which a change of a contract breaks those who rely on it, or is only told.

An id keeps its meaning; a new rule gets a new one. ``docs/contract.md`` has the same table. Which change falls under
which rule is decided in :mod:`flash.contract.changes` (operations, transport), :mod:`flash.contract.subschema` (inputs,
outputs) and :mod:`flash.contract.calls` (callers).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

__all__ = ["DELETIONS", "RULES", "Difference", "Rule", "Severity"]

Severity = Literal["breaking", "note", "unjudged"]
"""``breaking``: somebody who did everything right fails. ``note``: nobody fails, but who relies on it should know.
``unjudged``: it could not be told, which is no clean comparison."""


class Rule(NamedTuple):
    """A rule.

    Attributes:
        id: Stable: waivers, reports and programs name it.
        title: What has happened, in a few words.
        why: Whom that breaks, or why it does not.
    """

    id: str
    severity: Severity
    title: str
    why: str


_TABLE: Final = (
    Rule(
        "FLASH-C001",
        "unjudged",
        "could not be compared",
        "one of the two has no contract here, or says something that is not understood",
    ),
    # -- operations
    Rule(
        "FLASH-C101",
        "breaking",
        "endpoint removed",
        "its callers get 404; the gate leaves it to `--flash-allow-delete`, which is asked for every deletion",
    ),
    Rule(
        "FLASH-C102",
        "breaking",
        "endpoint renamed",
        "the URL is of another endpoint: callers of the old one get 404; left to `--flash-allow-delete` as well",
    ),
    Rule("FLASH-C103", "breaking", "operation removed", "who calls the route or the method is refused"),
    Rule("FLASH-C104", "breaking", "method renamed", "jobs that name the old `method` are refused"),
    # -- inputs: they may widen
    Rule(
        "FLASH-C201",
        "breaking",
        "parameter removed",
        "inputs refuse keys that they do not know, and a model drops them: what the caller says is not heard",
    ),
    Rule("FLASH-C202", "breaking", "parameter renamed", "callers give the old name, which is refused"),
    Rule("FLASH-C203", "breaking", "new required parameter", "no caller gives it yet"),
    Rule(
        "FLASH-C204",
        "breaking",
        "the input has another shape",
        "a single parameter's value was the whole input and is a key of it now, or the other way round",
    ),
    Rule("FLASH-C205", "breaking", "parameter became required", "callers that leave it out are refused"),
    Rule("FLASH-C206", "breaking", "parameter takes fewer types", "values that were valid are refused"),
    Rule("FLASH-C207", "breaking", "parameter no longer takes null", "callers that send null are refused"),
    Rule("FLASH-C208", "breaking", "parameter takes fewer values", "callers that send one of the others are refused"),
    Rule("FLASH-C209", "breaking", "parameter has narrower bounds", "values beyond the new bounds are refused"),
    Rule(
        "FLASH-C210",
        "breaking",
        "parameter has another pattern",
        "not everything that the old one allowed is known to be allowed by the new one",
    ),
    Rule("FLASH-C211", "breaking", "parameter has another format", "text of the old format is refused"),
    Rule("FLASH-C212", "breaking", "further keys are refused", "an object took any key, and takes only some now"),
    Rule("FLASH-C213", "breaking", "kind of a union removed", "values of that kind are refused"),
    Rule(
        "FLASH-C220",
        "note",
        "default changed",
        "no call is refused, but callers that leave it out get something else: tuning is not breaking",
    ),
    # -- outputs: they may narrow
    Rule("FLASH-C301", "breaking", "output field removed", "readers look for it in vain"),
    Rule("FLASH-C302", "breaking", "output field renamed", "readers look for the old name in vain"),
    Rule("FLASH-C303", "breaking", "output field may be missing", "it was always there"),
    Rule("FLASH-C304", "breaking", "output has other types", "readers get what was never promised"),
    Rule("FLASH-C305", "breaking", "output may be null", "readers did not have to expect that"),
    Rule("FLASH-C306", "breaking", "output has further values", "readers that know all values meet another one"),
    Rule("FLASH-C307", "breaking", "output has wider bounds", "values come that were out of bounds"),
    Rule(
        "FLASH-C308",
        "breaking",
        "output has another pattern",
        "not everything that the new one allows is known to have been allowed by the old one",
    ),
    Rule("FLASH-C309", "breaking", "output has another format", "readers parse what is no longer that"),
    Rule("FLASH-C310", "breaking", "output has further keys", "an object with fixed keys may have any now"),
    Rule("FLASH-C311", "breaking", "kind added to an output's union", "readers that know all kinds meet another one"),
    Rule("FLASH-C312", "breaking", "output is no longer typed", "nothing is promised any more"),
    Rule(
        "FLASH-C320",
        "note",
        "field added to a closed output",
        "readers skip what they do not know, but this type said that there would be nothing else",
    ),
    # -- transport
    Rule(
        "FLASH-C401",
        "breaking",
        "queue and load-balanced swapped",
        "other URLs, other requests, other answers: no call of the one kind works on the other",
    ),
    Rule("FLASH-C402", "breaking", "route has another verb", "callers get 405 or 404"),
    Rule("FLASH-C403", "breaking", "route has another path", "callers get 404"),
    Rule(
        "FLASH-C404",
        "breaking",
        "streaming began or ended",
        "who reads chunks gets none; who reads a value gets a list, or lines of JSON instead of one document",
    ),
    Rule(
        "FLASH-C405",
        "breaking",
        "jobs must name a method",
        "a class with one method needs no `method` in its jobs, with several it does",
    ),
    Rule("FLASH-C406", "breaking", "jobs may not name a method", "a function refuses the key `method` of a class"),
    # -- mixed versions: old and new workers overlap while a version is rolled out
    Rule(
        "FLASH-C501",
        "breaking",
        "an old caller fails on the new callee",
        "workers of what is live call until the last of them is replaced: expand and contract, in steps that each fit",
    ),
    Rule(
        "FLASH-C502",
        "breaking",
        "a new caller fails on the old callee",
        "new workers call endpoints that are not replaced yet, or were put back: expand and contract, callee first",
    ),
    Rule(
        "FLASH-C503",
        "note",
        "a new caller calls an endpoint that is not live yet",
        "it is made before callers are replaced, but its workers may not be there yet: the first calls wait for them",
    ),
)

RULES: Final = {rule.id: rule for rule in _TABLE}
"""By id, in the order of the ids."""

DELETIONS: Final = frozenset({"FLASH-C101", "FLASH-C102"})
"""Rules of endpoints that go: deployments ask for their deletion on its own."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that was valid and is not, or was not promised and comes; or what should be known all the same.

    Attributes:
        rule: Its id.
        pointer: Where in the value, as a JSON pointer; ``*`` stands for any item, or any key.
        old: What it was: plain JSON, or a type in words. None where there was nothing.
        new: What it is, likewise.
    """

    rule: str
    pointer: str
    old: Any = None
    new: Any = None

    @property
    def is_note(self) -> bool:
        """Whether nothing breaks."""
        return RULES[self.rule].severity == "note"
