"""Words to documents: Lucene's BM25 by hand, ties by the one rule, and the analysers."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from periti.errors import ConfigError, IndexMismatch, InputError
from periti.indexers.docstore import Docstore
from periti.indexers.jvm import java, on_java_thread
from periti.indexers.lexical import Bm25, LexicalConfig, LexicalIndex, LexicalSearcher
from periti.types import Document
from tests.tiny import DOCUMENTS, QUERIES, TWINS, Tiny, lexical_index, ranked_ids

THREE = [
    Document("a", "kettle kettle lamp"),
    Document("b", "kettle table chair carpet window"),
    Document("c", "table lamp carpet candle"),
]


def found(searcher: LexicalSearcher, text: str, k: int = 10, *, threads: int = 1) -> list[tuple[str, float]]:
    scores, ordinals = searcher.search([text], k, threads=threads)
    ids = ranked_ids(searcher.index, ordinals)[0]
    return list(zip(ids, scores[0][: len(ids)].tolist(), strict=True))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    return lexical_index(THREE, tmp_path_factory.mktemp("three") / "c", LexicalConfig(threads=1))


@pytest.fixture(scope="module")
def words(tiny: Tiny) -> LexicalIndex:
    return LexicalIndex(tiny.folder / "lexical", tiny.docstore.ids, tiny.docstore.corpus_digest)


# BM25


def test_scores_are_those_computed_by_hand(three: LexicalIndex) -> None:
    # 3 documents of 3, 5 and 4 words: average 4. "kettle" is in a (twice) and b, "lamp" in a and c.
    # idf of both: ln(1 + (3 - 2 + 0.5) / (2 + 0.5)) = ln 1.6 = 0.4700036
    # a, kettle: 2 / (2 + 0.9 (1 - 0.4 + 0.4 * 3/4)) = 2 / 2.81 = 0.7117438
    # a, lamp:   1 / (1 + 0.81) = 0.5524862;  b, kettle: 1 / (1 + 0.9 (0.6 + 0.5)) = 1 / 1.99 = 0.5025126
    # c, lamp:   1 / (1 + 0.9 (0.6 + 0.4)) = 1 / 1.9 = 0.5263158
    idf = math.log(1.6)
    expected = [("a", idf * (2 / 2.81 + 1 / 1.81)), ("c", idf / 1.9), ("b", idf / 1.99)]

    hits = found(three.searcher(Bm25()), "kettle lamp")

    assert [doc_id for doc_id, _ in hits] == ["a", "c", "b"]
    assert [score for _, score in hits] == pytest.approx([score for _, score in expected], rel=1e-6)
    assert hits[0][1] == pytest.approx(0.5941920, abs=1e-6)


def test_k1_and_b_are_those_asked_for(three: LexicalIndex) -> None:
    idf = math.log(1.6)

    plain = dict(found(three.searcher(Bm25(k1=2.0, b=0.0)), "kettle"))
    full = dict(found(three.searcher(Bm25(k1=1.2, b=1.0)), "kettle"))

    assert plain == pytest.approx({"a": idf * 2 / 4, "b": idf / 3}, rel=1e-6)
    assert full == pytest.approx({"a": idf * 2 / (2 + 1.2 * 3 / 4), "b": idf / (1 + 1.2 * 5 / 4)}, rel=1e-6)


def test_two_scorings_of_one_index_do_not_disturb_each_other(three: LexicalIndex) -> None:
    first, second = three.searcher(Bm25()), three.searcher(Bm25(k1=2.0, b=0.0))
    before = found(first, "kettle")

    assert found(second, "kettle") != before
    assert found(first, "kettle") == before


def test_a_word_twice_in_the_query_counts_twice(three: LexicalIndex) -> None:
    once, twice = (dict(found(three.searcher(Bm25()), text)) for text in ("kettle", "kettle kettle"))

    assert twice == pytest.approx({doc_id: 2 * score for doc_id, score in once.items()}, rel=1e-6)


def test_a_query_without_a_known_word_finds_nothing(three: LexicalIndex) -> None:
    for text in ("zeppelin", "the of and", "!!! ???", "\x00", "🙂"):
        assert found(three.searcher(Bm25()), text) == []


def test_hits_beyond_those_that_exist_are_padding(three: LexicalIndex) -> None:
    scores, ordinals = three.searcher(Bm25()).search(["kettle", "zeppelin"], 4)

    assert ordinals[0].tolist() == [0, 1, -1, -1]
    assert ordinals[1].tolist() == [-1] * 4
    assert np.isneginf(scores[0, 2:]).all()
    assert scores.dtype == np.float32
    assert ordinals.dtype == np.int64
    assert scores.shape == (2, 4)


def test_no_queries_give_no_rows(three: LexicalIndex) -> None:
    scores, ordinals = three.searcher(Bm25()).search([], 3)

    assert scores.shape == ordinals.shape == (0, 3)


@pytest.mark.parametrize("k", [0, -1, 10_001])
def test_k_out_of_range_is_refused(three: LexicalIndex, k: int) -> None:
    with pytest.raises(InputError, match=f"k is {k}; it must be between 1 and 10,000"):
        three.searcher(Bm25()).search(["kettle"], k)


# analysers


def test_english_is_stemmed_by_porter_and_loses_stop_words(three: LexicalIndex) -> None:
    assert three.searcher(Bm25()).terms("The running of Kettles") == ["run", "kettl"]


def test_unstemmed_english_keeps_word_forms(tmp_path: Path) -> None:
    index = lexical_index(THREE, tmp_path / "c", LexicalConfig(analyser="en-unstemmed"))

    assert index.searcher(Bm25()).terms("The running of Kettles") == ["running", "kettles"]
    assert found(index.searcher(Bm25()), "kettles") == []
    assert [doc_id for doc_id, _ in found(index.searcher(Bm25()), "kettle")] == ["a", "b"]


def test_chinese_is_cut_into_pairs_of_characters(tmp_path: Path) -> None:
    documents = [Document("刑", "故意伤害他人身体"), Document("民", "合同纠纷"), Document("空", "天气很好")]
    index = lexical_index(documents, tmp_path / "c", LexicalConfig(analyser="zh"))
    searcher = index.searcher(Bm25())

    assert searcher.terms("伤害他人") == ["伤害", "害他", "他人"]
    assert [doc_id for doc_id, _ in found(searcher, "合同")] == ["民"]
    assert [doc_id for doc_id, _ in found(searcher, "伤害与天气")] == ["空", "刑"]


def test_an_analyser_that_does_not_exist_is_refused_with_the_list() -> None:
    with pytest.raises(ConfigError, match="no analyser 'english'; known: ar, bn, de, en, "):
        LexicalConfig(analyser="english")


@pytest.mark.parametrize("code", ["de", "fr", "ja", "ru"])
def test_other_languages_build_and_find(tmp_path: Path, code: str) -> None:
    text = {"de": "Häuser am See", "fr": "les maisons du lac", "ja": "東京都の湖", "ru": "большие дома"}[code]
    index = lexical_index([Document("x", text), Document("y", "123")], tmp_path / "c", LexicalConfig(analyser=code))

    assert [doc_id for doc_id, _ in found(index.searcher(Bm25()), text)] == ["x"]


# titles, expansion


def test_title_and_text_are_one_field_and_the_title_can_weigh_more(tmp_path: Path) -> None:
    documents = [
        Document("in-text", "a kettle and some lamp", "Room"),
        Document("in-title", "some lamp stands in a room here", "Kettle"),
        Document("none", "carpet", "Carpet"),
    ]
    index = lexical_index(documents, tmp_path / "c")
    plain, titled = (found(index.searcher(Bm25(title_weight=w)), "kettle") for w in (0.0, 3.0))

    assert [doc_id for doc_id, _ in plain] == ["in-text", "in-title"], "the shorter document is better"
    assert [doc_id for doc_id, _ in titled] == ["in-title", "in-text"]
    # The title field: 3 documents of one term each, df 1: 3 * ln(1 + 2.5 / 1.5) / (1 + 0.9)
    gain = 3 * math.log(1 + 2.5 / 1.5) / 1.9
    assert dict(titled)["in-title"] == pytest.approx(dict(plain)["in-title"] + gain, rel=1e-5)
    assert dict(titled)["in-text"] == pytest.approx(dict(plain)["in-text"], rel=1e-5)


def feedback(tmp_path: Path) -> LexicalIndex:
    documents = [
        *(Document(f"f{i}", "kettle steam boiler") for i in range(3)),
        Document("g", "steam boiler engine"),
        # Anserini leaves terms out that more than a tenth of the documents hold.
        *(Document(f"n{i}", f"carpet window number{i}") for i in range(60)),
    ]
    return lexical_index(documents, tmp_path / "c")


def test_rm3_finds_what_its_first_documents_speak_of(tmp_path: Path) -> None:
    index = feedback(tmp_path)
    plain, expanded = (
        found(index.searcher(Bm25(rm3=rm3, rm3_documents=3, rm3_terms=5)), "kettle") for rm3 in (False, True)
    )

    assert [doc_id for doc_id, _ in plain] == ["f2", "f1", "f0"]
    assert [doc_id for doc_id, _ in expanded] == ["f2", "f1", "f0", "g"], "g holds steam and boiler, not kettle"


def test_rm3_keeps_the_original_query_at_full_weight(tmp_path: Path) -> None:
    index = feedback(tmp_path)

    hits = found(index.searcher(Bm25(rm3=True, rm3_documents=3, rm3_weight=1.0)), "kettle")

    assert [doc_id for doc_id, score in hits if score > 0] == ["f2", "f1", "f0"]


def test_rm3_of_unknown_words_finds_nothing(tmp_path: Path) -> None:
    assert found(feedback(tmp_path).searcher(Bm25(rm3=True)), "zeppelin") == []


@pytest.mark.parametrize(
    "options",
    [
        {"rm3": True, "rm3_terms": 0},
        {"rm3": True, "rm3_documents": 0},
        {"rm3": True, "rm3_weight": 1.1},
        {"rm3": True, "title_weight": 1.0},
        {"k1": -0.1},
        {"b": 1.1},
        {"title_weight": -1.0},
    ],
)
def test_scoring_out_of_range_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Bm25(**options)  # type: ignore[arg-type]


# ties


@pytest.fixture(scope="module")
def sixty(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    """Sixty documents that tie, in an order that is not that of their ids, and one that is better."""
    order = [(i * 37) % 60 for i in range(60)]
    documents = [Document(f"t{i:02}", "lamp carpet") for i in order]
    return lexical_index([*documents, Document("best", "lamp")], tmp_path_factory.mktemp("sixty") / "c")


@pytest.mark.parametrize("k", [1, 2, 3, 7, 15, 59, 60, 61, 100])
def test_tied_documents_come_by_descending_id_even_at_the_cut(sixty: LexicalIndex, k: int) -> None:
    expected = ["best", *(f"t{i:02}" for i in range(59, -1, -1))]

    assert [doc_id for doc_id, _ in found(sixty.searcher(Bm25()), "lamp", k)] == expected[:k]


def test_the_top_k_is_the_beginning_of_the_top_k_plus_one(words: LexicalIndex) -> None:
    searcher = words.searcher(Bm25())
    for text in QUERIES.texts:
        whole = found(searcher, text, 30)
        for k in range(1, 30):
            assert found(searcher, text, k) == whole[:k]


def test_twins_come_by_descending_id(words: LexicalIndex) -> None:
    hits = found(words.searcher(Bm25()), "four twins")

    assert [doc_id for doc_id, _ in hits] == sorted(TWINS, reverse=True)
    assert len({score for _, score in hits}) == 1


# batches and threads


@pytest.mark.parametrize("scoring", [Bm25(), Bm25(rm3=True, rm3_documents=3), Bm25(title_weight=0.5)])
def test_answers_depend_on_neither_batch_nor_order_nor_threads(words: LexicalIndex, scoring: Bm25) -> None:
    searcher = words.searcher(scoring)
    texts = [*QUERIES.texts, *(doc.text for doc in DOCUMENTS if doc.text)]
    alone = [searcher.search([text], 5, threads=1) for text in texts]
    scores = np.concatenate([answer[0] for answer in alone])
    ordinals = np.concatenate([answer[1] for answer in alone])
    order = np.random.default_rng(4).permutation(len(texts))

    for threads in (1, 2, 8):
        for places in (np.arange(len(texts)), order):
            mixed = searcher.search([texts[i] for i in places], 5, threads=threads)
            np.testing.assert_array_equal(mixed[0], scores[places])
            np.testing.assert_array_equal(mixed[1], ordinals[places])


def test_a_query_of_five_thousand_different_words_is_answered(three: LexicalIndex) -> None:
    text = " ".join(f"word{i}" for i in range(5000)) + " kettle"

    assert [doc_id for doc_id, _ in found(three.searcher(Bm25()), text)] == ["a", "b"]
    assert found(three.searcher(Bm25(rm3=True)), text)


# the index


def test_documents_without_words_are_left_out_and_counted(words: LexicalIndex) -> None:
    assert len(words) == len(DOCUMENTS) - 1
    assert words.manifest.facts["empty_documents"] == 1


def test_the_index_is_an_ordinary_anserini_one(three: LexicalIndex) -> None:
    """Pyserini's LuceneSearcher is this class."""
    searcher = java("io.anserini.search.SimpleSearcher")(str(three.folder / "lucene"))
    searcher.set_bm25(0.9, 0.4)

    assert [hit.docid for hit in searcher.search("kettle lamp", 10)] == ["a", "c", "b"]


def test_the_index_of_another_corpus_is_a_mismatch(tiny: Tiny) -> None:
    with pytest.raises(IndexMismatch, match="indexes another corpus than the docstore beside it"):
        LexicalIndex(tiny.folder / "lexical", tiny.docstore.ids, "0" * 64)


def test_threads_do_not_change_what_is_indexed(tmp_path: Path) -> None:
    documents = [Document(f"d{i}", f"lamp{i % 7} carpet{i % 3} window") for i in range(300)]
    one, four = (lexical_index(documents, tmp_path / str(n), LexicalConfig(threads=n)) for n in (1, 4))

    for text in ("lamp3 carpet1", "window"):
        assert found(one.searcher(Bm25()), text, 300) == found(four.searcher(Bm25()), text, 300)
    assert one.manifest.config_digest == four.manifest.config_digest


def test_opening_does_not_write_to_the_folder(tmp_path: Path) -> None:
    index = lexical_index(THREE, tmp_path / "c")
    found(index.searcher(Bm25()), "kettle")
    index.close()

    docstore = Docstore.open(tmp_path / "c" / "docstore")
    LexicalIndex(tmp_path / "c" / "lexical", docstore.ids, docstore.corpus_digest).close()
    assert not (tmp_path / "c" / "lexical" / "lucene" / "write.lock").exists()


# Threads


def test_two_indexes_searched_by_eight_threads_answer_as_they_do_alone(tmp_path: Path, words: LexicalIndex) -> None:
    other = lexical_index(DOCUMENTS[::2], tmp_path / "half")
    searchers = [words.searcher(Bm25()), other.searcher(Bm25(title_weight=0.5))]
    texts = QUERIES.texts

    def answer(turn: int) -> bytes:
        scores, ordinals = searchers[turn % 2].search([texts[turn // 2 % len(texts)]], 5, threads=1 + turn % 3)
        return scores.tobytes() + ordinals.tobytes()

    turns = range(2 * len(texts))
    alone = [answer(turn) for turn in turns]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            assert list(pool.map(answer, turns)) == alone


def test_threads_that_searched_and_ended_leave_nothing_attached_to_the_jvm(words: LexicalIndex) -> None:
    def attached() -> int:
        return on_java_thread(lambda: int(java("java.lang.Thread").activeCount()))

    searcher = words.searcher(Bm25())
    before = attached()
    for _ in range(20):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda text: searcher.search([text], 3), QUERIES.texts))

    assert attached() <= before + 4, "Java's own pool may grow by a few threads, not by one for every caller"
