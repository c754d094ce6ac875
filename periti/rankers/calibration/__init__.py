"""Scores of different encoders on one scale: curves fitted on held-out queries, and the fusion that uses them."""

from periti.rankers.calibration.calibration import Calibration

__all__ = ["Calibration"]
