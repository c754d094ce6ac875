"""Tokens of the beginning of a text are those that the whole text begins with."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from periti.encoders import minilm_path
from periti.encoders.beginnings import CHARACTERS, first_ids

MOST = 6
LONG = "breach of a contract by the seller of it and of all who sold it to him before that"


@cache
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(minilm_path()))


class Counting:
    """A tokenizer that remembers how many characters it was given."""

    def __init__(self, kind: str = "BertPreTokenizer") -> None:
        self.seen = 0
        pre = tokenizer().backend_tokenizer.pre_tokenizer if kind == "BertPreTokenizer" else object()
        normal = tokenizer().backend_tokenizer.normalizer
        self.backend_tokenizer = type("Backend", (), {"pre_tokenizer": pre, "normalizer": normal})()
        self.added_tokens_decoder = tokenizer().added_tokens_decoder

    def __call__(self, texts: list[str], **options: Any) -> Any:
        self.seen += sum(map(len, texts))
        return tokenizer()(texts, **options)


@settings(deadline=None)
@given(st.lists(st.text(max_size=200) | st.lists(st.text("ab é中.\n\u0301", max_size=60)).map(" ".join), min_size=1))
@example(["a" * 500])
@example(["a" * 500 + " b"])
@example(["b " + "a" * 500])
@example([" " * 500 + "law"])
@example(["\u0301 \u0301" * 100])
def test_a_beginning_has_the_tokens_of_the_whole_and_tells_that_it_is_one(texts: list[str]) -> None:
    whole = tokenizer()(texts, add_special_tokens=False)["input_ids"]
    found = first_ids(tokenizer(), texts, MOST)

    assert [ids[:MOST] for ids in found] == [ids[:MOST] for ids in whole]
    assert [len(ids) > MOST for ids in found] == [len(ids) > MOST for ids in whole]


def test_of_a_long_text_little_is_read() -> None:
    reader = Counting()
    first_ids(reader, ["law", LONG * 1000], MOST)

    assert reader.seen <= 3 + CHARACTERS * MOST


def test_what_splits_otherwise_is_read_to_its_end() -> None:
    reader = Counting("ByteLevel")
    found = first_ids(reader, [LONG], MOST)

    assert reader.seen == len(LONG)
    assert len(found[0]) == len(LONG.split())


def test_a_token_with_a_blank_in_it_is_not_cut() -> None:
    reader = Counting()
    reader.added_tokens_decoder = {1: type("Added", (), {"content": "seller of"})()}
    first_ids(reader, [LONG], MOST)

    assert reader.seen == len(LONG)
