"""Routers that learn from a utility table which expert suits which query.

`table` holds what is learnt from, `base` what every scorer promises; each other module is one way of scoring, and
`oracles` are the bounds that a router is judged against.
"""
