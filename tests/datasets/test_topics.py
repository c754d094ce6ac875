"""Topic files in their three layouts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.datasets.trec import read_topics, write_topics
from periti.errors import FormatError, InputError, PeritiError
from periti.types import Queries

CLASSIC = """
<top>
<num> Number: 301
<title> International Organized
 Crime &amp; Co

<desc> Description:
Identify organizations.
</top>
<TOP>
<num>302</num><title>
Polio: again
</title>
</TOP>
"""
XML = """<?xml version="1.0"?>
<topics task="x">
  <topic number="1"><query>virus  origin</query><question>where from?</question></topic>
  <topic number="2">
    <query>a &lt; b</query></topic>
</topics>
"""


def saved(folder: Path, content: str | bytes) -> Path:
    path = folder / "topics"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_classic_topics_give_number_and_title_without_their_labels(tmp_path: Path) -> None:
    queries = read_topics(saved(tmp_path, CLASSIC))
    assert queries.frame.rows() == [("301", "International Organized Crime & Co"), ("302", "Polio: again")]


def test_another_field_can_be_asked_for(tmp_path: Path) -> None:
    first = CLASSIC.split("<TOP>", maxsplit=1)[0]
    assert read_topics(saved(tmp_path, first), field="desc").texts == ["Identify organizations."]
    other = XML.replace("<query>a &lt; b</query>", "<question>why?</question>")
    assert read_topics(saved(tmp_path, other), field="question").texts == ["where from?", "why?"]


def test_xml_topics_give_number_and_query(tmp_path: Path) -> None:
    assert read_topics(saved(tmp_path, XML)).frame.rows() == [("1", "virus origin"), ("2", "a < b")]


def test_an_xml_topic_without_children_is_its_own_text(tmp_path: Path) -> None:
    content = '<topics><topic number="7"> a man\n of 50 </topic></topics>'
    assert read_topics(saved(tmp_path, content)).frame.rows() == [("7", "a man of 50")]


def test_lines_of_id_tab_text_keep_further_tabs_crlf_and_line_separators(tmp_path: Path) -> None:
    queries = read_topics(saved(tmp_path, "1\ta\tb\r\n2\tNA\r\n3\tx\u2028y"))
    assert queries.frame.rows() == [("1", "a\tb"), ("2", "NA"), ("3", "x\u2028y")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("1\ta\nno tab\n", r"topics:2: expected id<TAB>text"),
        ("1\ta\n\n1\tb\n", r"topics:3: query '1' was given before"),
        ("1\ta\n2\t \n", r"topics:2: query '2' has no text"),
        ("", "topics: the file holds no query"),
        ("\n<top>\n<num>1\n</top>", r"topics:2: topic '1' has no field title or query or question, it has num"),
        ("<top>\n<title>a\n</top>", r"topics:1: a <top> without <num>"),
        ("<top><num>1<title>a</top>\n<top><num>1<title>b</top>", r"topics:2: query '1' was given before"),
        ("<topics>\n<topic>\n</topics>", r"topics:3: not XML"),
        ("<topics/>", "neither <top> nor <topic>"),
        ("<topics><topic><query>x</query></topic></topics>", "topic 1 of 1 has no number"),
        (b"1\ta\n2\t\xe9\n", r"topics:2: byte 0xe9 is not UTF-8"),
    ],
)
def test_malformed_topics_are_refused(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        read_topics(saved(tmp_path, content))


def test_a_file_of_lines_has_no_fields(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has no field 'desc'"):
        read_topics(saved(tmp_path, "1\ta\n"), field="desc")


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cn"]), min_size=1, max_size=6)


@pytest.mark.parametrize("layout", ["xml", "classic", "tsv"])
@settings(deadline=None, max_examples=50)
@given(pairs=st.dictionaries(WORDS, st.lists(WORDS, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=5))
def test_any_topics_read_back(tmp_path_factory: pytest.TempPathFactory, layout: str, pairs: dict[str, str]) -> None:
    path = tmp_path_factory.mktemp("topics") / "any"
    try:
        write_topics(Queries.from_pairs(pairs.items()), path, layout=layout)
    except InputError:
        assert layout == "tsv"
        assert any(query_id[0] in "<\ufeff" for query_id in pairs)
    else:
        assert read_topics(path).frame.rows() == list(pairs.items())


def test_each_layout_is_written_as_it_is_known(tmp_path: Path) -> None:
    queries = Queries.from_pairs([("301", "Topic: a < b & c"), ("q'2", "x")])
    written = {}
    for layout in ("classic", "tsv", "xml"):
        write_topics(queries, tmp_path / layout, layout=layout)
        written[layout] = (tmp_path / layout).read_text()
        assert read_topics(tmp_path / layout).frame.rows() == queries.frame.rows()
    assert written["classic"].startswith("<top>\n<num> Number: 301\n<title> Topic: Topic: a &lt; b &amp; c\n</top>\n")
    assert written["tsv"] == "301\tTopic: a < b & c\nq'2\tx\n"
    assert written["xml"].startswith('<topics>\n<topic number="301"><query>Topic: a &lt; b &amp; c</query></topic>\n')


@pytest.mark.parametrize(
    ("layout", "query_id", "text", "sentence"),
    [
        ("tsv", "a\tb", "x", r"query 'a\\tb': its query_id 'a\\tb' holds what tsv topics can not"),
        ("tsv", "<1", "x", "its query_id '<1' holds what tsv"),
        ("tsv", "1", "two\nlines", "its text 'two.*lines' holds what tsv"),
        ("xml", "1 2", "x", "its query_id '1 2' holds what xml"),
        ("xml", "1", "bell \x07", "its text .* holds what xml"),
        ("classic", "1 2", "x", "its query_id '1 2' holds what classic"),
        ("tvs", "1", "x", "no layout 'tvs' of topics; did you mean 'tsv'"),
    ],
)
def test_what_a_layout_can_not_carry_is_refused_before_writing(
    tmp_path: Path, layout: str, query_id: str, text: str, sentence: str
) -> None:
    with pytest.raises(PeritiError, match=sentence):
        write_topics(Queries.from_pairs([(query_id, text)]), tmp_path / "t", layout=layout)
    assert list(tmp_path.iterdir()) == []
