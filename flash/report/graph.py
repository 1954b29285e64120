"""The calls between endpoints, drawn: a box for each endpoint, an arrow for each that calls another, and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flash.report.elements import card, folded, mark, section, table, tag
from flash.report.layout import lay_out
from flash.report.words import call_summary, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from xml.etree.ElementTree import Element

    from flash.report.document import Call, Report
    from flash.report.layout import Arrow, Box, Point

__all__ = ["call_graph"]

_MOST_BOXES: Final = 40
_MOST_OPEN: Final = 12
_LONGEST_NAME: Final = 30
_LONGEST_LABEL: Final = 30
_CHARACTER: Final = 7.3
"""Width of one of the drawing's font, 12 px of a monospaced one, with some room: fonts differ."""
_SMALL: Final = 6.7
"""The same of labels, which have 11 px."""
_HEAD: Final = 7.0

Pair = tuple[str, str]


def call_graph(report: Report) -> Iterator[Element]:
    """The section; nothing where no endpoint calls another."""
    if not report.calls:
        return
    pairs: dict[Pair, list[Call]] = {}
    for call in report.calls:
        pairs.setdefault((call.caller, _callee(call)), []).append(call)
    names = dict.fromkeys(name for pair in pairs for name in pair)
    content = []
    if len(names) <= _MOST_BOXES:
        content.append(tag("div", _drawing(names, pairs), {"class": "graph", "tabindex": "0"}))
    else:
        content.append(tag("p", f"{len(names)} endpoints are too many for a drawing.", {"class": "soft"}))
    content.append(_table(report.calls))
    yield section("Calls between endpoints", call_summary(report.calls), card(*content))


def _callee(call: Call) -> str:
    return call.endpoint or call.operation


def _drawing(names: dict[str, None], pairs: dict[Pair, list[Call]]) -> Element:
    labels = {pair: _label(calls) for pair, calls in pairs.items()}
    drawing = lay_out(
        {name: len(_short(name, _LONGEST_NAME)) * _CHARACTER + 26 for name in names},
        [(*pair, len(labels[pair]) * _SMALL) for pair in pairs],
    )
    foreign = {_callee(call) for calls in pairs.values() for call in calls if call.is_foreign}
    said = "; ".join(f"{source} calls {target}" for source, target in pairs)
    return tag(
        "svg",
        *(_box(box, is_foreign=box.name in foreign) for box in drawing.boxes),
        # arrows that break lie over the others
        *(
            part
            for arrow in sorted(drawing.arrows, key=lambda arrow: _is_broken(pairs[arrow.source, arrow.target]))
            for part in _arrow(arrow, pairs[arrow.source, arrow.target])
        ),
        *(_text(arrow, labels[arrow.source, arrow.target], pairs) for arrow in drawing.arrows),
        {
            "viewBox": f"0 0 {drawing.width:.0f} {drawing.height:.0f}",
            "width": f"{drawing.width:.0f}",
            "height": f"{drawing.height:.0f}",
            "aria-label": f"Calls between endpoints: {said}",
        },
        role="img",
    )


def _box(box: Box, *, is_foreign: bool) -> Element:
    middle = (box.x + box.width / 2, box.y + box.height / 2)
    return tag(
        "g",
        tag("title", box.name),
        tag("rect", x=_px(box.x), y=_px(box.y), width=_px(box.width), height=_px(box.height), rx="8"),
        tag("text", _short(box.name, _LONGEST_NAME), {"text-anchor": "middle"}, x=_px(middle[0]), y=_px(middle[1] + 4)),
        {"class": "node foreign" if is_foreign else "node"},
    )


def _arrow(arrow: Arrow, calls: Sequence[Call]) -> Iterator[Element]:
    looks = "edge bad" if _is_broken(calls) else "edge unread" if all(call.unread for call in calls) else "edge"
    (x, y) = arrow.points[-1]
    line = [*arrow.points[:-1], (x - _HEAD, y)]
    path = _straight(line) if arrow.is_back else _curved(line)
    title = tag("title", "\n".join(f"{call.call} at {call.at}" for call in calls))
    yield tag("path", title, {"class": looks}, d=path)
    head = f"M{_px(x)} {_px(y)}L{_px(x - _HEAD - 1)} {_px(y - 4)}V{_px(y + 4)}Z"
    yield tag("path", {"class": looks.replace("edge", "head")}, d=head)


def _text(arrow: Arrow, label: str, pairs: dict[Pair, list[Call]]) -> Element:
    x, y = arrow.label
    looks = "label bad" if _is_broken(pairs[arrow.source, arrow.target]) else "label"
    return tag("text", label, {"class": looks, "text-anchor": "start" if arrow.is_back else "end"}, x=_px(x), y=_px(y))


def _curved(points: Sequence[Point]) -> str:
    (x, y), *rest = points
    path = [f"M{_px(x)} {_px(y)}"]
    for number, (to_x, to_y) in enumerate(rest):
        # between columns in a curve; past the boxes of a column straight on
        if number % 2:
            path.append(f"H{_px(to_x)}")
        else:
            bend = (to_x - x) / 2
            path.append(f"C{_px(x + bend)} {_px(y)} {_px(to_x - bend)} {_px(to_y)} {_px(to_x)} {_px(to_y)}")
        x, y = to_x, to_y
    return "".join(path)


def _straight(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{_px(x)} {_px(y)}" for x, y in points)


def _label(calls: Sequence[Call]) -> str:
    """What is given, where it is one call; how many there are, else."""
    said = {f"{call.operation}({', '.join((*call.arguments, *(['…'] if call.is_open else [])))})" for call in calls}
    sign = "✗ " if _is_broken(calls) else "? " if all(call.unread for call in calls) else ""
    if all(call.is_foreign for call in calls):
        return f"{sign}not followed"
    return _short(f"{sign}{said.pop() if len(said) == 1 else f'{len(calls)} calls'}", _LONGEST_LABEL)


def _is_broken(calls: Sequence[Call]) -> bool:
    return any(call.breaks for call in calls)


def _table(calls: Sequence[Call]) -> Element:
    rows = []
    for call in sorted(calls, key=lambda call: not call.breaks):
        where = tag("span", tag("code", call.at))
        for step in call.through:
            where.append(tag("span", " by way of ", tag("code", step), {"class": "soft"}))
        sign = [mark("failed")] if call.breaks else [mark("inconclusive")] if call.unread else []
        told = tag("span", *sign, f"not followed: {call.unread}" if call.unread and not call.breaks else "")
        for number, line in enumerate(call.breaks):
            told.append(tag("p", line) if number else tag("span", line))
        caller = call.caller if call.caller == call.function else f"{call.caller}/{call.function}"
        rows.append((tag("code", caller), tag("code", call.call), where, told if sign else ""))
    content = table(("Caller", "Calls", "Where", "Told"), rows, is_labelled=True)
    title = tag("summary", "1 call, and its line" if len(calls) == 1 else f"{len(calls)} calls, and their lines")
    return folded(title, content, is_open=len(calls) <= _MOST_OPEN or any(call.breaks for call in calls))


def _short(text: str, longest: int) -> str:
    text = printable(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _px(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
