"""Filters and stages that every method of `periti select` may run before it chooses."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from periti.datasets.selection.stages import Filter, Stage


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of filters and stages."""


def filters(arguments: argparse.Namespace) -> Sequence[Filter]:  # noqa: ARG001
    """Filters of single texts, in order."""
    return ()


def stages(arguments: argparse.Namespace) -> Sequence[Stage]:  # noqa: ARG001
    """Stages over the whole pool, in order."""
    return ()
