"""The drawing of who calls whom: nothing lies over anything, and all of it is told in words, too."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree.ElementTree import Element, tostring

import pytest
from fakes_report import CALLS, call, deployed
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.report.graph import call_graph
from flash.report.layout import Drawing, lay_out
from flash.report.markdown import as_markdown
from flash.report.page import as_page

NAMES = [f"e{number}" for number in range(30)]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, float], list[tuple[str, str, float]]]:
    """Up to 30 boxes and 40 arrows, cycles and loops among them."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=30, unique=True))
    name = st.sampled_from(names)
    pairs = draw(st.lists(st.tuples(name, name), max_size=40, unique=True))
    widths = {one: draw(st.integers(30, 250)) * 1.0 for one in names}
    return widths, [(*pair, draw(st.integers(10, 220)) * 1.0) for pair in pairs]


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_boxes_lie_apart_and_arrows_join_them(
    graph: tuple[dict[str, float], list[tuple[str, str, float]]],
) -> None:
    """All within the drawing; arrows leave at the right and enter at the left, each at a place of its own."""
    widths, edges = graph
    found = lay_out(widths, edges)
    assert [box.name for box in found.boxes] == list(widths)
    for one, two in combinations(found.boxes, 2):
        apart = one.x + one.width < two.x or two.x + two.width < one.x
        assert apart or one.y + one.height < two.y or two.y + two.height < one.y
    boxes = {box.name: box for box in found.boxes}
    assert [(arrow.source, arrow.target) for arrow in found.arrows] == [edge[:2] for edge in edges]
    for arrow in found.arrows:
        source, target = boxes[arrow.source], boxes[arrow.target]
        (left, top), (right, bottom) = arrow.points[0], arrow.points[-1]
        assert (left, right) == (source.x + source.width, target.x)
        assert source.y < top < source.y + source.height
        assert target.y < bottom < target.y + target.height
        for x, y in arrow.points:
            assert 0 <= x <= found.width
            assert 0 <= y <= found.height
        if not arrow.is_back:
            assert source.x < target.x
    ends = [arrow.points[-1] for arrow in found.arrows] + [arrow.points[0] for arrow in found.arrows]
    assert len(set(ends)) == len(ends)


@settings(max_examples=50, deadline=None)
@given(graphs())
def test_arrows_pass_by_the_boxes_between(graph: tuple[dict[str, float], list[tuple[str, str, float]]]) -> None:
    """Where one crosses a column, it has a place of its own there."""
    found = lay_out(*graph)
    for arrow in found.arrows:
        if arrow.is_back:
            continue
        for x, y in arrow.points[1:-2]:
            for box in found.boxes:
                assert not (box.x <= x <= box.x + box.width and box.y < y < box.y + box.height)


@settings(max_examples=50, deadline=None)
@given(graphs())
def test_the_same_graph_is_drawn_the_same(graph: tuple[dict[str, float], list[tuple[str, str, float]]]) -> None:
    """Reports can be compared."""
    assert lay_out(*graph) == lay_out(*graph)


def test_what_goes_back_is_what_people_take_for_it() -> None:
    """From what nobody calls on, the way leads to the right."""
    found = lay_out(dict.fromkeys("abc", 40.0), [("b", "c", 9.0), ("c", "b", 9.0), ("a", "b", 9.0), ("c", "c", 9.0)])
    assert [(arrow.source, arrow.target) for arrow in found.arrows if arrow.is_back] == [("c", "b"), ("c", "c")]
    assert [box.x for box in found.boxes] == sorted(box.x for box in found.boxes)


def test_nothing_is_a_drawing_of_nothing() -> None:
    """And raises nothing."""
    assert lay_out({}, []) == Drawing([], [], 8.0, 8.0)


def section(*calls: object) -> Element:
    """The section, of a report with those calls."""
    (found,) = call_graph(deployed(calls=calls))
    return found


def test_boxes_arrows_and_marks_are_there() -> None:
    """Broken ones by more than a colour; what was not followed is dashed, and says so."""
    found = section(*CALLS)
    text = " ".join("".join(found.itertext()).split())
    assert "4 calls, 1 would break during a roll-out, 1 not followed" in text
    assert [one.get("class") for one in found.iter("g")] == ["node", "node", "node", "node foreign"]
    edges = [one.get("class") for one in found.iter("path") if "edge" in one.get("class", "")]
    assert sorted(edges) == ["edge", "edge", "edge bad", "edge unread"]
    labels = [one.text for one in found.iter("text") if "label" in one.get("class", "")]
    assert labels == ["cpu_worker(name, language)", "✗ gpu_worker(name)", "? not followed", "lb_worker(input)"]
    assert "FLASH-C501: an old caller fails on the new callee" in text
    assert "cpu_worker.py:7 by way of cpu_worker.py:3 by way of helpers.py:9" in text


def test_the_drawing_is_told_in_words() -> None:
    """For those who do not see it."""
    (drawing,) = section(*CALLS[:2]).iter("svg")
    assert drawing.get("role") == "img"
    assert drawing.get("aria-label") == (
        "Calls between endpoints: lb_worker calls cpu_worker; lb_worker calls gpu_worker"
    )


def test_several_calls_of_one_endpoint_are_one_arrow() -> None:
    """Which says how many, where they differ."""
    found = section(call("a", "b", "x"), call("a", "b", "y"), call("a", "c", "x"), call("a", "c", "x"))
    assert [one.text for one in found.iter("text") if one.get("class") == "label"] == ["2 calls", "c(x)"]


def test_long_names_are_cut_and_told_in_full() -> None:
    """A box has room for some thirty characters."""
    found = section(call("x" * 60, "y" * 60, "z" * 60))
    assert [one.text for one in found.iter("title")][:2] == ["x" * 60, "y" * 60]
    assert max(len(one.text or "") for one in found.iter("text")) == 30


def test_too_many_are_listed_and_not_drawn() -> None:
    """Nobody could read it."""
    found = section(*(call("a", f"b{number}") for number in range(40)))
    assert not list(found.iter("svg"))
    assert "41 endpoints are too many for a drawing." in "".join(found.itertext())
    assert len(list(found.iter("tr"))) == 41


def test_without_calls_there_is_no_section() -> None:
    """Neither on the page nor in Markdown."""
    assert "Calls between endpoints" not in as_page(deployed())
    assert "Calls between endpoints" not in as_markdown(deployed())


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a\x1b[31m\u202e", "é" * 40, ""])
def test_names_are_text(name: str) -> None:
    """Whatever they are."""
    text = tostring(section(call(name or "a", name, name)), encoding="unicode")
    assert "<script" not in text
    assert not re.search("[\x00-\x08\x1b\u202e]", text)


def test_markdown_lists_what_breaks_first() -> None:
    """And folds what wants no look."""
    text = as_markdown(deployed(calls=CALLS))
    assert "### Calls between endpoints\n\n4 calls, 1 would break during a roll-out, 1 not followed\n" in text
    rows = [line for line in text.splitlines() if line.startswith(("| `lb_worker", "| `cpu_worker"))]
    assert "❌ FLASH-C501: an old caller" in rows[-4]
    assert "❔ not followed: by its id" in rows[-3]
    assert "`cpu_worker.py:7` ← `helpers.py:9` ← `cpu_worker.py:3`" in rows[-1]
    folded = as_markdown(deployed(calls=CALLS[:1]))
    assert "<details><summary>Calls between endpoints: 1 call</summary>" in folded


def test_markdown_lists_no_more_than_people_read() -> None:
    """The rest is counted."""
    text = as_markdown(deployed(calls=[call("a", f"b{number}") for number in range(70)]))
    assert "… and 20 more." in text
