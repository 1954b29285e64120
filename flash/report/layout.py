"""Where boxes and arrows of a directed graph go: columns from left to right, and nothing over anything else. Pure.

Arrows go from column to column; those that would go back, as in a cycle, run in lanes of their own below everything.
The same graph gives the same drawing. Made for a page's graphs, of some thirty boxes; more take longer, and more room.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Arrow", "Box", "Drawing", "lay_out"]

PORT: Final = 20.0
"""Between two arrows at one side of a box: a line of text."""
_LEAST_HEIGHT: Final = 36.0
_GAP_Y: Final = 22.0
_GAP_X: Final = 76.0
_LANE: Final = 24.0
_MARGIN: Final = 8.0
_SWEEPS: Final = 6
_STUB: Final = 14.0
_BESIDE: Final = 7.0
"""Between two lines that run side by side."""

Point = tuple[float, float]


@dataclass(slots=True)
class Box:
    """A node, in units of the drawing."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(slots=True)
class Arrow:
    """An edge.

    Attributes:
        source: Name of the box that it leaves at its right side.
        target: Name of the box that it enters at its left side.
        points: What it goes through, from the first to the last.
        label: Where its label is to end, or, of one that goes back, to begin.
        is_back: Whether it goes back by a lane, in straight lines.
    """

    source: str
    target: str
    points: tuple[Point, ...]
    label: Point
    is_back: bool = False


@dataclass(slots=True)
class Drawing:
    """All of it, and its size."""

    boxes: list[Box]
    arrows: list[Arrow]
    width: float
    height: float


@dataclass(eq=False, slots=True)
class _Node:
    """A box, or a place in a column that an arrow goes through."""

    name: str
    width: float = 0.0
    height: float = PORT
    column: int = 0
    y: float = 0.0
    x: float = 0.0
    before: list[_Node] = field(default_factory=list)
    after: list[_Node] = field(default_factory=list)


def lay_out(widths: Mapping[str, float], edges: Sequence[tuple[str, str, float]]) -> Drawing:
    """Lay out a graph.

    Args:
        widths: Of the boxes, by name.
        edges: Names of source and target, and the width of the label; a pair once.
    """
    back = _back(widths, edges)
    nodes = {name: _Node(name, width) for name, width in widths.items()}
    for name, node in nodes.items():
        ports = max(sum(source == name for source, _, _ in edges), sum(target == name for _, target, _ in edges))
        node.height = max(_LEAST_HEIGHT, ports * PORT + 8)
    forward = [edge for number, edge in enumerate(edges) if number not in back]
    _rank(nodes, forward)
    columns, chains = _columns(nodes, forward)
    _order(columns)
    # labels stand on the straight end of their arrows
    straight = [
        max((label for _, target, label in forward if nodes[target].column == column), default=0.0) + _STUB
        for column in range(len(columns))
    ]
    _place_x(columns, straight, lanes=len(back))
    _place_y(columns)
    return _drawn(nodes, edges, back, chains, straight)


def _back(names: Iterable[str], edges: Sequence[tuple[str, str, float]]) -> set[int]:
    """Numbers of the edges without which there is no cycle."""
    leaving: dict[str, list[tuple[int, str]]] = defaultdict(list)
    entered = {target for _, target, _ in edges}
    for number, (source, target, _) in enumerate(edges):
        leaving[source].append((number, target))
    back: set[int] = set()
    done: set[str] = set()
    # first what nobody calls: from there on, what goes back is what people take for that
    for start in sorted(names, key=lambda name: name in entered):
        if start in done:
            continue
        way = {start: iter(leaving[start])}
        while way:
            name = next(reversed(way))
            number, target = next(way[name], (-1, ""))
            if number < 0:
                del way[name]
                done.add(name)
            elif target in way:
                back.add(number)
            elif target not in done:
                way[target] = iter(leaving[target])
    return back


def _rank(nodes: Mapping[str, _Node], forward: Sequence[tuple[str, str, float]]) -> None:
    """Each as far to the right as its longest way asks for; what nobody enters, beside the first that it calls."""
    for _ in nodes:
        changed = False
        for source, target, _ in forward:
            if nodes[target].column <= nodes[source].column:
                nodes[target].column = nodes[source].column + 1
                changed = True
        if not changed:
            break
    entered = {target for _, target, _ in forward}
    for name, node in nodes.items():
        after = [nodes[target].column for source, target, _ in forward if source == name]
        if name not in entered and after:
            node.column = min(after) - 1


def _columns(
    nodes: Mapping[str, _Node], forward: Sequence[tuple[str, str, float]]
) -> tuple[list[list[_Node]], dict[tuple[str, str], list[_Node]]]:
    """The boxes of each column, with places for the arrows that pass through it; and those places by arrow."""
    columns: list[list[_Node]] = [[] for _ in range(max((node.column for node in nodes.values()), default=0) + 1)]
    for node in nodes.values():
        columns[node.column].append(node)
    chains: dict[tuple[str, str], list[_Node]] = {}
    for source, target, _ in forward:
        first, last = nodes[source], nodes[target]
        chain = [first]
        for column in range(first.column + 1, last.column):
            passing = _Node("", column=column)
            columns[column].append(passing)
            chain.append(passing)
        chain.append(last)
        for one, two in pairwise(chain):
            one.after.append(two)
            two.before.append(one)
        chains[source, target] = chain[1:-1]
    return columns, chains


def _order(columns: list[list[_Node]]) -> None:
    """Put neighbours at about the same height: their arrows cross less."""
    for sweep in range(_SWEEPS):
        rightwards = sweep % 2 == 0
        for column in columns if rightwards else reversed(columns):
            places = {id(node): place for other in columns for place, node in enumerate(other)}
            keys = {}
            for place, node in enumerate(column):
                others = node.before if rightwards else node.after
                keys[id(node)] = sum(places[id(one)] for one in others) / len(others) if others else float(place)
            column.sort(key=lambda node: keys[id(node)])


def _place_x(columns: list[list[_Node]], straight: Sequence[float], *, lanes: int) -> None:
    x = _MARGIN
    for number, column in enumerate(columns):
        x += straight[number] + (_GAP_X if number else 0.0) + lanes * _BESIDE if number or lanes else 0.0
        width = max((node.width for node in column), default=0.0)
        for node in column:
            node.x = x
            if not node.name:
                node.width = width
        x += width


def _place_y(columns: list[list[_Node]]) -> None:
    for column in columns:
        y = _MARGIN
        for node in column:
            node.y = y
            y += node.height + _GAP_Y
    for sweep in range(_SWEEPS * 2):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            for node in column:
                near = [*node.before, *node.after]
                if near:
                    node.y = sum(one.y + one.height / 2 for one in near) / len(near) - node.height / 2
            _spread(column)
    top = min((node.y for column in columns for node in column), default=0.0)
    for column in columns:
        for node in column:
            node.y += _MARGIN - top


def _spread(column: list[_Node]) -> None:
    """Keep their order, and a gap between two of them; what has to move, moves by half on either side."""
    for upper, lower in pairwise(column):
        overlap = upper.y + upper.height + _GAP_Y - lower.y
        if overlap > 0:
            upper.y -= overlap / 2
            lower.y += overlap / 2
    for upper, lower in pairwise(column):
        lower.y = max(lower.y, upper.y + upper.height + _GAP_Y)


def _drawn(
    nodes: Mapping[str, _Node],
    edges: Sequence[tuple[str, str, float]],
    back: set[int],
    chains: Mapping[tuple[str, str], list[_Node]],
    straight: Sequence[float],
) -> Drawing:
    leaving, entering = _ports(nodes, edges, back, chains)
    through = [node for chain in chains.values() for node in chain]
    bottom = max((node.y + node.height for node in (*nodes.values(), *through)), default=0.0)
    arrows: list[Arrow] = []
    lane, right = bottom + _GAP_Y, max((node.x + node.width for node in nodes.values()), default=0.0)
    for number, (source, target, label) in enumerate(edges):
        start, end = leaving[number], entering[number]
        if number not in back:
            points: list[Point] = [start]
            for node in chains[source, target]:
                middle = node.y + node.height / 2
                points += [(node.x, middle), (node.x + node.width, middle)]
            points += [(end[0] - straight[nodes[target].column], end[1]), end]
            arrows.append(Arrow(source, target, tuple(points), (end[0] - _STUB + 2, end[1] - 4)))
            continue
        beside = len([one for one in arrows if one.is_back]) * _BESIDE
        out, into = start[0] + _STUB + beside, end[0] - straight[nodes[target].column] - beside
        corners = (start, (out, start[1]), (out, lane), (into, lane), (into, end[1]), end)
        arrows.append(Arrow(source, target, corners, (into + 10, lane - 5), is_back=True))
        right = max(right, out, into + 10 + label)
        lane += _LANE
    height = (lane if back else bottom) + _MARGIN
    boxes = [Box(node.name, node.x, node.y, node.width, node.height) for node in nodes.values()]
    return Drawing(boxes, arrows, right + _MARGIN, height)


def _ports(
    nodes: Mapping[str, _Node],
    edges: Sequence[tuple[str, str, float]],
    back: set[int],
    chains: Mapping[tuple[str, str], list[_Node]],
) -> tuple[dict[int, Point], dict[int, Point]]:
    """Where each edge leaves its source and enters its target: in the order in which the other ends stand."""
    leaving: dict[int, Point] = {}
    entering: dict[int, Point] = {}

    def middle(node: _Node) -> float:
        return node.y + node.height / 2

    for node in nodes.values():
        out = [number for number, edge in enumerate(edges) if edge[0] == node.name]
        into = [number for number, edge in enumerate(edges) if edge[1] == node.name]

        def height(number: int, *, of_target: bool) -> tuple[bool, float]:
            source, target, _ = edges[number]
            chain = chains.get((source, target), [])
            other = (chain[0] if chain else nodes[target]) if of_target else (chain[-1] if chain else nodes[source])
            # what goes back goes down first
            return number in back, middle(other)

        out.sort(key=lambda number: height(number, of_target=True))
        into.sort(key=lambda number: height(number, of_target=False))
        for ports, numbers, x in ((leaving, out, node.x + node.width), (entering, into, node.x)):
            top = middle(node) - (len(numbers) - 1) * PORT / 2
            for place, number in enumerate(numbers):
                ports[number] = (x, top + place * PORT)
    return leaving, entering
