"""Where the numbers come from: the footer of a report."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from periti.evaluation.significance.results import ComparisonTable, Study
from periti.evaluation.significance.text import notes

LIBRARIES = ("periti", "numpy", "scipy", "polars", "ir-measures", "matplotlib")


def versions() -> dict[str, str]:
    """Name to version of Python and of the libraries that took part, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Provenance:
    """What the study itself does not know.

    Args:
        command: the command line, as it can be pasted.
        digests: name of an input (a run, the judgements) to the sha256 of its bytes.
        versions: name to version.
    """

    command: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=versions)

    @property
    def sentences(self) -> dict[str, str]:
        """Name to sentence, in the order in which they are printed."""
        said = {f"input {name}": f"sha256 {digest}" for name, digest in self.digests.items()}
        said["versions"] = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        if self.command:
            said["command"] = self.command
        return said


def facts(study: Study, provenance: Provenance) -> dict[str, str]:
    """Name to sentence of everything that makes the numbers comparable with others: the lines of the footer."""
    said = {"topics": "; ".join(f"{title(table)}: n = {table.topics}" for table in study.tables)}
    said |= notes(study)
    said["seed"] = str(study.design.seed)
    for table in study.tables:
        name = f"scores of {title(table)}" if len(study.tables) > 1 else "scores"
        said[name] = f"sha256 {table.scores.digest}"
    return said | provenance.sentences


def title(table: ComparisonTable) -> str:
    """The name of a table: its measure and collection."""
    return f"{table.measure} on {table.collection}"
