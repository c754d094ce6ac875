"""Tokens of the beginning of a text, without reading it to its end: of a judgment of 100,000 a cross-encoder sees 500.

BERT's tokenizer splits at white space before anything else, so that a text cut there has the tokens that the whole one
begins with. What other tokenizers do at a cut is not known, and theirs read every text to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CHARACTERS = 8
"""Of a text that are read at first for each token that is wanted; English has five or six."""


def first_ids(tokenizer: Any, texts: Sequence[str], most: int) -> list[list[int]]:
    """Token ids of each text without special ones: all of them, or more than `most`, those that the text begins with.

    Args:
        tokenizer: of transformers.
        texts: any.
        most: how many are looked at; one more tells that the text goes on.
    """
    parts = [_beginning(text, CHARACTERS * most) for text in texts] if _splits_at_spaces(tokenizer) else list(texts)
    found = _ids(tokenizer, parts)
    again = [at for at, text in enumerate(texts) if len(parts[at]) < len(text) and len(found[at]) <= most]
    for place, ids in zip(again, _ids(tokenizer, [texts[place] for place in again]), strict=True):
        found[place] = ids
    return found


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    if not texts:
        return []
    found: list[list[int]] = tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    return found


def _splits_at_spaces(tokenizer: Any) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    steps = [type(getattr(backend, name, None)).__name__ for name in ("normalizer", "pre_tokenizer")]
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    return steps == ["BertNormalizer", "BertPreTokenizer"] and all(" " not in token.content for token in added)


def _beginning(text: str, most: int) -> str:
    """The text up to the last blank within its first characters; all of it if there is none, or not so many."""
    if len(text) <= most:
        return text
    end = text.rfind(" ", 0, most)
    return text[:end] if end > 0 else text
