"""Readers for the golden tests, kept apart from periti.datasets so that evaluation is tested on its own."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl

from periti.types import Qrels, Run


def lines_of(path: Path) -> list[list[str]]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [line.split() for line in text.decode().splitlines() if line.strip()]


def run_of(path: Path) -> Run:
    rows = [(query, doc, float(score)) for query, _, doc, _, score, *_ in lines_of(path)]
    schema = {"query_id": pl.String, "doc_id": pl.String, "score": pl.Float64}
    return Run.of(pl.DataFrame(rows, schema=schema, orient="row"), path.name)


def qrels_of(path: Path) -> Qrels:
    rows = [(query, doc, int(grade)) for query, _, doc, grade in lines_of(path)]
    schema = {"query_id": pl.String, "doc_id": pl.String, "relevance": pl.Int32}
    return Qrels.of(pl.DataFrame(rows, schema=schema, orient="row"), path.name)


def run_from(rows: list[tuple[str, str, float]], name: str = "run") -> Run:
    schema = {"query_id": pl.String, "doc_id": pl.String, "score": pl.Float64}
    return Run.of(pl.DataFrame(rows, schema=schema, orient="row"), name)


def qrels_from(rows: list[tuple[str, str, int]], name: str = "qrels") -> Qrels:
    schema = {"query_id": pl.String, "doc_id": pl.String, "relevance": pl.Int32}
    return Qrels.of(pl.DataFrame(rows, schema=schema, orient="row"), name)
