"""Queries to runs: retrievers over indexes, routers, policies."""
