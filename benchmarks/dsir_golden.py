"""Golden weights of the `data-selection` package on the toy pile of its own repository, for the tests.

Figures only, no texts: weights of every fifth document for the target of Wikipedia, and for Wikipedia and PubMed
abstracts apart, and the ids that the package chooses.

Usage: python -m benchmarks.dsir_golden --data-selection FOLDER/bin/python
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SAMPLE = "selection-and-training-samples/dsir_toy_pile_data.jsonl.gz"
GOLDEN = Path(__file__).parent.parent / "tests" / "datasets" / "selection" / "dsir_golden.json"
PEER = Path(__file__).parent / "dsir_peer.py"
TARGETS = ("Wikipedia (en)", "PubMed Abstracts")
SIZE, EVERY = 50, 5


def toy_pile() -> list[dict[str, Any]]:
    """The 1,000 documents: contents, id, metadata with pile_set_name."""
    with gzip.open(Path(os.environ["PERITI_DATA"]) / SAMPLE, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def written(rows: list[dict[str, Any]], path: Path) -> str:
    """As the package reads them by default: a field `text`."""
    lines = [json.dumps({"text": row["contents"], "id": i}) for i, row in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-selection", metavar="PYTHON", required=True, help="of an environment that has it")
    python = parser.parse_args().data_selection
    rows = toy_pile()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = written(rows, folder / "raw.jsonl")
        own = [[row for row in rows if row["metadata"]["pile_set_name"] == domain] for domain in TARGETS]
        targets = [written(some, folder / f"target{i}.jsonl") for i, some in enumerate(own)]
        orders = [
            {"raw": raw, "targets": targets[:1], "size": SIZE, "to": str(folder / "one.npz")},
            {"raw": raw, "targets": targets, "size": SIZE, "to": str(folder / "two.npz"),
             "options": {"separate_targets": True}},
        ]  # fmt: skip
        done = subprocess.run(
            [python, "-W", "ignore", str(PEER)], input="\n".join(map(json.dumps, orders)), capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        with np.load(folder / "one.npz") as one, np.load(folder / "two.npz") as two:
            golden = {
                "versions": json.loads(done.stdout.splitlines()[0]),
                "every": EVERY,
                "one": np.round(one["weights"][::EVERY], 8).tolist(),
                "one_chosen": one["chosen"].tolist(),
                "two": np.round(two["weights"].reshape(len(rows), -1)[::EVERY], 8).tolist(),
            }
    GOLDEN.write_text(json.dumps(golden) + "\n", encoding="utf-8")
    print(f"wrote {GOLDEN.name}: {golden['versions']}")


if __name__ == "__main__":
    main()
