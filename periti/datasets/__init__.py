"""Where text, queries and judgements come from: a catalog of collections, readers and writers of their formats."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Dataset": "periti.datasets.dataset",
    "Facts": "periti.datasets.catalog",
    "catalog": "periti.datasets.catalog",
    "load_dataset": "periti.datasets.dataset",
}

__all__ = ["CATALOG", *sorted(_HOMES), "names"]  # noqa: PLE0604  (computed, and checked by a test)


def names() -> list[str]:
    """Names of all collections of the catalog, in its order."""
    from periti.datasets.catalog import catalog

    return list(catalog())


def __getattr__(name: str) -> Any:
    if name == "CATALOG":
        from periti.datasets.catalog import catalog

        return catalog()
    if name not in _HOMES:
        raise AttributeError(f"module 'periti.datasets' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
