"""Run and Qrels to numbers people can trust: any run, from any system on earth.

    measures = parse(["nDCG@10", "AP(rel=2)@1000"])
    evaluation = evaluate(run, qrels, measures)
    print(report.text([evaluation]))

`exact`, `sets`, `screening` and `sampled` define measures, `measures` and `own` know their names, `sheets` says what
each is, `ties` what tied scores may change, `policy` states the rules, `summary` counts and averages, `report` and
`export` write. `published` and `against` compare with numbers of others, `correlation` and `stability` compare orders
of systems.
"""

from periti.evaluation.measures import DEFAULTS, Measure, parse, per_query
from periti.evaluation.policy import Policy
from periti.evaluation.summary import Counts, Evaluation, evaluate

__all__ = ["DEFAULTS", "Counts", "Evaluation", "Measure", "Policy", "evaluate", "parse", "per_query"]
