"""A workflow as a picture: triggers → jobs → flow edges, in layers from left to right. Plain SVG, no script.

Small on purpose. Nodes get the layer of their longest way from a start (edges that close a circle are left out of
the counting), the order inside a layer follows the neighbours' middle, edges are curves. Pure: rows in, shapes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 200, 56
GAP_X, GAP_Y = 130, 28
MARGIN = 16
SWEEPS = 4


@dataclass(frozen=True, kw_only=True)
class Node:
    """A trigger or a job."""

    id: str
    title: str
    second: str  # the smaller line
    url: str
    kind: str  # trigger | job
    off: bool = False
    bad: bool = False


@dataclass(frozen=True, kw_only=True)
class Edge:
    start: str
    end: str
    kind: str = "plain"  # plain | success | failure | completion
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Box:
    node: Node
    x: int
    y: int

    @property
    def middle(self) -> int:
        return self.y + HEIGHT // 2


@dataclass(frozen=True, kw_only=True)
class Curve:
    edge: Edge
    path: str
    label_x: int
    label_y: int


@dataclass(frozen=True, kw_only=True)
class Picture:
    boxes: list[Box] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    width: int = 0
    height: int = 0


def draw(nodes: Sequence[Node], edges: Sequence[Edge]) -> Picture:
    """Where everything stands."""
    known = {node.id for node in nodes}
    edges = [edge for edge in edges if edge.start in known and edge.end in known]
    layers = _ordered(_layers(nodes, edges), edges)
    tallest = max((len(layer) for layer in layers), default=0)
    full = tallest * (HEIGHT + GAP_Y) - GAP_Y
    boxes: dict[str, Box] = {}
    for column, layer in enumerate(layers):
        used = len(layer) * (HEIGHT + GAP_Y) - GAP_Y
        top = MARGIN + (full - used) // 2
        for row, node in enumerate(layer):
            x = MARGIN + column * (WIDTH + GAP_X)
            boxes[node.id] = Box(node=node, x=x, y=top + row * (HEIGHT + GAP_Y))
    curves = [_edge(edge, boxes) for edge in edges]
    return Picture(
        boxes=list(boxes.values()),
        curves=curves,
        width=2 * MARGIN + len(layers) * (WIDTH + GAP_X) - GAP_X if layers else 0,
        height=2 * MARGIN + full if layers else 0,
    )


def _layers(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[list[Node]]:
    """Longest way from a start; edges back to where one came from do not count."""
    after: dict[str, list[str]] = {node.id: [] for node in nodes}
    for edge in edges:
        after[edge.start].append(edge.end)
    forward = _without_circles(after)
    depth = {node.id: 0 for node in nodes}
    for start in _sorted_down(forward):
        for end in forward[start]:
            depth[end] = max(depth[end], depth[start] + 1)
    layers: list[list[Node]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in nodes:
        layers[depth[node.id]].append(node)
    return [layer for layer in layers if layer]


def _without_circles(after: dict[str, list[str]]) -> dict[str, list[str]]:
    """The same edges without those that lead back to a node on the way (depth first, without recursion)."""
    state: dict[str, int] = {}  # 1: on the way, 2: done
    kept: dict[str, list[str]] = {name: [] for name in after}
    for root in after:
        if root in state:
            continue
        state[root] = 1
        way = [(root, iter(after[root]))]
        while way:
            name, rest = way[-1]
            for end in rest:
                if state.get(end) == 1:
                    continue
                kept[name].append(end)
                if end not in state:
                    state[end] = 1
                    way.append((end, iter(after[end])))
                    break
            else:
                state[name] = 2
                way.pop()
    return kept


def _sorted_down(after: dict[str, list[str]]) -> list[str]:
    """Every node before those that it leads to."""
    waiting = dict.fromkeys(after, 0)
    for ends in after.values():
        for end in ends:
            waiting[end] += 1
    ready = [name for name, count in waiting.items() if count == 0]
    for name in ready:  # grows while we go through it
        for end in after[name]:
            waiting[end] -= 1
            if waiting[end] == 0:
                ready.append(end)
    return ready


def _ordered(layers: list[list[Node]], edges: Sequence[Edge]) -> list[list[Node]]:
    """Each node near the middle of its neighbours, so that few edges cross."""
    neighbours: dict[str, list[str]] = {}
    for edge in edges:
        neighbours.setdefault(edge.start, []).append(edge.end)
        neighbours.setdefault(edge.end, []).append(edge.start)
    for _ in range(SWEEPS):
        place = {node.id: row for layer in layers for row, node in enumerate(layer)}
        for layer in layers:
            layer.sort(key=lambda node: _middle(node, neighbours, place))
    return layers


def _middle(node: Node, neighbours: dict[str, list[str]], place: dict[str, int]) -> float:
    near = [place[name] for name in neighbours.get(node.id, []) if name in place]
    return sum(near) / len(near) if near else place[node.id]


def _edge(edge: Edge, boxes: dict[str, Box]) -> Curve:
    start, end = boxes[edge.start], boxes[edge.end]
    between = [box for box in boxes.values() if start.x < box.x < end.x]
    top, bottom = min(start.y, end.y), max(start.y, end.y) + HEIGHT
    if any(box.y < bottom and box.y + HEIGHT > top for box in between):
        return _below(edge, start, end, low=max(box.y for box in between) + HEIGHT + GAP_Y // 2)
    return _curve(edge, start, end)


def _below(edge: Edge, start: Box, end: Box, *, low: int) -> Curve:
    """Under the boxes of the layers between: through them it would look like an edge of theirs."""
    x1, y1, x2, y2 = start.x + WIDTH, start.middle, end.x, end.middle
    down, up, bend = x1 + GAP_X, x2 - GAP_X, GAP_X // 2
    path = (
        f"M{x1} {y1} C{x1 + bend} {y1} {down - bend} {low} {down} {low} "
        f"L{up} {low} C{up + bend} {low} {x2 - bend} {y2} {x2 - 4} {y2}"
    )
    return Curve(edge=edge, path=path, label_x=(x1 + x2) // 2, label_y=low - 1)


def _curve(edge: Edge, start: Box, end: Box) -> Curve:
    x1, y1, x2, y2 = start.x + WIDTH, start.middle, end.x, end.middle
    if x2 > x1:
        bend = (x2 - x1) // 2
        path = f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 4} {y2}"
        return Curve(edge=edge, path=path, label_x=(x1 + x2) // 2, label_y=(y1 + y2) // 2 - 6)
    # Back or within a layer: around below.
    low = max(start.y, end.y) + HEIGHT + GAP_Y // 2
    path = f"M{x1} {y1} C{x1 + 50} {y1} {x1 + 50} {low} {(x1 + x2) // 2} {low} S{x2 - 50} {y2} {x2 - 4} {y2}"
    return Curve(edge=edge, path=path, label_x=(x1 + x2) // 2, label_y=low - 4)
