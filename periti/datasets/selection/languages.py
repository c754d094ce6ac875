"""Which language a text is in, by its script and its commonest words: a light guess for filters, not an identifier.

Latin and Cyrillic texts are told apart by stop-words (Grefenstette 1995, "Comparing two language identification
schemes": from some 20 words on as good as trigrams), other scripts by themselves. Limits: texts of less than about
five words, lists, titles, formulas and texts whose stop-words were taken out (NFCorpus) are mostly "und"; languages
without a profile here that are close to one with (Galician, Danish, Afrikaans) may be taken for it; of a mixed text the
larger part counts; a script of several languages goes by its largest (Arabic for Persian and Urdu, Devanagari for Hindi
and Marathi). No dialects, no transliterations.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "und"
"""ISO 639's code for undetermined."""
_LOOKED_AT = 4000
"""Characters from the beginning that the guess rests on."""
_FEWEST_HITS = 2
_SMALLEST_SHARE = 0.1
"""Of a text's words that must be stop-words of its language; running text has 0.3 to 0.6."""
_WORD = re.compile(r"[^\W\d_]+")

# No single Latin letters: titles are full of initials.
_STOP_WORDS = {
    "en": "the of and to in is that for it with as was on be are by this not or from at which have an were has been",
    "de": "der die und das den von zu mit sich des auf für ist im dem nicht ein eine als auch es an werden aus bei",
    "fr": "le la les des et du un une est dans que qui pour par sur au avec ne pas ce il elle sont plus aux cette ou",
    "es": "el la los las de que en un una es por con para del se al lo como más pero su fue son este ha entre sus",
    "pt": "os as de que em um uma é por com para do da dos das não se ao no na mais foi são à pela pelo ou",
    "it": "il lo gli di che è in un una per con del della dei non si al sono da nel alla come più anche le ha dalla",
    "nl": "de het een van en in is dat op te zijn met voor niet aan er om ook als door bij naar maar uit worden wordt",
    "sv": "och att det som en på är av för med den till inte om ett har de var jag från så kan vid men eller ska",
    "pl": "na do się nie jest że to jak po za od przez dla są oraz co być tym ale tego może lub przy",
    "ru": "и в не на что с по как это из к у за от для о он был его но так же или при бы также если",  # noqa: RUF001
    "uk": "і в не на що з по як це із до у за від для про він був його але так або та й також є які",  # noqa: RUF001
}
_SCRIPTS = (
    (0x0370, 0x03FF, "el"),
    (0x0400, 0x052F, "Cyrl"),
    (0x0590, 0x05FF, "he"),
    (0x0600, 0x077F, "ar"),
    (0x0900, 0x097F, "hi"),
    (0x0980, 0x09FF, "bn"),
    (0x0B80, 0x0BFF, "ta"),
    (0x0E00, 0x0E7F, "th"),
    (0x10A0, 0x10FF, "ka"),
    (0x1100, 0x11FF, "ko"),
    (0x3040, 0x30FF, "ja"),
    (0x3400, 0x4DBF, "zh"),
    (0x4E00, 0x9FFF, "zh"),
    (0xAC00, 0xD7AF, "ko"),
    (0x20000, 0x323AF, "zh"),
)
_BY_STOP_WORDS = {"Latn": ("en", "de", "fr", "es", "pt", "it", "nl", "sv", "pl"), "Cyrl": ("ru", "uk")}
LANGUAGES = tuple(sorted({*_STOP_WORDS, *(name for *_, name in _SCRIPTS if name != "Cyrl")}))


def language_of(text: str) -> str:
    """Its ISO 639-1 code, one of LANGUAGES, or "und"."""
    text = text[:_LOOKED_AT]
    script = _script(text)
    if script not in _BY_STOP_WORDS:
        return script
    words = _WORD.findall(text.lower())
    profiles = _profiles()
    hits = {name: sum(word in profiles[name] for word in words) for name in _BY_STOP_WORDS[script]}
    best, second = sorted(hits.values(), reverse=True)[:2]
    enough = best >= _FEWEST_HITS and best >= _SMALLEST_SHARE * len(words) and best > second
    return max(hits, key=hits.__getitem__) if enough else UNKNOWN


@cache
def _profiles() -> dict[str, frozenset[str]]:
    return {name: frozenset(words.split()) for name, words in _STOP_WORDS.items()}


@cache
def _bounds() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    return np.array([low for low, *_ in _SCRIPTS], np.uint32), np.array([high for _, high, _ in _SCRIPTS], np.uint32)


def _script(text: str) -> str:
    """The commonest script among the letters; "ja" where Kana stand among Han; "und" without a letter."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    codes = codes[np.strings.isalpha(codes.view("U1"))] if len(codes) else codes
    if not len(codes):
        return UNKNOWN
    lows, highs = _bounds()
    at = np.searchsorted(lows, codes, side="right") - 1
    inside = (at >= 0) & (codes <= highs[at])
    counts: dict[str, float] = {"Latn": float(np.count_nonzero(codes < lows[0]) + _latin_extended(codes))}
    for place, count in enumerate(np.bincount(at[inside], minlength=len(_SCRIPTS))):
        counts[_SCRIPTS[place][2]] = counts.get(_SCRIPTS[place][2], 0.0) + float(count)
    # A tenth of Kana makes Japanese of Han, which both languages write; a Chinese text has none.
    if counts["ja"] > 0.1 * counts["zh"]:
        counts["ja"], counts["zh"] = counts["ja"] + counts["zh"], 0.0
    # Han says in one character what Latin says in about three.
    weighted = {key: value * (3 if key in ("zh", "ja") else 1) for key, value in counts.items()}
    name = max(weighted, key=weighted.__getitem__)
    return name if weighted[name] > 0 else UNKNOWN


def _latin_extended(codes: NDArray[np.uint32]) -> int:
    return int(np.count_nonzero((codes >= 0x1E00) & (codes <= 0x1EFF)))
