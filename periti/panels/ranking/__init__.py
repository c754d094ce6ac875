"""Rankers that are trained from collections: a file names sources, first stages and settings."""
