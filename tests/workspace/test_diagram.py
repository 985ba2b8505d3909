"""The picture of a workflow: layers, circles, size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openfn_platform.workspace.diagram import HEIGHT, WIDTH, Edge, Node, Picture, draw


def node(name: str) -> Node:
    return Node(id=name, title=name, second="", url=f"/{name}", kind="job")


def column(picture: Picture, name: str) -> int:
    return next(box.x for box in picture.boxes if box.node.id == name)


def test_every_edge_leads_to_the_right_when_there_is_no_circle() -> None:
    edges = [Edge(start=a, end=b) for a, b in ("ab", "bc", "ac", "cd")]
    picture = draw([node(name) for name in "dcba"], edges)
    assert all(column(picture, edge.start) < column(picture, edge.end) for edge in edges)


def test_an_edge_past_a_layer_runs_under_the_boxes_of_that_layer() -> None:
    edges = [Edge(start=a, end=b) for a, b in ("ab", "bc", "ac")]
    picture = draw([node(name) for name in "abc"], edges)
    passed = next(box for box in picture.boxes if box.node.id == "b")
    curve = next(each for each in picture.curves if (each.edge.start, each.edge.end) == ("a", "c"))
    low = passed.y + HEIGHT + 14
    assert f" {passed.x} {low} L{passed.x + WIDTH} {low} " in curve.path
    assert low < picture.height


def test_nothing_is_an_empty_picture() -> None:
    assert draw([], []).boxes == []


def test_an_edge_to_something_that_is_not_there_is_left_out() -> None:
    assert draw([node("a")], [Edge(start="a", end="gone")]).curves == []


names = st.sampled_from([f"n{number}" for number in range(12)])


@given(st.sets(names), st.lists(st.tuples(names, names), max_size=40))
def test_any_graph_is_drawn_inside_its_frame_without_boxes_on_top_of_each_other(
    chosen: set[str], pairs: list[tuple[str, str]]
) -> None:
    picture = draw([node(name) for name in sorted(chosen)], [Edge(start=a, end=b) for a, b in pairs])
    assert {box.node.id for box in picture.boxes} == chosen
    places = {(box.x, box.y) for box in picture.boxes}
    assert len(places) == len(chosen)
    assert all(0 <= x <= picture.width - WIDTH and 0 <= y <= picture.height - HEIGHT for x, y in places)
