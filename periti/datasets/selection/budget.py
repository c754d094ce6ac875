"""How much is chosen: "500", "5%", "10000 tokens", "5% tokens"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from periti.errors import InputError

DOCUMENTS, TOKENS = "documents", "tokens"
_BUDGET = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?|\.[0-9]+)\s*(%?)\s*(documents?|docs?|tokens?|)", re.IGNORECASE)


@dataclass(frozen=True)
class Budget:
    """An amount of documents or tokens, or a percentage of those that may be chosen.

    Attributes:
        amount: positive; with `percent` at most 100, else whole.
        unit: "documents" or "tokens".
        percent: whether the amount is a percentage.
    """

    amount: float
    unit: str = DOCUMENTS
    percent: bool = False

    def __post_init__(self) -> None:
        if self.unit not in (DOCUMENTS, TOKENS):
            raise InputError(f"a budget is in {self.unit!r}; give documents or tokens")
        if not (math.isfinite(self.amount) and self.amount > 0):
            raise InputError(f"the budget is {self.amount:g}; give a positive number, such as 500 or 5%")
        if self.percent and self.amount > 100:
            raise InputError(f"the budget is {self.amount:g} % of the pool; give at most 100%")
        if not self.percent and self.amount != int(self.amount):
            raise InputError(f"the budget is {self.amount:g} {self.unit}; give a whole number, or a percentage")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """A budget as people write it.

        Raises:
            InputError: it is none.
        """
        match = _BUDGET.fullmatch(text.strip())
        if match is None:
            raise InputError(f"the budget is {text!r}; write for example 500, 5%, '10000 tokens' or '5% tokens'")
        number, percent, unit = match.groups()
        amount = float(number.replace(",", "").replace("_", ""))
        return cls(amount, TOKENS if unit.lower().startswith("token") else DOCUMENTS, bool(percent))

    def of(self, documents: int, tokens: int) -> int:
        """The whole amount, where so much may be chosen; a percentage is rounded down, but to 1 at least.

        Raises:
            InputError: it is more than there is, or nothing may be chosen at all.
        """
        there = tokens if self.unit == TOKENS else documents
        if not documents or not there:
            raise InputError("no document of the pool may be chosen; look at what was taken out of it, and why")
        if self.percent:
            # 0.07 of 100 is 7.000000000000001 in binary, 0.29 of 100 is 28.999999999999996.
            return max(1, math.floor(self.amount * there / 100 + 1e-9))
        if self.amount > there:
            raise InputError(
                f"the budget is {int(self.amount):,} {self.unit}, and only {there:,} of the pool may be chosen; "
                "lower it, or give a percentage"
            )
        return int(self.amount)

    def __str__(self) -> str:
        return f"{self.amount:,.10g}{'%' if self.percent else ''} {self.unit}"
