"""Is the panel well, and who should be on it? Everything here reads logs and tables; nothing here searches.

`health` examines experts and routing (`vitals` are its measures), `drift` watches the stream of queries and proposes a
new expert, `portfolio` chooses experts from a few labelled queries, `merging` makes one adapter of several,
`assignment` gives domains to fewer experts, `archive` keeps the best expert per domain and cost, `workload` remembers
which experts a workload uses, and `working_set` keeps those in memory.
"""
