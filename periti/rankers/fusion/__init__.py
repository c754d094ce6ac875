"""Runs of several experts to one run: by rank, by scaled score, or by what a held-out set has taught."""

from periti.rankers.fusion.ranks import ReciprocalRankFusion, RrfOptions
from periti.rankers.fusion.scores import ScoreSum

__all__ = ["ReciprocalRankFusion", "RrfOptions", "ScoreSum"]
