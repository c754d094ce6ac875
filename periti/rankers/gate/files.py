"""A trained gate as a folder: gate.safetensors, the calibration of its sources, and a card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from periti.encoders.adapters import read_arrays, write_arrays
from periti.errors import IndexDamaged, IndexMismatch, IndexMissing, InputError
from periti.files import sha256_file
from periti.indexers.storage import building
from periti.rankers.calibration import Calibration
from periti.rankers.gate.model import Gate
from periti.rankers.gate.slates import require_known

WEIGHTS, CALIBRATION, CARD = "gate.safetensors", "calibration.json", "card.json"
REMEDY = "train it with `periti train gate RUN RUN --queries Q --qrels Q --split dev --out FOLDER`"


@dataclass(frozen=True)
class TrainedGate:
    """A gate, the calibration that its scores went through, and what is known of its training."""

    gate: Gate
    calibration: Calibration
    card: Mapping[str, Any]

    @property
    def sources(self) -> list[str]:
        """The sources in the order of the gate's columns."""
        return sorted(self.calibration.curves)

    def require(self, experts: Mapping[str, Mapping[str, str]]) -> None:
        """Raise IndexMismatch unless it was trained for these: name -> fingerprint.

        A gate that was trained on run files knows its sources by name alone.
        """
        require_known(experts, self.sources)
        known = {name: facts for name, facts in experts.items() if self.calibration.fingerprints.get(name)}
        self.calibration.require(known, "the gate's calibration")


def write_gate(trained: TrainedGate, folder: Path, *, replace: bool = False) -> None:
    """Write the folder, whole or not at all; raises InputError if it is there already, and StorageError."""
    with building(folder, replace=replace) as scratch:
        write_arrays(scratch / WEIGHTS, trained.gate.arrays(), {"kind": "gate"})
        trained.calibration.write(scratch / CALIBRATION)
        digests = {name: sha256_file(scratch / name) for name in (WEIGHTS, CALIBRATION)}
        card = {"sources": trained.sources, **trained.card, "sha256": digests}
        (scratch / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_gate(folder: Path) -> TrainedGate:
    """The gate of a folder.

    Raises:
        IndexMissing: there is none.
        IndexDamaged: a file is truncated or was altered.
    """
    for name in (WEIGHTS, CALIBRATION, CARD):
        if not (folder / name).is_file():
            raise IndexMissing(f"no gate at {folder} ({name} is missing); {REMEDY}")
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        claimed = dict(card.pop("sha256"))
        sources = list(card.pop("sources"))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise IndexDamaged(f"{folder / CARD} is not the card of a gate; {REMEDY}") from error
    for name in (WEIGHTS, CALIBRATION):
        if sha256_file(folder / name) != claimed.get(name):
            raise IndexDamaged(f"{folder / name} is truncated or was altered; {REMEDY}")
    arrays, _ = read_arrays(folder / WEIGHTS)
    try:
        gate = Gate(**{name: np.asarray(array, np.float64) for name, array in arrays.items()})
    except (TypeError, InputError) as error:
        raise IndexDamaged(f"{folder / WEIGHTS} does not hold a gate; {REMEDY}") from error
    trained = TrainedGate(gate, Calibration.read(folder / CALIBRATION), card)
    if trained.sources != sources or len(sources) != len(gate.output_bias):
        raise IndexMismatch(f"{folder}: gate, calibration and card speak of other sources; {REMEDY}")
    return trained
