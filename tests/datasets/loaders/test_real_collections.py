"""Every collection as a ledger: its first, tenth and last records, and what its quirks come to."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest

from periti.datasets import load_dataset
from periti.datasets.loaders.cohen import TOPICS
from periti.datasets.loaders.medquad import question_answers
from periti.datasets.loaders.scifact import sentences
from periti.types import Document


class Row(NamedTuple):
    """First, tenth and last id with a piece of text: the first's beginning, the tenth's beginning, the last's end."""

    name: str
    size: int
    first: tuple[str, str]
    tenth: tuple[str, str]
    last: tuple[str, str]


DOCUMENTS = [
    Row(
        "med-medline",
        1033,
        ("1", "correlation between maternal"),
        ("10", "changes in blood glucose"),
        ("1033", "edicosocial studies."),
    ),
    Row(
        "nfcorpus-traindev",
        3193,
        ("MED-118", "alkylphenols human milk rela"),
        ("MED-691", "ginger prevention nausea"),
        ("MED-5371", "ble publication bias"),
    ),
    Row(
        "medquad-liveqa",
        1935,
        ("ADAM_0003147_Sec1.txt", "What is (are) Polycystic ova"),
        ("GHR_0000804_Sec5.txt", "These resources address "),
        ("MPlusDrugs_0000553_Sec7.txt", "of your medication.)"),
    ),
    Row(
        "cohen-screening",
        7094,
        ("ADHD/1", "The effectiveness of clonidi"),
        ("ADHD/10", "The United Kingdom Parki"),
        ("UrinaryIncontinence/327", ""),
    ),
    Row(
        "aila-2019-cases",
        2914,
        ("C1", "Masud Khan v State Of Uttar "),
        ("C1006", "Supreme Court of India\n\n"),
        ("C999", "w.\nOrder accordingly"),
    ),
    Row(
        "aila-2019-statutes",
        197,
        ("S1", "Power of High Courts to issu"),
        ("S107", "Whoever is a member of a"),
        ("S99", "ect from . 4-7-1988."),
    ),
    Row(
        "lecard-facts",
        2611,
        ("10014", "交通肇事罪 与该罪名相关的犯罪情节的"),
        ("10116", "与该罪名相关的犯罪情节的起因、经过"),
        ("9948", "刑事判决书等。陶涛在法庭上对自己的罪行表示认可。"),
    ),
    Row(
        "stard-relevant-statutes",
        1445,
        ("stard00001", "中华人民共和国民法典第五十四条 自然人"),
        ("stard00010", "本条例所称商业特许经营(以下简称"),
        ("stard01445", "可以由其监护人指定受益人。"),
    ),
    Row("obliqa-dev", 13732, ("1/1.", "INTRODUCTION"), ("1/1.2.1.Guidance", ""), ("9/APP_1.A1.2.2", "\n/Table End")),
    Row(
        "cranfield",
        1400,
        ("1", "experimental investigation o"),
        ("10", "a theoretical analysis h"),
        ("1400", "of graphical forms ."),
    ),
    Row(
        "vaswani-npl",
        11429,
        ("1", "compact memories have flexib"),
        ("10", "highspeed microwave swit"),
        ("11429", "hanumeric characters"),
    ),
    Row(
        "cacm",
        3204,
        ("CACM-0001", "Preliminary Report-Internati"),
        ("CACM-0010", "CACM September, 1958 CA5"),
        ("CACM-3204", "ch 17, 1982 10:10 AM"),
    ),
    Row(
        "scifact",
        5183,
        ("4983", "Microstructural development "),
        ("70490", "Likelihood ratios are on"),
        ("198309074", "ules and chemokines."),
    ),
    Row(
        "msmarco-dl19-dl20-pool",
        24884,
        ("887", "Best Western Plus Marion Hot"),
        ("2516", "British declaration of w"),
        ("8841030", "alytics report data."),
    ),
    Row(
        "noveleval",
        420,
        ("0-0", "Spider-Man: Across the Spide"),
        ("0-9", "All the Spider-Man varia"),
        ("20-19", "nal songs included)."),
    ),
    Row("demo", 330, ("law-001", "Offer distinguished from inv"), ("law-010", ""), ("science-110", "")),
]

QUERIES = [
    Row("med-medline", 30, ("1", "the crystalline lens in vertebrates"), ("10", ""), ("30", "")),
    Row(
        "nfcorpus-traindev",
        325,
        ("PLAIN-1", "why deep fried foods may cause"),
        ("PLAIN-1087", ""),
        ("PLAIN-996", "cytoskeleton"),
    ),
    Row("medquad-liveqa", 104, ("TQ1", "What is the relationship between Noonan"), ("TQ10", ""), ("TQ104", "")),
    Row(
        "cohen-screening",
        10,
        ("ADHD", "ADHD"),
        ("UrinaryIncontinence", "Urinary Incontinence"),
        ("UrinaryIncontinence", "Urinary Incontinence"),
    ),
    Row("aila-2019-cases", 40, ("AILA_Q11", "The detenu P1, a French nation"), ("AILA_Q20", ""), ("AILA_Q50", "")),
    Row("aila-2019-statutes", 40, ("AILA_Q11", "The detenu P1, a French nation"), ("AILA_Q20", ""), ("AILA_Q50", "")),
    Row("lecard-facts", 107, ("5156", "2018年1月15日14时10分许"), ("1972", ""), ("29", "")),
    Row("stard-relevant-statutes", 1543, ("0", "谁可以成为个体工商户"), ("9", ""), ("1542", "")),
    Row(
        "obliqa-dev",
        2788,
        ("4456cb1a-6a36-42fb-8484-b832e50a71a2", "If a PFP Client intends to use"),
        ("bbbf6132-16c5-4c25-9f4f-c8a16f6cd27c", ""),
        ("f2ceca1f-4669-419c-a0bc-feec6408e82d", ""),
    ),
    Row("cranfield", 225, ("1", "what similarity laws must be o"), ("10", ""), ("225", "")),
    Row(
        "vaswani-npl",
        93,
        ("1", "MEASUREMENT OF DIELECTRIC CONSTANT"),
        ("10", ""),
        ("93", "THEORETICAL TREATMENT AND PRACTICAL CIRCUIT DETAILS"),
    ),
    Row("cacm", 64, ("1", "What articles exist which deal with TSS"), ("10", ""), ("64", "")),
    Row("scifact", 300, ("1", "0-dimensional biomaterials show"), ("51", ""), ("1395", "")),
    Row("msmarco-dl19-dl20-pool", 43, ("156493", "do goldfish grow"), ("1037798", ""), ("146187", "")),
    Row("noveleval", 21, ("0", "How many different Spider-Men are there"), ("9", ""), ("20", "")),
]


@pytest.fixture(scope="module")
def documents_of(shared_data: Path) -> dict[str, dict[str, Document]]:
    """Documents by id of the collections that the quirk tests look into."""
    names = ("noveleval", "cacm", "obliqa-dev", "cranfield", "lecard-facts", "medquad-liveqa", "scifact")
    return {name: {one.doc_id: one for one in load_dataset(name, data=shared_data).documents()} for name in names}


def grades(shared_data: Path, name: str, split: str | None = None) -> dict[tuple[str, str], int]:
    frame = load_dataset(name, data=shared_data).qrels(split).frame
    return {(query, doc): grade for query, doc, grade in frame.iter_rows()}


@pytest.mark.parametrize("row", DOCUMENTS, ids=lambda row: row.name)
def test_the_documents_are_all_there_in_their_order(shared_data: Path, row: Row) -> None:
    dataset = load_dataset(row.name, data=shared_data)
    count, last = 0, None
    for count, last in enumerate(dataset.documents(), 1):  # noqa: B007  (the last pair is what is looked at)
        pass
    first, tenth = (next(islice(dataset.documents(), place, None)) for place in (0, 9))
    assert last is not None
    assert (count, first.doc_id, tenth.doc_id, last.doc_id) == (row.size, row.first[0], row.tenth[0], row.last[0])
    assert first.default_text().startswith(row.first[1])
    assert tenth.text.startswith(row.tenth[1])
    assert last.text.endswith(row.last[1])


@pytest.mark.parametrize("row", QUERIES, ids=lambda row: row.name)
def test_the_queries_are_all_there_in_their_order(shared_data: Path, row: Row) -> None:
    queries = load_dataset(row.name, data=shared_data).queries()
    places = [queries.ids[place] for place in (0, 9, -1)]
    assert (len(queries), *places) == (row.size, row.first[0], row.tenth[0], row.last[0])
    assert queries.texts[0].startswith(row.first[1])
    assert queries.texts[9].startswith(row.tenth[1])
    assert queries.texts[-1].endswith(row.last[1])


def test_cranfield_asks_by_position_and_turns_its_codes_round(shared_data: Path) -> None:
    found = grades(shared_data, "cranfield")
    # The file's lines "1 184 2", "1 13 4" and "1 486 -1".
    assert (found["1", "184"], found["1", "13"], found["1", "486"]) == (3, 1, 0)
    # The third query is .I 004 in the file.
    third = load_dataset("cranfield", data=shared_data).queries().frame.row(2)
    assert third == ("3", "what problems of heat conduction in composite slabs have been solved so far .")


def test_cranfield_documents_471_and_995_are_empty_and_titles_stand_once(
    documents_of: dict[str, dict[str, Document]],
) -> None:
    documents = documents_of["cranfield"]
    assert [key for key, one in documents.items() if not one.default_text()] == ["471", "995"]
    assert documents["1"].default_text().count("aerodynamics of a wing in a slipstream") == 1


def test_cacm_ids_are_padded_on_both_sides_and_citations_are_cut(
    shared_data: Path, documents_of: dict[str, dict[str, Document]]
) -> None:
    found = documents_of["cacm"]["CACM-0756"]
    assert found.title == "A Computer Program for Editing the News"
    assert found.text == "CACM August, 1963 Danielson, W. A. Briggs, B. CA630842 JB March 13, 1978 7:53 PM"
    judged = {doc for _, doc in grades(shared_data, "cacm")}
    assert judged <= documents_of["cacm"].keys()
    assert sum(doc < "CACM-1000" for doc in judged) == 46


def test_cacm_has_twelve_topics_without_judgement(shared_data: Path) -> None:
    dataset = load_dataset("cacm", data=shared_data)
    assert len(set(dataset.queries().ids) - set(dataset.qrels().query_ids)) == 12


def test_of_two_labels_medquad_keeps_the_higher_less_one(shared_data: Path) -> None:
    found = grades(shared_data, "medquad-liveqa")
    # Judged 2-Related and 3-Incomplete; judged 1-Incorrect once.
    assert found["TQ1", "ADAM_0002818_Sec2.txt"] == 2
    assert found["TQ1", "ADAM_0003147_Sec1.txt"] == 0
    assert len(found) == 2311


def test_medquad_answers_are_parted_from_question_and_address(documents_of: dict[str, dict[str, Document]]) -> None:
    found = documents_of["medquad-liveqa"]["ADAM_0003147_Sec1.txt"]
    assert found.title.startswith("What is (are) Polycystic ovary syndrome ?")
    assert found.text.startswith("Polycystic ovary syndrome is a condition")
    assert found.metadata == {"url": "https://www.nlm.nih.gov/medlineplus/ency/article/000369.htm"}


@pytest.mark.slow
def test_medquad_has_16407_answered_pairs_with_ids_of_their_own(shared_data: Path) -> None:
    found = [pair.pair_id for pair in question_answers(shared_data / "medquad-liveqa")]
    assert len(found) == len(set(found)) == 16407


def test_cohen_labels_become_three_grades(shared_data: Path) -> None:
    frame = load_dataset("cohen-screening", data=shared_data).qrels().frame
    adhd = frame.filter(pl.col("query_id") == "ADHD")["relevance"].to_list()
    # 84 included on the abstract, of which 20 finally (the collection's README).
    assert [adhd.count(grade) for grade in (0, 1, 2)] == [767, 64, 20]
    assert set(frame["query_id"]) == set(TOPICS)
    assert frame.filter(~pl.col("doc_id").str.starts_with(pl.col("query_id") + "/")).height == 0


def test_aila_keeps_the_statute_without_text(shared_data: Path) -> None:
    dataset = load_dataset("aila-2019-statutes", data=shared_data)
    assert "S58" not in {one.doc_id for one in dataset.documents()}
    relevant = [
        query
        for (query, doc), grade in grades(shared_data, "aila-2019-statutes", "all").items()
        if doc == "S58" and grade
    ]
    assert relevant == ["AILA_Q2", "AILA_Q33", "AILA_Q49", "AILA_Q50"]


def test_aila_splits_are_the_official_ones(shared_data: Path) -> None:
    dataset = load_dataset("aila-2019-cases", data=shared_data)
    train, test = dataset.queries("train").ids, dataset.queries("test").ids
    assert (train, test) == ([f"AILA_Q{n}" for n in range(1, 11)], [f"AILA_Q{n}" for n in range(11, 51)])


def test_lecard_leaves_out_keys_that_are_no_charge(documents_of: dict[str, dict[str, Document]]) -> None:
    found = documents_of["lecard-facts"]["10014"]
    assert found.title == "交通肇事罪"
    # Only the text under ajId names the petrol station.
    assert "中石油加油站" not in found.text


def test_lecard_query_3_is_the_case_that_its_judgements_speak_of(shared_data: Path) -> None:
    dataset = load_dataset("lecard-facts", data=shared_data)
    long, facts = dict(dataset.queries().frame.iter_rows()), dict(dataset.queries("facts").frame.iter_rows())
    assert "韦文能" in long["3"]
    assert "韦文能" in facts["3"]
    assert list(long) == list(facts)
    assert "-1071" in long
    assert dataset.qrels("facts").frame.equals(dataset.qrels("test").frame)


def test_stard_joins_by_name_and_splits_as_published(shared_data: Path) -> None:
    dataset = load_dataset("stard-relevant-statutes", data=shared_data)
    names = {one.doc_id: one.title for one in dataset.documents()}
    first = [names[doc] for (query, doc) in grades(shared_data, "stard-relevant-statutes") if query == "0"]
    assert first == ["中华人民共和国民法典第五十四条", "个体工商户条例第二条"]
    train, dev = dataset.queries("train").ids, dataset.queries("dev").ids
    assert (len(train), len(dev), len({*train, *dev})) == (1235, 308, 1543)


def test_obliqa_tells_repeated_passages_apart_by_their_text(
    shared_data: Path, documents_of: dict[str, dict[str, Document]]
) -> None:
    documents = documents_of["obliqa-dev"]
    assert documents["11/3."].text.startswith("the Listed Entity is unable to assess accurately")
    assert documents["11/3.#2"].text == "LISTED FUNDS"
    assert sum("#" in key for key in documents) == 13732 - 13705
    ambiguous = {doc.split("#")[0] for doc in documents if "#" in doc}
    found = sorted(doc for _, doc in grades(shared_data, "obliqa-dev") if doc.split("#")[0] in ambiguous)
    assert found == [
        "11/6.2.17.Guidance#2",
        "17/Part_12.Chapter_1.134.#4",
        "7/1.#2",
        "7/3.3.40.Guidance#2",
        "7/3.3.40.Guidance#2",
    ]


def test_obliqa_keeps_empty_passages_under_their_ids(documents_of: dict[str, dict[str, Document]]) -> None:
    assert sum(not one.text for one in documents_of["obliqa-dev"].values()) == 720


def test_scifact_sentences_are_read_quote_by_quote(documents_of: dict[str, dict[str, Document]]) -> None:
    text = documents_of["scifact"]["4983"].text
    assert "functional disabilities. A line scan diffusion-weighted" in text
    assert text.endswith("microstructural development in cerebral white matter in living infants.")
    assert not [key for key, one in documents_of["scifact"].items() if one.text.startswith("['")]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("['One.'\n 'Two.']", ["One.", "Two."]),
        ("""["It's one."\n 'The "second".']""", ["It's one.", 'The "second".']),
        (r"""['It\'s "both".' 'a\\b']""", ["""It's "both".""", "a\\b"]),
        ("['']", [""]),
        ("['One.' Two]", []),
        ("plain", []),
    ],
)
def test_a_printed_list_of_sentences(printed: str, expected: list[str]) -> None:
    assert sentences(printed) == expected


def test_scifact_training_claims_stand_once_with_all_they_cite(shared_data: Path) -> None:
    dataset = load_dataset("scifact", data=shared_data)
    assert dataset.queries("train").frame.row(1) == ("2", "1 in 5 million in UK have abnormal PrP positivity.")
    assert grades(shared_data, "scifact", "train")["2", "13734012"] == 1
    assert len(grades(shared_data, "scifact", "train")) == 919


def test_noveleval_texts_keep_their_tabs(documents_of: dict[str, dict[str, Document]]) -> None:
    assert [key for key, one in documents_of["noveleval"].items() if "\t" in one.text] == ["14-17"]


def test_nfcorpus_counts_the_last_line_without_its_line_end(shared_data: Path) -> None:
    found = grades(shared_data, "nfcorpus-traindev")
    assert found["PLAIN-1", "MED-2421"] == 3
    assert len(found) == 14589


def test_nfcorpus_kinds_are_judged_for_their_own_queries(shared_data: Path) -> None:
    dataset = load_dataset("nfcorpus-traindev", data=shared_data)
    assert dataset.qrels("dev-video").query_ids == sorted(dataset.queries("dev-video").ids)
    titles = dict(dataset.queries("dev").frame.iter_rows())
    assert dict(dataset.queries("dev-nontopic").frame.iter_rows()).items() <= titles.items()


def test_the_dl20_pool_asks_only_the_judged_topics_without_their_carriage_returns(shared_data: Path) -> None:
    queries = load_dataset("msmarco-dl19-dl20-pool", data=shared_data).queries("dl20")
    assert len(queries) == 54
    assert queries.frame.row(0) == ("1030303", "who is aziz hashim")


def test_med_abstracts_have_their_blanks_and_carriage_returns_folded(shared_data: Path) -> None:
    text = next(load_dataset("med-medline", data=shared_data).documents()).text
    assert text.startswith(
        "correlation between maternal and fetal plasma levels of glucose and free fatty acids . correlation"
    )
