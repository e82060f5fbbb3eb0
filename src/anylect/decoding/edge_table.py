"""Where a token leads from a node: each node's edges are a small hash table of their own.

The tables lie one behind the other. Those of a node with more than two edges have half as many
places again, rounded up to a power of two, and a token stands at the place of its lowest bits or
the next free one behind it. So a look costs one or two neighbouring numbers, where a search in
sorted edges of word pieces would cost a dozen scattered ones.

```
node 7 has edges for the tokens 5, 9 and 12      first_edge[7]
                                                 ▼
places, 5 rounded up to 8                        ·  9  ·  ·  12  5  ·  ·       ·: `NO_TOKEN`
```
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from anylect.compiled import Integer, compiled, inlined

NO_TOKEN = -1
"""At a free place."""
FULL = 2
"""Tables of no more edges than these have no free place."""
Ints = NDArray[np.int32]


class EdgeTable(NamedTuple):
    """The edges of N nodes in E places."""

    first_edge: Ints
    """(N + 1,): the places of node n are `first_edge[n]` to `first_edge[n + 1]`."""
    edges: Ints
    """(E, 2): token, and the node it leads to."""


def build_edge_table(
    source: NDArray[np.int64], token: NDArray[np.int64], target: NDArray[np.int64], *, nodes: int
) -> EdgeTable:
    """Arrange edges, of which no two have the same source and token.

    Args:
        source: Node that an edge leaves, in [0, nodes).
        token: That it takes.
        target: Node that it leads to.
        nodes: How many there are.

    Example:
        >>> table = build_edge_table(np.array([0, 0]), np.array([4, 7]), np.array([1, 2]), nodes=3)
        >>> table.first_edge.tolist(), table.edges.tolist()
        ([0, 2, 2, 2], [[4, 1], [7, 2]])
    """
    degree = np.bincount(source, minlength=nodes)
    wanted = np.where(degree > FULL, degree + (degree + 1) // 2, degree)
    places = np.where(degree > 0, 1 << np.ceil(np.log2(np.maximum(wanted, 1))).astype(np.int64), 0)
    first_edge = np.concatenate([[0], np.cumsum(places)]).astype(np.int32)
    edges = np.full((first_edge[-1], 2), NO_TOKEN, np.int32)
    _place(first_edge, edges, np.stack([source, token, target]))
    return EdgeTable(first_edge, edges)


@compiled
def _place(first_edge: Ints, edges: Ints, given: NDArray[np.int64]) -> None:
    for number in range(given.shape[1]):
        source, token, target = given[:, number]
        first, end = first_edge[source], first_edge[source + 1]
        place = first + (token & (end - first - 1))
        while edges[place, 0] != NO_TOKEN:
            place = place + 1 if place + 1 < end else first
        edges[place, 0], edges[place, 1] = token, target


@inlined
def find_edge(first_edge: Ints, edges: Ints, node: Integer, token: Integer) -> Integer:
    """Return the node that a token leads to from another; -1 where it leads nowhere."""
    first, end = np.int64(first_edge[node]), np.int64(first_edge[node + 1])
    place = first + (token & (end - first - 1))
    for _ in range(first, end):
        if edges[place, 0] == token:
            return np.int64(edges[place, 1])
        if edges[place, 0] == NO_TOKEN:
            break
        place = place + 1 if place + 1 < end else first
    return np.int64(-1)
