"""Judging methods by name: which document an assessor should see next.

chooser = METHODS["mtf"](topic, dice(seed=1, query_id=topic.query_id))
doc = chooser.choose()
chooser.tell(doc, relevant=True)
"""

from periti.evaluation.adjudication.methods.base import NOTHING, Chooser, Dice, Fixed
from periti.evaluation.adjudication.methods.table import METHODS, dice, open_method

__all__ = ["METHODS", "NOTHING", "Chooser", "Dice", "Fixed", "dice", "open_method"]
