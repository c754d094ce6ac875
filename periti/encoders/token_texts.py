"""Texts to token ids for late interaction: budgets, markers, [MASK] expansion, and which tokens are compared."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from periti.encoders.passes import Tokens
from periti.errors import EncoderError


@dataclass(frozen=True)
class TokenSettings:
    """How texts are prepared, and which of their tokens are compared.

    Attributes:
        max_length: tokens of a document, special ones and marker included.
        query_budget: tokens of a query, likewise.
        keep_special: whether special tokens ([CLS], [SEP]) and markers are compared.
        skip: tokens of documents that are not compared, such as punctuation.
        markers: text behind the first special token of a query and of a document, such as "[Q] " and "[D] ".
        expand: whether queries are filled up to the budget with [MASK], which is compared too.
        attend: whether the other tokens see these [MASK].
        prompts: text before a query and before a document.
    """

    max_length: int
    query_budget: int = 64
    keep_special: bool = False
    skip: tuple[str, ...] = ()
    markers: tuple[str, str] = ("", "")
    expand: bool = False
    attend: bool = False
    prompts: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class TokenText(Tokens):
    """Tokens of a text, of which the first `seen` are attended to; `kept` says which are compared."""

    seen: int
    kept: tuple[bool, ...]


class TokenTexts:
    """A tokenizer under settings.

    Raises:
        EncoderError: a budget leaves no room for a token of text, or queries are expanded and there is no [MASK].
    """

    def __init__(self, tokenizer: Any, settings: TokenSettings, name: str) -> None:
        self.settings, self._tokenizer, self._name = settings, tokenizer, name
        self._lock = threading.Lock()
        self._markers = tuple(self._marker(text) for text in settings.markers)
        ends = len(tokenizer("a")["input_ids"]) - len(tokenizer("a", add_special_tokens=False)["input_ids"])
        for what, limit, marker in (
            ("max_length", settings.max_length, self._markers[1]),
            ("query_budget", settings.query_budget, self._markers[0]),
        ):
            if limit - ends - len(marker) < 1:
                raise EncoderError(f"token encoder {name!r}: {what} {limit} leaves no room for text; raise it")
        if settings.expand and tokenizer.mask_token_id is None:
            raise EncoderError(f"token encoder {name!r}: its tokenizer has no [MASK] to fill queries up with")

    def __call__(self, texts: Sequence[str], *, query: bool) -> list[TokenText]:
        """The texts as queries or as documents, in the order given; raises EncoderError as the class."""
        if not texts:
            return []
        own, side = self.settings, 0 if query else 1
        limit, marker = own.query_budget if query else own.max_length, self._markers[side]
        given, room = [own.prompts[side] + text for text in texts], limit - len(marker)
        with self._lock:  # truncation is a state of the tokenizer
            whole = self._tokenizer(given, truncation=False, verbose=False)["input_ids"]
            over = [place for place, ids in enumerate(whole) if len(ids) > room]
            cut = [given[place] for place in over]
            short = self._tokenizer(cut, truncation=True, max_length=room)["input_ids"] if over else []
        read = dict(zip(over, short, strict=True))
        made = [self._marked(place, read.get(place, ids), marker) for place, ids in enumerate(whole)]
        made = [replace(text, cut=len(whole[text.place]) + len(marker) - len(text.ids)) for text in made]
        if not query:
            return [self._skipped(text) for text in made]
        return [self._expanded(text) for text in made] if own.expand else made

    def _marked(self, place: int, ids: list[int], marker: tuple[int, ...]) -> TokenText:
        """The ids with the marker behind the first of them."""
        special = set() if self.settings.keep_special else self._special
        kept = [token not in special for token in ids]
        marks = [self.settings.keep_special] * len(marker)
        return TokenText(
            place=place,
            ids=[*ids[:1], *marker, *ids[1:]],
            cut=0,
            seen=len(ids) + len(marker),
            kept=(*kept[:1], *marks, *kept[1:]),
        )

    def _expanded(self, text: TokenText) -> TokenText:
        more = self.settings.query_budget - len(text.ids)
        return replace(
            text,
            ids=[*text.ids, *[self._tokenizer.mask_token_id] * more],
            kept=(*text.kept, *[True] * more),
            seen=text.seen + (more if self.settings.attend else 0),
        )

    def _skipped(self, text: TokenText) -> TokenText:
        return replace(text, kept=tuple(k and i not in self._skip for k, i in zip(text.kept, text.ids, strict=True)))

    @cached_property
    def _skip(self) -> frozenset[int]:
        """Ids of the tokens that are skipped; words that the tokenizer does not know are no tokens of any text."""
        ids = {self._tokenizer.convert_tokens_to_ids(word) for word in self.settings.skip}
        return frozenset(ids - {self._tokenizer.unk_token_id, None})

    @cached_property
    def _special(self) -> frozenset[int]:
        """Ids that frame a text; [UNK] and [MASK] stand for words."""
        names = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id", "pad_token_id")
        found = (getattr(self._tokenizer, name, None) for name in names)
        return frozenset(token for token in found if token is not None)

    def _marker(self, text: str) -> tuple[int, ...]:
        if not text:
            return ()
        known = self._tokenizer.convert_tokens_to_ids(text)
        if known is not None and known != self._tokenizer.unk_token_id:
            return (int(known),)
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])
