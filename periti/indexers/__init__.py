"""Corpus to an immutable, checksummed directory, and back: texts, Lucene postings, FAISS vectors."""
