"""Choosing a set rather than a list: multiwinner voting with quotas for groups.

Boehmer, Celis, Huang, Mehrotra, Vishnoi: Subset selection based on multiple rankings in the presence of bias (ICML
2023).
"""

from periti.rankers.selection.committee import elect
from periti.rankers.selection.profile import RULES, Profile
from periti.rankers.selection.quotas import Quotas, proportional

__all__ = ["RULES", "Profile", "Quotas", "elect", "proportional"]
