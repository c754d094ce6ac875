"""MeSH: headings, other names of them, and their places in the tree.

Two of NLM's files are read: `mtrees20NN.bin`, a line `heading;tree number` for each place of a heading, which has
neither entry terms nor identifiers, and the descriptors in ASCII, `d20NN.bin`, which have both. Of an inverted heading
("Abdomen, Acute") the natural order ("Acute Abdomen") is added as a name: it is an entry term of most of them.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from periti.datasets.reading import lines
from periti.errors import FormatError

SHORTEST_STEM = 3
"""Letters that a truncated word needs to be completed."""
_TREE = re.compile(r"[A-Z](?:\d{2}(?:\.\d{3})*)?")


@dataclass(frozen=True)
class Heading:
    """A descriptor of MeSH.

    Attributes:
        name: its preferred name.
        uid: NLM's identifier, e.g. "D000006"; empty if the file has none.
        entries: entry terms, as the file has them.
        trees: tree numbers; a prefix is an ancestor.
    """

    name: str
    uid: str = ""
    entries: tuple[str, ...] = ()
    trees: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it is called, the preferred name first, its natural order second; each once."""
        return tuple(dict.fromkeys((self.name, natural_order(self.name), *self.entries)))


@dataclass(frozen=True)
class Vocabulary:
    """Headings in their file's order; names are unique."""

    headings: Sequence[Heading]
    entry_terms: int = field(init=False)
    """Names that the file gives beside the preferred ones."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "entry_terms", sum(len(heading.entries) for heading in self.headings))

    def __len__(self) -> int:
        return len(self.headings)

    @cached_property
    def by_form(self) -> Mapping[str, str]:
        """`normal_form` of every name -> heading; a preferred name wins over another's entry term, then the first."""
        found: dict[str, str] = {}
        for heading in self.headings:
            found.setdefault(normal_form(heading.name), heading.name)
        for heading in self.headings:
            for name in heading.names[1:]:
                found.setdefault(normal_form(name), heading.name)
        return found

    @cached_property
    def by_uid(self) -> Mapping[str, str]:
        """Identifier -> heading."""
        return {heading.uid: heading.name for heading in self.headings if heading.uid}

    def find(self, text: str) -> str | None:
        """The heading of which `text` is a name, in any case and number; None if there is none."""
        return self.by_form.get(normal_form(text))

    def of_query(self, text: str) -> str | None:
        """The heading that a Boolean query names, with or without qualifiers ("Lasers/du")."""
        return self.find(text) or self.find(text.partition("/")[0])

    @cached_property
    def _words(self) -> tuple[list[str], Mapping[str, int]]:
        names = (name for heading in self.headings for name in heading.names)
        count = Counter(word for name in names for word in re.findall(r"[a-z]+", name.casefold()))
        return sorted(count), count

    def completed(self, stem: str) -> str:
        """The word that begins with a truncated one and that most names hold; the stem itself if there is none.

        Of words that are as frequent the shortest is taken, then the first by letter.
        """
        words, count = self._words
        folded = stem.casefold()
        if len(folded) < SHORTEST_STEM:
            return stem
        place, best = bisect_left(words, folded), stem
        rank: tuple[int, int] | None = None
        while place < len(words) and words[place].startswith(folded):
            own = (-count[words[place]], len(words[place]))
            if rank is None or own < rank:
                rank, best = own, words[place]
            place += 1
        return best


def natural_order(name: str) -> str:
    """An inverted heading as one says it: "Abdomen, Acute" is "Acute Abdomen"; others as they are."""
    return " ".join(reversed(name.split(", "))) if ", " in name else name


def normal_form(text: str) -> str:
    """Lower case, signs as blanks, without possessive and plural s: forms that are looked up as equal."""
    words = re.sub(r"[^\w]+", " ", re.sub(r"[\u2019']s\b", "", text.casefold())).split()
    return " ".join(_singular(word) for word in words)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def read_vocabulary(path: Path) -> Vocabulary:
    """The headings of a file, unpacked if its name ends in `.gz`.

    Raises:
        FormatError: the file is absent, is neither of the two kinds, holds no heading, or a line can not be read.
    """
    numbered = list(lines(path))
    ascii_records = any(line.strip() == "*NEWRECORD" for _, line in numbered[:100])
    found = list(_records(path, numbered) if ascii_records else _tree_lines(path, numbered))
    if not found:
        raise FormatError(f"{path}: no heading in it; give NLM's mtrees20NN.bin or d20NN.bin")
    return Vocabulary(found)


def _tree_lines(path: Path, numbered: Iterable[tuple[int, str]]) -> Iterator[Heading]:
    trees: dict[str, list[str]] = {}
    for number, line in numbered:
        if not line.strip():
            continue
        name, separator, tree = line.rpartition(";")
        if not separator or not name.strip() or not _TREE.fullmatch(tree.strip()):
            raise FormatError(
                f"{path}:{number}: expected `heading;tree number`, found {line[:60]!r}; give NLM's mtrees or d20NN.bin"
            )
        trees.setdefault(name.strip(), []).append(tree.strip())
    for name, places in trees.items():
        yield Heading(name, trees=tuple(places))


def _records(path: Path, numbered: Iterable[tuple[int, str]]) -> Iterator[Heading]:
    """Records of `KEY = value`; MH, UI, MN, and ENTRY and PRINT ENTRY up to the first bar are read."""
    values: dict[str, list[str]] = {}
    began = 0
    for number, line in [*numbered, (0, "*NEWRECORD")]:
        if line.strip() == "*NEWRECORD":
            if values:
                yield _of_record(path, began, values)
            values, began = {}, number
        elif line.strip():
            key, separator, value = line.partition(" = ")
            if not separator:
                raise FormatError(f"{path}:{number}: expected `KEY = value`, found {line[:60]!r}; fetch the file again")
            values.setdefault(key.strip(), []).append(value.strip())


def _of_record(path: Path, number: int, values: Mapping[str, Sequence[str]]) -> Heading:
    if len(values.get("MH", ())) != 1:
        raise FormatError(
            f"{path}:{number}: a record has {len(values.get('MH', ()))} MH; each descriptor has one, give d20NN.bin"
        )
    entries = [entry.partition("|")[0].strip() for key in ("PRINT ENTRY", "ENTRY") for entry in values.get(key, ())]
    return Heading(
        name=values["MH"][0],
        uid=next(iter(values.get("UI", ())), ""),
        entries=tuple(dict.fromkeys(entry for entry in entries if entry)),
        trees=tuple(values.get("MN", ())),
    )
