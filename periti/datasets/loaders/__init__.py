"""One module for each collection (or family): how its files become documents, queries and judgements."""
