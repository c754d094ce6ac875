"""Names of the measures that ir-measures does not have, and all definitions by family."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from periti.errors import InputError
from periti.evaluation import browsing, exact, sampled, screening, sets
from periti.evaluation.ranking import Values
from periti.registry import nearest

Average = Literal["mean", "sum", "geometric", "micro"]

DEFINITIONS: Mapping[str, Callable[..., Values]] = MappingProxyType(
    {
        **exact.DEFINITIONS,
        **sets.DEFINITIONS,
        **screening.DEFINITIONS,
        **sampled.DEFINITIONS,
        **browsing.DEFINITIONS,
        "judged_micro": exact.judged_share,
    }
)
"""Every family that is defined here. A family that is absent is computed by an engine of ir-measures."""

AVERAGES: Mapping[str, Average] = MappingProxyType(
    {
        **dict.fromkeys(("NumQ", "NumRet", "NumRel", "NumNonrelRet"), "sum"),
        **dict.fromkeys(("GMAP", "GMBpref"), "geometric"),
        "judged_micro": "micro",
    }
)
"""How queries become one number, where that is not their mean."""


@dataclass(frozen=True)
class Spelling:
    """How a family's name is written.

    Args:
        at: the parameter written after @, if there is one, with the type of its value.
        needed: whether it has to be given.
        options: other parameters and their defaults, written in brackets.
    """

    at: tuple[str, type] | None = None
    needed: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


_REL = MappingProxyType({"rel": 1})
_CUT, _PERCENT = ("cutoff", int), ("percent", int)
SPELLINGS: Mapping[str, Spelling] = MappingProxyType(
    {
        "judged": Spelling(_CUT),
        "judged_micro": Spelling(_CUT),
        "RBP_residual": Spelling(_CUT, options={"p": 0.8}),
        "xinfAP": Spelling(options=_REL),
        "GMAP": Spelling(_CUT, options=_REL),
        "GMBpref": Spelling(options=_REL),
        "RelP": Spelling(_CUT, needed=True, options=_REL),
        "RprecMult": Spelling(("multiple", float), needed=True, options=_REL),
        "IPrec11": Spelling(options=_REL),
        "Utility": Spelling(options={"found": 1.0, "wrong": -1.0, "missed": 0.0, "rel": 1}),
        "NumNonrelRet": Spelling(options=_REL),
        "WSS": Spelling(("recall", float), needed=True, options={"rounding": "half_even", "rel": 1}),
        "R_percent": Spelling(("percent", float), needed=True, options=_REL),
        "NCG": Spelling(_PERCENT, needed=True, options=_REL),
        **dict.fromkeys(("last_rel", "norm_area", "loss_r", "loss_e", "loss_er"), Spelling(options=_REL)),
    }
)
"""Families that ir-measures does not have."""


def read_own(name: str, min_rel: int | None) -> tuple[str, str, dict[str, Any]] | None:
    """Canonical spelling, family and parameters of a measure of ours; None if the family is not ours.

    Raises:
        InputError: the family is ours, and a parameter is unknown, missing or out of range.
    """
    match = re.fullmatch(r"(\w+)(?:\((.*)\))?(?:@(.+))?", name)
    if match is None or match[1] not in SPELLINGS:
        return None
    family, spelling = match[1], SPELLINGS[match[1]]
    given = _options(name, match[2], spelling)
    if min_rel is not None and "rel" in spelling.options:
        given.setdefault("rel", min_rel)
    parameters = {**spelling.options, **given}
    shown = ",".join(f"{key}={value!r}" for key, value in parameters.items() if value != spelling.options[key])
    text = f"{family}({shown})" if shown else family
    if match[3] is not None:
        key, value = _at(name, match[3], spelling)
        parameters[key] = value
        text = f"{text}@{value:g}"
    elif spelling.needed and spelling.at:
        raise InputError(f"measure {name!r} can not be read: it needs {spelling.at[0]}; write it like {family}@...")
    _check(name, parameters)
    return text, family, parameters


def _options(name: str, written: str | None, spelling: Spelling) -> dict[str, Any]:
    """Parameters in the brackets."""
    found: dict[str, Any] = {}
    for part in (written or "").split(",") if written else ():
        key, equals, value = part.strip().partition("=")
        if not equals or key not in spelling.options:
            raise InputError(f"measure {name!r}: no parameter {key!r}; {nearest(key, spelling.options)}")
        try:
            found[key] = type(spelling.options[key])(ast.literal_eval(value))
        except (ValueError, SyntaxError, TypeError):
            raise InputError(
                f"measure {name!r}: {key}={value} is not like {key}={spelling.options[key]!r}; mend the value"
            ) from None
    return found


def _at(name: str, written: str, spelling: Spelling) -> tuple[str, float]:
    """The parameter after @."""
    if spelling.at is None:
        raise InputError(f"measure {name!r}: it takes nothing after @; leave {'@' + written!r} out")
    key, kind = spelling.at
    try:
        return key, kind(written)
    except ValueError:
        raise InputError(
            f"measure {name!r} can not be read: {key} is {written!r}, not {'a whole' if kind is int else 'a'} number"
        ) from None


def _check(name: str, parameters: Mapping[str, Any]) -> None:
    """Refuse values for which the measure means nothing."""
    if parameters.get("cutoff", 1) < 1:
        raise InputError(f"measure {name!r}: the cutoff is {parameters['cutoff']}; it counts documents from 1")
    for key, lowest, highest in (("p", 0, 1), ("recall", 0, 1), ("percent", 0, 100), ("multiple", 0, 1000)):
        value = parameters.get(key)
        # A persistence of 1 never stops; all of the recall, or of the documents, is a fair question.
        if value is not None and not (lowest < value < highest or (value == highest and key != "p")):
            raise InputError(f"measure {name!r}: {key} is {value:g}; it lies between {lowest} and {highest}")
    if parameters.get("rounding", "ceil") not in screening.ROUNDINGS:
        raise InputError(
            f"measure {name!r}: no rounding {parameters['rounding']!r}; "
            f"{nearest(str(parameters['rounding']), screening.ROUNDINGS)}"
        )
