"""Cheap judging: what it costs in the comparison of runs (simulation), and the real thing (judging log and session).

    pool = build_pool(runs, qrels, depth=100)
    simulation = simulate(pool, parse(["AP@1000"])[0], Design(budgets=(Budget(0.1),)))
    print(report.text(summarise(simulation)))

`pool` and `orders` say which documents, `methods` in which order, `scoring`, `verdicts` and `agreement` what follows;
`summary` averages, `left_out` measures what a run loses that was not pooled. `log` keeps real judgements, `session`
hands out documents, `outlook` says which pairs are separable and how much is left to do.
"""
