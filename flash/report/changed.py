"""What has changed for callers of what is live, on the page: old, new, rule, callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.report.elements import card, folded, table, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from xml.etree.ElementTree import Element

    from flash.report.document import Report

__all__ = ["changes_of", "listed"]

_NAMED: Final = 3
"""How many the gate names in a line of evidence."""


def listed(items: Sequence[str]) -> Iterator[Element]:
    """All that the evidence counts, where it names a few."""
    if len(items) > _NAMED:
        lines = [tag("li", tag("code", item)) for item in items]
        yield folded(tag("summary", f"all {len(items)}"), tag("ul", *lines, {"class": "notes"}), is_open=False)


def changes_of(report: Report) -> Iterator[Element]:
    """A card with all of them; read leniently, because another version may have written the report."""
    rows = [
        (
            tag("code", str(one.get("rule", ""))),
            str(one.get("text", "")).removeprefix(f"{one.get('rule', '')} "),
            tag("span", *(tag("p", str(caller)) for caller in one.get("callers", ())), {"class": "soft"}),
            str(one.get("outcome", "")),
        )
        for one in report.gate_changes
    ]
    if rows:
        yield card(table(("Rule", "What has changed for callers", "Called by", "Outcome"), rows, keep=[0]))
