"""Passages: by hand, and what holds of all: every token held, none too long, text cut out as it is."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.encoders import load_sentence_transformer
from periti.errors import ConfigError, EncoderError
from periti.passages.splitting import PassageConfig, Splitter, windows
from periti.types import Document
from tests.tiny import save_bert


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    """One token a letter, words between blanks."""
    return load_sentence_transformer(str(save_bert(tmp_path_factory.mktemp("split")))).model.tokenizer


def splitter(tokenizer: object, **options: int) -> Splitter:
    return Splitter(tokenizer, PassageConfig(**options))


def test_windows_by_hand() -> None:
    singles = np.arange(10)

    assert windows(singles, 4, 4) == [(0, 4), (4, 8), (8, 10)]
    assert windows(singles, 4, 2) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert windows(singles, 10, 1) == [(0, 10)]
    assert windows(np.empty(0, np.int64), 4, 2) == []


def test_windows_end_between_words_and_leave_no_gap() -> None:
    words = np.array([0, 0, 0, 1, 1, 1, 2])

    assert windows(words, 4, 4) == [(0, 3), (3, 7)]
    assert windows(words, 5, 3) == [(0, 3), (3, 7)]
    assert windows(words, 2, 2) == [(0, 2), (2, 3), (3, 5), (5, 7)], "a word longer than the window is cut"


@given(
    st.lists(st.integers(1, 7), max_size=40),
    st.integers(1, 12).flatmap(lambda length: st.tuples(st.just(length), st.integers(1, length))),
)
def test_windows_hold_every_token_and_move_on(words: list[int], sizes: tuple[int, int]) -> None:
    length, stride = sizes
    numbers = np.repeat(np.arange(len(words)), words)
    found = windows(numbers, length, stride)

    assert {token for first, end in found for token in range(first, end)} == set(range(len(numbers)))
    assert all(0 < end - first <= length for first, end in found)
    assert all(one[0] < other[0] and one[1] < other[1] for one, other in pairwise(found))
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    if max(words, default=0) <= stride:
        assert {first for first, _ in found} <= set(starts.tolist())


@settings(max_examples=40)
@given(
    st.lists(st.text("abc ,.é\n", max_size=30), min_size=1, max_size=4),
    st.integers(3, 9),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_passages_are_pieces_of_the_text_and_hold_all_of_it(
    tokenizer: object, texts: list[str], length: int, overlap: int, most: int
) -> None:
    documents = [Document(f"d{i}", text, title="ab") for i, text in enumerate(texts)]
    split = splitter(tokenizer, length=length, stride=max(1, length - overlap), most=most)
    found = split.split(documents)

    assert set(found.owners) == set(range(len(texts)))
    assert (np.diff(found.owners) >= 0).all()
    assert (found.tokens <= length).all()
    for text, owner, (first, end) in zip(found.texts, found.owners, found.spans, strict=True):
        assert text == documents[owner].default_text()[first:end].strip()
    if not most:
        assert found.notes == {}
        for place, document in enumerate(documents):
            whole, spans = document.default_text(), found.spans[found.owners == place]
            held = {c for first, end in spans for c in range(first, end)}
            assert all(c in held or whole[c].isspace() for c in range(len(whole)))
    for text, tokens in zip(found.texts, found.tokens, strict=True):
        assert len(split.offsets([text])[0].words) == tokens


def test_what_the_cap_leaves_out_is_counted(tokenizer: object) -> None:
    documents = [Document("long", "ab " * 10), Document("short", "ab cd"), Document("none", "")]
    found = splitter(tokenizer, length=4, most=2).split(documents)

    assert found.texts == ["ab ab", "ab ab", "ab cd", ""]
    assert found.owners.tolist() == [0, 0, 1, 2]
    assert found.tokens.tolist() == [4, 4, 4, 0]
    assert found.notes == {"docs_capped": 1, "capped_tokens": 12}


def test_a_title_stands_before_every_passage_within_its_budget(tokenizer: object) -> None:
    documents = [Document("a", "one two three", title="law of cats"), Document("b", "dogs")]
    found = splitter(tokenizer, length=5, title_tokens=6).split(documents)

    assert found.texts == ["law of one", "law of two", "law of three", "dogs"]
    assert found.notes == {"titles_cut": 1}
    assert [documents[0].text[a:b] for a, b in found.spans[:3].tolist()] == ["one", "two", "three"]


def test_the_first_passage_is_what_truncation_reads(tmp_path: Path) -> None:
    encoder = load_sentence_transformer(str(save_bert(tmp_path)), max_length=12)
    document = Document("d", "law of cats and dogs", title="ab")
    room = encoder.identity.max_length - 2
    found = Splitter(encoder.model.tokenizer, PassageConfig(length=room)).split([document])

    assert found.texts[0] == "ab law of"
    whole, part = encoder.tokenise([document.default_text(), found.texts[0]])
    assert part.ids[:-1] == whole.ids[:8], "all words that truncation leaves whole"


def test_the_given_tokenizer_keeps_its_state(tokenizer: object) -> None:
    before = repr(tokenizer)
    splitter(tokenizer, length=4).split([Document("d", "law " * 50_000)])

    assert repr(tokenizer) == before


def test_a_document_of_a_hundred_thousand_tokens_is_split_whole(tokenizer: object) -> None:
    found = splitter(tokenizer, length=200, stride=100).split([Document("d", "word " * 25_000)])

    assert len(found.texts) == 999
    assert found.spans[-1].tolist() == [len("word " * 25_000) - 5 * 50, len("word " * 25_000) - 1]


def test_what_can_not_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="stride of 9 tokens over passages of 4"):
        PassageConfig(length=4, stride=9)
    with pytest.raises(ConfigError, match="length is 0"):
        PassageConfig(length=0)
    with pytest.raises(ConfigError, match="300 tokens and 8 of the title, but the encoder has room for 254"):
        PassageConfig(length=300, title_tokens=8).require_room(254, "the encoder")
    with pytest.raises(EncoderError, match="str does not"):
        Splitter("no tokenizer", PassageConfig())
