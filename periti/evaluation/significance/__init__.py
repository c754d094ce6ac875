"""Are two systems different? Tests, corrections, intervals, effects and power over topics × systems.

    tables, evidence = from_runs(runs, qrels, parse(["nDCG@10"]))
    study = compare(tables, Design(test="randomization", correction="holm", seed=1), evidence)
    print(text.text(study))

`scores`, `runs` and `tables` make tables of scores; `design` states the plan; `paired`, `signflip`, `blocks`,
`friedman` test; `corrections`, `intervals`, `effects`, `tiers` and `cautions` say what it means; `compare` assembles
`results`; `text` writes them.
"""

from periti.evaluation.significance.compare import compare
from periti.evaluation.significance.design import Design
from periti.evaluation.significance.results import Comparison, ComparisonTable, Study
from periti.evaluation.significance.runs import Evidence, Terms, from_runs
from periti.evaluation.significance.scores import Scores
from periti.evaluation.significance.tables import read_scores

__all__ = [
    "Comparison",
    "ComparisonTable",
    "Design",
    "Evidence",
    "Scores",
    "Study",
    "Terms",
    "compare",
    "from_runs",
    "read_scores",
]
