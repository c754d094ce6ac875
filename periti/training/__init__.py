"""Pairs to experts: adapters trained against document vectors that never change, or models that move documents too.

`pairs` holds what is learnt from, `settings` how, `steps` is one optimiser step with its two students, `query_side` and
`both_sides` (the only modules here that know torch), `course` the loop with early stop and checkpoints, `trainer` makes
experts and their cards.
"""
