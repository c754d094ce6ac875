"""Rankers that ask a large language model through an OpenAI-compatible endpoint."""
