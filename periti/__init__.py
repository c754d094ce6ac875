"""periti: retrieval and ranking by a panel of domain experts, and evaluation people can trust.

The public names below are imported when first used, so that `import periti` loads no heavy library.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Document": "periti.types",
    "Pipeline": "periti.pipeline",
    "Plan": "periti.types",
    "Qrels": "periti.types",
    "Queries": "periti.types",
    "Run": "periti.types",
    "Trace": "periti.types",
    "load_dataset": "periti.datasets",
    "open_pipeline": "periti.pipeline",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  (computed, and checked by a test)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'periti' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
