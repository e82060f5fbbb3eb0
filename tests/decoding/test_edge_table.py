"""Edges of a lexicon as hash tables: what was put in is found, and nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anylect.compiled import compiled
from anylect.decoding.edge_table import FULL, NO_TOKEN, build_edge_table, find_edge

NODES, TOKENS = 5, 300


@compiled
def _find(first_edge: np.ndarray, edges: np.ndarray, node: int, token: int) -> int:
    return int(find_edge(first_edge, edges, node, token))


@given(
    st.dictionaries(
        st.tuples(st.integers(0, NODES - 1), st.integers(0, TOKENS - 1)),
        st.integers(0, NODES - 1),
        max_size=60,
    )
)
def test_every_edge_is_found_and_no_other(edges: dict[tuple[int, int], int]) -> None:
    source = np.array([node for node, _ in edges], np.int64)
    token = np.array([token for _, token in edges], np.int64)
    table = build_edge_table(source, token, np.array(list(edges.values()), np.int64), nodes=NODES)

    for node in range(NODES):
        for wanted in range(TOKENS):
            found = _find(table.first_edge, table.edges, node, wanted)
            assert found == edges.get((node, wanted), -1)


@given(st.lists(st.integers(0, NODES - 1), max_size=40))
def test_places_are_few_and_small_tables_are_full(sources: list[int]) -> None:
    token = np.arange(len(sources)) * 64  # all want the same place
    source = np.array(sources, np.int64)
    table = build_edge_table(source, token, token, nodes=NODES)

    for node in range(NODES):
        places = table.edges[table.first_edge[node] : table.first_edge[node + 1], 0]
        degree = sources.count(node)
        assert sorted(places[places != NO_TOKEN]) == sorted(token[source == node])
        assert len(places) <= 4 * degree
        assert degree > FULL or len(places) == degree
