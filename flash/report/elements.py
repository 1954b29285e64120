"""What the page is built of: elements, whose text the standard library escapes when it writes them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element

from flash.report.words import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

__all__ = ["MARKS", "card", "folded", "mark", "moment", "section", "table", "tag"]

MARKS: Final = {
    "passed": ("good", "✓"),
    "pass": ("good", "✓"),
    "failed": ("bad", "✗"),
    "error": ("bad", "✗"),
    "refused": ("bad", "✗"),
    "inconclusive": ("warn", "?"),
    "fail": ("bad", "✗"),
    "not-enough-data": ("warn", "?"),
    "not-judged": ("idle", "·"),
    "skipped": ("idle", "·"),
    "xfailed": ("idle", "·"),
    "xpassed": ("warn", "!"),
}
"""Colour and sign of an outcome: nobody has to tell colours apart."""


def tag(kind: str, *children: str | Element | dict[str, str], **attributes: str) -> Element:
    """An element; a dictionary among its children are attributes whose names are no identifiers."""
    made = Element(kind, attributes)
    last: Element | None = None
    for child in children:
        if isinstance(child, dict):
            made.attrib.update(child)
        elif isinstance(child, str):
            text = printable(child)
            if last is None:
                made.text = (made.text or "") + text
            else:
                last.tail = (last.tail or "") + text
        else:
            made.append(child)
            last = child
    made.attrib.update({name: printable(value) for name, value in made.attrib.items()})
    return made


def section(title: str, said: str, *content: Element) -> Element:
    """A part of the page; *said* is told beside its title."""
    head = tag("h2", title, tag("small", said)) if said else tag("h2", title)
    return tag("section", head, *content)


def card(*content: Element) -> Element:
    """What belongs together."""
    return tag("div", *content, {"class": "card"})


def folded(title: Element, *content: Element, is_open: bool) -> Element:
    """What opens on a click, without a script."""
    return tag("details", title, *content, {"open": "open"} if is_open else {})


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str | Element]],
    *,
    keep: Collection[int] = (),
    right: Collection[int] = (),
    is_labelled: bool = False,
) -> Element:
    """A table, which is a list of cards where the screen is narrow. Columns without a word in them are left out.

    Args:
        head: Titles of the columns.
        rows: A cell for each column.
        keep: Columns whose cells stay on one line.
        right: Columns of numbers.
        is_labelled: Whether a cell needs its title beside it where there is no head.
    """
    rows = list(rows)
    shown = [column for column in range(len(head)) if any(row[column] != "" for row in rows)]

    def looks(column: int) -> dict[str, str]:
        words = " ".join(word for word, columns in (("keep", keep), ("right", right)) if column in columns)
        return {"class": words} if words else {}

    def cell(column: int, content: str | Element) -> Element:
        if content == "":
            return tag("td")
        label = {"data-label": head[column]} if column and is_labelled else {}
        return tag("td", content, {**looks(column), **label})

    top = tag(
        "tr",
        *(tag("th", title, {"scope": "col", **looks(column)}) for column, title in enumerate(head) if column in shown),
    )
    body = [
        tag("tr", *(cell(column, content) for column, content in enumerate(row) if column in shown)) for row in rows
    ]
    return tag("table", tag("thead", top), tag("tbody", *body), {"class": "stack"})


def mark(outcome: str) -> Element:
    """The sign of an outcome."""
    colour, sign = MARKS.get(outcome, ("idle", "·"))
    return tag("span", sign, {"class": f"mark {colour}", "title": outcome})


def moment(text: str) -> datetime:
    """A time as reports have it."""
    # 3.10 reads no Z
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
