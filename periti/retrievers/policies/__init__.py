"""Fitness to a plan: whom to ask about what. A policy sees one query's scores at a time and nothing else."""

from periti.retrievers.policies.everyone import AllExperts

__all__ = ["AllExperts"]
