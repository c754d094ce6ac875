"""Length and language filters: sentences whose answer anybody can read."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from periti.datasets import load_dataset
from periti.datasets.selection.filters import LanguageFilter, LengthFilter
from periti.datasets.selection.languages import LANGUAGES, UNKNOWN, language_of
from periti.datasets.selection.stages import Filter
from periti.errors import ConfigError

SENTENCES = {
    "en": "The committee was not convinced that the evidence from this study is enough for a change of practice.",
    "de": "Die Kommission war nicht davon überzeugt, dass die Belege aus dieser Studie für eine Änderung reichen.",
    "fr": "La commission ne croit pas que les résultats de cette étude sont suffisants pour changer la pratique.",
    "es": "La comisión no cree que los resultados de este estudio sean suficientes para cambiar la práctica.",
    "pt": "A comissão não acredita que os resultados do estudo são suficientes para uma mudança da prática.",
    "it": "La commissione non crede che i risultati di questo studio sono sufficienti per una modifica della prassi.",
    "nl": "De commissie is er niet van overtuigd dat het bewijs uit deze studie voldoende is voor een verandering.",
    "sv": "Kommittén är inte övertygad om att det som studien visar är skäl att ändra på hur man arbetar i dag.",
    "pl": "Komisja nie jest przekonana, że wyniki tego badania są wystarczające do zmiany w praktyce.",
    "ru": "Комиссия не убеждена в том, что результатов этого исследования достаточно для изменения практики.",
    "uk": "Комісія не переконана в тому, що результатів цього дослідження достатньо для зміни, і це не все.",  # noqa: RUF001
    "zh": "委员会认为这项研究的证据不足以改变做法。",
    "ja": "委員会はこの研究の証拠だけでは不十分だと考えている。",
    "ko": "위원회는 이 연구의 증거가 충분하지 않다고 생각한다.",
    "el": "Η επιτροπή δεν πείστηκε από τα στοιχεία.",  # noqa: RUF001
    "he": "הוועדה לא השתכנעה מהראיות.",
    "ar": "لم تقتنع اللجنة بأدلة هذه الدراسة.",
    "hi": "समिति इस अध्ययन के प्रमाणों से सहमत नहीं थी।",
    "th": "คณะกรรมการไม่เชื่อหลักฐานจากการศึกษานี้",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_is_taken_for_what_it_is(language: str) -> None:
    assert language_of(SENTENCES[language]) == language


@pytest.mark.parametrize("text", ["", "42 + 17 = 59", "\x00", "aspirin dosage", "Lorem ipsum dolor sit amet", "🙂"])
def test_what_can_not_be_told_is_not_guessed(text: str) -> None:
    assert language_of(text) == UNKNOWN


def test_the_larger_part_of_a_mixed_text_counts() -> None:
    assert language_of("委员会认为这项研究的证据不足以改变做法 (see the WHO report)") == "zh"
    assert language_of(SENTENCES["en"] + " 证据") == "en"
    assert language_of("α-synuclein is the protein that aggregates in the brain of patients with β-amyloid") == "en"


def test_initials_are_no_stop_words() -> None:
    assert language_of("CACM December, 1958 Perlis, A. J. Samelson, W. Z. O. Turing, I. E. Y. CA581203") == UNKNOWN


@pytest.mark.parametrize(("name", "language"), [("scifact", "en"), ("obliqa-dev", "en"), ("lecard-facts", "zh")])
def test_real_collections_are_in_their_language(shared_data: Path, name: str, language: str) -> None:
    texts = [document.text for document in islice(load_dataset(name, data=shared_data).documents(), 200)]
    found = [language_of(text) for text in texts if len(text.split()) >= 10 or language == "zh"]

    assert len(found) > 100
    assert found.count(language) >= 0.95 * len(found)
    assert found.count(language) + found.count(UNKNOWN) >= 0.99 * len(found)


@given(st.text(max_size=30))
@settings(deadline=None)
def test_every_string_has_an_answer(text: str) -> None:
    assert language_of(text) in {*LANGUAGES, UNKNOWN}


def test_languages_are_kept_by_name_and_the_unknown_by_option() -> None:
    texts = [SENTENCES["en"], SENTENCES["de"], SENTENCES["zh"], "aspirin dosage"]

    assert LanguageFilter(("en", "zh")).keep(texts).tolist() == [True, False, True, True]
    assert LanguageFilter(("de",), keep_unknown=False).keep(texts).tolist() == [False, True, False, False]
    assert LanguageFilter().keep([]).shape == (0,)


def test_lengths_between_two_bounds_stay() -> None:
    texts = ["", "a b", "a b c", "漢字です", "a b c d e"]

    assert LengthFilter(3, 4).keep(texts).tolist() == [False, False, True, True, False]
    assert LengthFilter(0, 2).keep(texts).tolist() == [True, True, False, False, False]
    assert LengthFilter(3).keep(texts).tolist() == [False, False, True, True, True]
    assert LengthFilter(3).keep(texts).dtype == np.bool_


def test_filters_say_what_they_take_out() -> None:
    assert LengthFilter(5, 300).name == "shorter than 5 or longer than 300 tokens"
    assert LanguageFilter(("en", "de")).name == "not in en or de or unknown"
    assert isinstance(LengthFilter(), Filter)
    assert isinstance(LanguageFilter(), Filter)


@pytest.mark.parametrize(("fewest", "most"), [(-1, None), (5, 4), (0, 0)])
def test_impossible_lengths_are_refused(fewest: int, most: int | None) -> None:
    with pytest.raises(ConfigError, match="tokens"):
        LengthFilter(fewest, most)


def test_a_language_without_a_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'da' can not be told"):
        LanguageFilter(("da",))
    with pytest.raises(ConfigError, match="at least one"):
        LanguageFilter(())
