"""Late interaction: query and documents encoded apart, compared token by token (MaxSim).

`maxsim` is the score, `scorer` and `ranker` rerank by it, `index` keeps the token vectors of a collection on disk and
`residuals` in few bits.
"""
