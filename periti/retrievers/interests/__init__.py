"""Queries with several facets, each asked by a vector of its own (kNN-Embed: El-Kishky et al., 2022)."""
