"""A rater on disk: arrays in an npz file, everything else in `card.json`; neither holds code.

rater.npz   weights (k, columns), mean and scale (9,), frequencies (buckets,) where there are surface features
card.json   criteria, features, what the rater was trained on, and the SHA-256 of rater.npz
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from periti.datasets.selection.quality.features import FeatureMap, FeatureOptions
from periti.datasets.selection.quality.rater import Rater
from periti.datasets.selection.quality.surface import Frequencies
from periti.datasets.writing import whole_folder
from periti.errors import FormatError, PeritiError

ARRAYS, CARD = "rater.npz", "card.json"
KIND = "rater"


def write_rater(rater: Rater, folder: Path) -> None:
    """Write a rater, whole or not at all; the same rater gives the same bytes.

    Raises:
        InputError: something is at that path already.
        StorageError: writing failed.
    """
    features = rater.features
    arrays: dict[str, NDArray[Any]] = {"weights": rater.weights, "mean": features.mean, "scale": features.scale}
    if features.frequencies is not None:
        arrays["frequencies"] = features.frequencies.counts
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]  # its stub takes a flag among the arrays
    card = {
        "kind": KIND,
        "criteria": rater.criteria,
        "features": asdict(features.options),
        "dimension": features.dimension,
        "frequency_texts": features.frequencies.texts if features.frequencies else 0,
        "sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
        "about": rater.card,
    }
    with whole_folder(folder) as made:
        (made / ARRAYS).write_bytes(packed.getvalue())
        (made / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def read_rater(folder: Path) -> Rater:
    """The rater of a folder, checked against its digest.

    Raises:
        FormatError: no rater is there, or its files do not belong together.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        packed = (folder / ARRAYS).read_bytes()
    except (OSError, ValueError) as error:
        raise FormatError(f"{folder}: no rater is there ({error}); train one by periti train rater") from error
    if not isinstance(card, dict) or card.get("kind") != KIND:
        raise FormatError(f"{folder}: {CARD} is not that of a rater; train one by periti train rater")
    if hashlib.sha256(packed).hexdigest() != card.get("sha256"):
        raise FormatError(f"{folder}: {ARRAYS} is not the file that {CARD} was written with; train the rater again")
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            return _rater(card, {name: arrays[name] for name in arrays.files})
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile, PeritiError) as error:
        raise FormatError(f"{folder}: its files are not those of a rater ({error}); train the rater again") from error


def _rater(card: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Rater:
    options = FeatureOptions(**{**card["features"], "kinds": tuple(card["features"]["kinds"])})
    counts = arrays.get("frequencies")
    frequencies = None if counts is None else Frequencies(counts, int(card["frequency_texts"]))
    features = FeatureMap(options, arrays["mean"], arrays["scale"], frequencies, int(card["dimension"]))
    criteria = tuple(map(str, card["criteria"]))
    weights = np.asarray(arrays["weights"], np.float64)
    if weights.shape != (len(criteria), features.columns) or not np.isfinite(weights).all():
        raise FormatError(
            f"the weights are {weights.shape}, expected {(len(criteria), features.columns)} finite numbers"
        )
    return Rater(features, criteria, weights, card["about"])
