"""Pairs to experts: query-side adapters trained against document vectors that never change.

`pairs` holds what is learnt from, `settings` how, `steps` is one optimiser step (the only module here that knows
torch), `trainer` the loop with early stop, checkpoints and the card.
"""
