"""Is a routed panel better than one model? What was measured (`results`), and how it is told.

The panel itself is trained and asked elsewhere; here are only numbers, so any router can be judged.
"""
