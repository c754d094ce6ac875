"""Which queries belong together because they share documents: so no document is on both sides of a division."""

from __future__ import annotations

from collections.abc import Iterable


def components(edges: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Query -> the smallest document of its connected component, given (query, document) edges.

    Queries of one component reach each other over shared documents. The smallest document names a component whatever
    the order of edges.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    queries: dict[str, None] = {}
    for query, document in edges:
        queries[query] = None
        one, other = root(("query", query)), root(("document", document))
        # "document" is before "query", so a component's root is its smallest document.
        parent[max(one, other)] = min(one, other)
    return {query: root(("query", query))[1] for query in queries}
