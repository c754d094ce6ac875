"""Where documents and training queries come from: one module a kind, behind one seam, `source.Source`."""

from __future__ import annotations

from collections.abc import Callable

from periti.panels.collection import CollectionConfig
from periti.panels.sources.cooccurrence import open_cooccurrence
from periti.panels.sources.judgements import open_judgements
from periti.panels.sources.medquad import open_medquad
from periti.panels.sources.pairs import open_pairs
from periti.panels.sources.source import Source
from periti.panels.sources.spans import open_spans

_OPENERS: dict[str, Callable[[str, CollectionConfig], Source]] = {
    "judgements": open_judgements,
    "spans": open_spans,
    "medquad": open_medquad,
    "pairs": open_pairs,
    "cooccurrence": open_cooccurrence,
}


def open_source(name: str, config: CollectionConfig) -> Source:
    """The source of a collection of that name.

    Raises:
        UnknownName, DatasetError: as datasets raise them; FormatError: a line of its file can not be used.
    """
    return _OPENERS[config.queries](name, config)


__all__ = ["open_source"]
