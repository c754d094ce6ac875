"""A panel as a whole: which collections, which experts, trained, routed and judged, by one configuration file.

`config` reads it, `material` brings queries, judgements and document vectors of each collection in slices that never
touch, `courses` trains the experts, `vectors` remembers query vectors, `tables` makes the utility table, `systems` asks
every expert, router and oracle, `study` compares them.
"""
