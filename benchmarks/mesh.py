"""MeSH headings for the clauses of CLEF-TAR's Boolean queries: how many of their own headings each method finds.

    periti mesh index $PERITI_DATA/mesh/mtrees2019.bin.gz --out DIRECTORY     (minutes: 33,132 names get a vector)
    python -m benchmarks.mesh --index DIRECTORY [--data DIRECTORY]

Writes docs/results/mesh.md and benchmarks/results/mesh.json; texts of queries and headings go into neither.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from measuring import ROOT, record

from periti.cli.mesh import DEFAULT_METHODS
from periti.datasets.dataset import data_folder
from periti.mesh.cases import clef_tar
from periti.mesh.evaluate import assess
from periti.mesh.index import MeshIndex
from periti.mesh.report import as_json, text
from periti.mesh.suggest import Method, Suggester

HEAD = """# MeSH headings for Boolean clauses

Printed by `python -m benchmarks.mesh --index DIRECTORY`; [mesh.md](../mesh.md) tells the methods. A clause is what the
outermost ANDs of a published Boolean query join (CLEF eHealth TAR, test topics of 2017 and of task 2 of 2019); its
words are the input, its own headings the answer. Nothing was trained or tuned: there is no part for tuning.

The vocabulary is MeSH 2019 by its tree file: {headings:,} headings, **{entries:,} entry terms** (the file has none; of
inverted headings the natural order is added). So `atm`, which lives by entry terms, is shown below its worth. Vectors
are all-MiniLM-L6-v2's, of preferred names and natural orders; the paper's encoders were trained for the task.

"""
FOOT = """

The BioASQ sample beside the vocabulary can not be used for this: its 100 questions have no text, and it names headings
by identifiers that the tree file does not have. `periti mesh evaluate --bioasq FILE` takes files that have both. The
retrieval of the rebuilt queries, the other half of the paper, needs PubMed and is not measured. A query's own headings
are one librarian's choice: a heading that is suggested and not among them need not be wrong.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    index = MeshIndex.open(arguments.index)
    cases = clef_tar(data_folder(arguments.data) / "clef-tar", index.vocabulary)
    began = time.perf_counter()
    assessment = assess(Suggester(index), cases, [Method.of(method) for method in DEFAULT_METHODS])
    seconds = round(time.perf_counter() - began, 1)
    head = HEAD.format(headings=len(index.vocabulary), entries=index.vocabulary.entry_terms)
    page = ROOT / "docs" / "results" / "mesh.md"
    page.write_text(head + text(cases, assessment) + FOOT, encoding="utf-8")
    record("mesh", {"seconds": seconds, **as_json(cases, assessment)})


if __name__ == "__main__":
    main()
