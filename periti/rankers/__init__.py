"""Runs to runs: fusion and reranking."""
