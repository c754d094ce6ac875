"""Boolean queries and the MeSH headings that they lack.

`syntax` is the tree of a query; `pubmed` and `ovid` read the two notations; `clauses` takes a query apart and puts it
together with other headings. `vocabulary` reads MeSH, `index` makes it searchable, `suggest` finds headings for a
clause, `cases` holds clauses whose headings are known, and `evaluate` says how many are found.

Source: Wang et al., ADCS 2021 and arXiv 2209.08687.
"""
