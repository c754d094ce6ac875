"""What every diagnosis of a trained panel reads: one seed's utility table and adapters, and its router."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from periti.encoders import SentenceEncoder
from periti.encoders.adapters import Adapter
from periti.encoders.panel import panel_of
from periti.errors import ConfigError
from periti.indexers.encoding import EncoderSource, load_encoder
from periti.panels.config import BASE, PanelConfig
from periti.panels.courses import trained
from periti.panels.panel import Panel
from periti.panels.systems import Fit, scorers
from periti.panels.tables import table_folder
from periti.panels.vectors import QueryVectors
from periti.protocols import Vectors
from periti.retrievers.routing.similarity import unit
from periti.retrievers.routing.table import UtilityTable

FOLDS = 5


def table_of(config: PanelConfig) -> UtilityTable:
    """The utility table of the configuration's first seed; raises IndexMissing, IndexDamaged."""
    return UtilityTable.read(table_folder(config, config.seeds[0]))


def adapters_of(config: PanelConfig, seed: int) -> dict[str, Adapter | None]:
    """The routed experts of a seed, the base (None) first; raises EncoderError where one is not trained."""
    return {name: None if name == BASE else trained(config, name, seed) for name in config.routed}


def closed_panel(config: PanelConfig) -> Panel:
    """The panel without its collections, for what asks the router only.

    Raises:
        ConfigError: the base encoder takes no adapters.
    """
    base = load_encoder(EncoderSource())
    if not isinstance(base, SentenceEncoder):
        raise ConfigError("the panel's base must be a sentence encoder, which adapters can be hung into")
    return Panel(config, {}, QueryVectors(panel_of(base), config.home / "vectors"))


def router_of(panel: Panel) -> Fit:
    """The configured router, as it is fitted to a table."""
    return scorers(panel)[panel.config.router]


def seen_by_router(panel: Panel, texts: Sequence[str]) -> Vectors:
    """Base vectors of length one, float32 (n, d), of queries that are nobody's to keep: no file remembers them."""
    return unit(panel.base.encode_queries(texts).vectors).astype(np.float32)


def folds(count: int) -> list[NDArray[np.bool_]]:
    """Masks bool (count,) of the folds of a table's rows; as many as there are rows, if those are fewer."""
    number = np.arange(count) % min(FOLDS, count)
    return [number == fold for fold in range(min(FOLDS, count))]


def cross_fitted(fit: Fit, table: UtilityTable) -> NDArray[np.float64]:
    """Scores (n, E) of the table's queries, each by a router that was fitted to the other folds."""
    scores = np.empty(table.utilities.shape)
    for mine in folds(len(table)):
        texts = [text for text, own in zip(table.texts, mine, strict=True) if own]
        known = table if mine.all() else table.restricted(~mine)
        scores[mine] = fit(known).scores(table.vectors[mine], texts)
    return scores


def by_dataset(values: NDArray[np.float64], datasets: Sequence[str]) -> dict[str, float]:
    """The mean of values (n,) of each dataset, by its name."""
    names = np.array(datasets)
    return {name: float(values[names == name].mean()) for name in sorted(set(datasets))}
