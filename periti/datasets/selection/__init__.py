"""Data selection: which documents or pairs of a pool an expert shall learn from."""
