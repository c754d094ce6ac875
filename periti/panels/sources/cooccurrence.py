"""Short texts and the bags of attributes they stand with: job titles and skills, papers and keywords.

VacancySBERT (Bocharova, Malakhov and Mezhuyev 2023) trains a siamese encoder to match the title of a vacancy with the
skills of the same vacancy, so that co-occurrence is the only supervision. Here the head asks and the bag is the
document. What is frequent makes false negatives: equal heads are one query and equal bags one document, which answers
every head that it stands with; a bag that holds the text of a head is neither answer nor negative. Bags are sampled
and shuffled once, by hash, not anew in every epoch, for documents are encoded once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from periti.datasets import load_dataset
from periti.errors import FormatError
from periti.panels.collection import CollectionConfig
from periti.panels.sources.own import OwnDocuments, own_documents
from periti.panels.sources.records import records, text_of, whole
from periti.panels.sources.table import Pair, PairTable
from periti.panels.sources.texts import same, text_id
from periti.types import Document

JOINED = ", "


class Stand(NamedTuple):
    """A head and the attributes it stands with."""

    where: str
    head: str
    bag: tuple[str, ...]


def open_cooccurrence(name: str, config: CollectionConfig) -> OwnDocuments:
    """The source of a collection.

    Raises:
        FormatError: no such file, a line that can not be used (names it), or no head with attributes.
        UnknownName, DatasetError: as datasets raise them.
    """
    path = config.file or Path(config.dataset)
    stands = list(of_file(config) if config.file else of_dataset(config))
    full = [stand for stand in stands if stand.bag]
    if not full:
        raise FormatError(
            f"{path}: none of {len(stands)} records has a head with an attribute; check the fields' names"
        )
    bags = {bag_id(stand.bag): stand.bag for stand in reversed(full)}
    pairs = [Pair(stand.where, stand.head, bag_id(stand.bag)) for stand in full]
    table = PairTable.of(path, pairs, {"without attributes": len(stands) - len(full)})
    documents = [Document(doc_id, JOINED.join(written(doc_id, bag, config.max_items))) for doc_id, bag in bags.items()]
    return own_documents(name, config, documents, table.asked(suspected(pairs, bags)))


def bag_id(bag: Sequence[str]) -> str:
    """What bags of the same attributes share, in whatever order and however often."""
    return text_id(*sorted({same(item) for item in bag}))


def written(doc_id: str, bag: Sequence[str], max_items: int) -> list[str]:
    """The attributes of a bag's document: each once, shuffled and cut by hash of bag and attribute."""
    once = {same(item): item for item in reversed(bag)}
    order = sorted(once, key=lambda item: sha256(f"{doc_id}\t{item}".encode()).digest())
    return [once[item] for item in order[: max_items or len(order)]]


def suspected(pairs: Sequence[Pair], bags: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Query id -> bags that hold the head's text as an attribute, though it does not stand with them."""
    holding: dict[str, set[str]] = defaultdict(set)
    for doc_id, bag in bags.items():
        for item in bag:
            holding[same(item)].add(doc_id)
    own: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        own[same(pair.query)].add(pair.doc_id)
    return {text_id(head): sorted(holding[head] - mine) for head, mine in own.items() if head in holding}


def of_file(config: CollectionConfig) -> Iterator[Stand]:
    """The heads and bags of a file's records.

    Raises:
        FormatError: a record has no head, or attributes that are neither a list of texts nor one text.
    """
    for where, record in records(config.file or Path()):
        head = text_of(record, config.head, where)
        yield Stand(where, head, items_of(record.get(config.attributes), config, where))


def of_dataset(config: CollectionConfig) -> Iterator[Stand]:
    """The heads and bags of a dataset's documents; documents without a head are passed over as those without a bag.

    A document's text or title is one attribute; metadata is a list, or one text that is separated.

    Raises:
        FormatError: no document has the field.
    """
    whole_text = config.attributes in ("text", "title")
    for document in load_dataset(config.dataset).documents():
        where = f"{config.dataset}: document {document.doc_id!r}"
        fields = {**document.metadata, "title": document.title, "text": document.text}
        for name in (config.head, config.attributes):
            if name not in fields:
                raise FormatError(f"{where} has no field {name!r}; it has {', '.join(sorted(fields))}")
        head, value = fields[config.head], fields[config.attributes]
        bag = (value,) if whole_text and value.strip() else () if whole_text else items_of(value, config, where)
        yield Stand(where, str(head), bag if str(head).strip() else ())


def items_of(value: Any, config: CollectionConfig, where: str) -> tuple[str, ...]:
    """The attributes that a field holds, blank ones left out.

    Raises:
        FormatError: it is neither a list of texts nor one text.
    """
    if value is None:
        return ()
    items = value.split(config.separator) if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise FormatError(f"{where}: {config.attributes} is {value!r:.80}; write a list of texts, or one text")
    return tuple(whole(item.strip(), config.attributes, where) for item in items if item.strip())
