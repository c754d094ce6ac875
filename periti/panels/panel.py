"""A panel that is open: its configuration, its collections, its base encoder, and the query vectors it remembers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from periti.encoders import SentenceEncoder
from periti.encoders.panel import panel_of
from periti.errors import ConfigError
from periti.indexers.encoding import EncoderSource, load_encoder
from periti.panels.config import PanelConfig
from periti.panels.material import Material, open_material
from periti.panels.vectors import QueryVectors
from periti.progress import Progress


@dataclass(frozen=True)
class Panel:
    """What every step works on.

    Attributes:
        config: the panel's configuration.
        materials: its collections that are open, by name.
        vectors: remembers query vectors; holds the base encoder.
    """

    config: PanelConfig
    materials: Mapping[str, Material]
    vectors: QueryVectors

    @property
    def base(self) -> SentenceEncoder:
        """The frozen encoder."""
        return self.vectors.panel.base


def open_panel(config: PanelConfig, progress: Progress, collections: Iterable[str] | None = None) -> Panel:
    """The panel with its collections, or only some of them; indexes are built where they are absent.

    Raises:
        ConfigError: a collection was encoded by another encoder than the first one.
    """
    names = list(config.collections if collections is None else collections)
    materials = {name: open_material(name, config.collections, config.indexes, progress) for name in names}
    base = load_encoder(EncoderSource())
    for material in materials.values():
        if material.index.identity != base.identity:
            raise ConfigError(
                f"collection {material.name!r} was encoded by {material.index.identity.name!r}, the panel's base is "
                f"{base.identity.name!r}; build its index with that encoder"
            )
    if not isinstance(base, SentenceEncoder):
        raise ConfigError("the panel's base must be a sentence encoder, which adapters can be hung into")
    return Panel(config, materials, QueryVectors(panel_of(base), config.home / "vectors"))
