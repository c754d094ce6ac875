"""A corpus to a token index: encoded into one file, then compressed block by block; memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from periti.encoders.tokens import TokenEncoder
from periti.errors import InputError
from periti.indexers.docstore import Docstore
from periti.indexers.manifest import Manifest, read_manifest, write_manifest
from periti.indexers.storage import building
from periti.progress import Progress, Silent
from periti.protocols import Vectors
from periti.rankers.late_interaction import index as files
from periti.rankers.late_interaction.index import TokenIndexConfig, manifest_of, of_documents
from periti.rankers.late_interaction.residuals import PER_CENTROID, Codec, Reconstruction, centroids_for
from periti.types import Document

WINDOW = 256
"""Documents encoded, sorted by length, and written together."""
_BLOCK = 1 << 14
_MEASURED = 1 << 14
"""Tokens whose reconstruction is measured."""


@dataclass(frozen=True)
class _Encoded:
    """The raw vectors of a corpus on disk.

    Attributes:
        vectors: float32 (t, d), memory-mapped.
        lengths: int64 (n,), tokens of each document.
        cut: int64 (n,), tokens left out of each.
    """

    vectors: Vectors
    lengths: NDArray[np.int64]
    cut: NDArray[np.int64]


def build_token_index(  # noqa: PLR0913  (what an index is made of, and two ways to ask)
    docstore: Docstore,
    target: Path,
    encoder: TokenEncoder,
    config: TokenIndexConfig | None = None,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Write the token vectors of a collection; the directory appears whole or not at all.

    Args:
        docstore: the documents.
        target: the directory to make.
        encoder: makes the vectors.
        config: how they are stored.
        replace: whether an index already there may be replaced.
        progress: told of each step.

    Returns:
        Its manifest; facts hold the encoder, counts of what was cut or is empty, and the reconstruction's error.

    Raises:
        IndexMissing: what shall be replaced is no token index.
        InputError: the target exists, or no document has a token; EncoderError: a vector is not finite.
        StorageError: the disk is full or not writable.
    """
    config, progress = config or TokenIndexConfig(), progress or Silent()
    if replace and target.exists():
        read_manifest(target, files.KIND)  # what is no token index is not replaced
    with building(target, replace=replace) as folder:
        raw = folder / "encoded.f32"
        encoded = _encoded(docstore, encoder, raw, progress)
        docstore.ids.ids.to_frame("doc_id").write_ipc(folder / files.IDS, compression="uncompressed")
        np.save(folder / files.BY_ID, docstore.ids.by_id)
        np.save(folder / files.OFFSETS, np.concatenate([[0], np.cumsum(encoded.lengths)]).astype(np.int64))
        np.save(folder / files.CUT, encoded.cut)
        stored = _whole(encoded, folder, config) if not config.nbits else _compressed(encoded, folder, config)
        facts = {
            "encoder": of_documents(encoder.identity),
            "tokens": len(encoded.vectors),
            "truncated_documents": int(np.count_nonzero(encoded.cut)),
            "truncated_tokens": int(encoded.cut.sum()),
            "documents_without_tokens": int(np.count_nonzero(encoded.lengths == 0)),
            **stored,
        }
        raw.unlink()
        return write_manifest(folder, manifest_of(asdict(config), docstore.corpus_digest, len(docstore), facts))


def _encoded(docstore: Docstore, encoder: TokenEncoder, path: Path, progress: Progress) -> _Encoded:
    lengths, cut = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    progress.start("encoding tokens", len(docstore))
    with path.open("wb") as file:
        for window in _windows(docstore):
            made = encoder.encode_documents([document.default_text() for document in window])
            file.write(made.vectors.values.tobytes())
            lengths.append(np.diff(made.vectors.offsets))
            cut.append(made.cut)
            progress.advance(len(window))
    progress.finish()
    if not path.stat().st_size:
        raise InputError("no document has a token to encode; a token index of this collection would be empty")
    vectors = np.memmap(path, np.float32, mode="r").reshape(-1, encoder.dimension)
    return _Encoded(vectors, np.concatenate(lengths), np.concatenate(cut))


def _windows(docstore: Docstore) -> Iterator[list[Document]]:
    documents = iter(docstore)
    while window := list(islice(documents, WINDOW)):
        yield window


def _whole(encoded: _Encoded, folder: Path, config: TokenIndexConfig) -> dict[str, object]:
    stored = np.lib.format.open_memmap(
        folder / files.VECTORS, mode="w+", dtype=np.dtype(config.dtype), shape=encoded.vectors.shape
    )
    for start in range(0, len(stored), _BLOCK):
        stored[start : start + _BLOCK] = encoded.vectors[start : start + _BLOCK]
    stored.flush()
    chosen = _chosen(len(stored), _MEASURED, config.seed)
    return {"reconstruction": asdict(Reconstruction.measured(encoded.vectors[chosen], stored[chosen]))}


def _compressed(encoded: _Encoded, folder: Path, config: TokenIndexConfig) -> dict[str, object]:
    vectors = encoded.vectors
    sample = np.asarray(vectors[_chosen(len(vectors), config.sample, config.seed)])
    k = min(centroids_for(len(vectors)), max(1, len(sample) // PER_CENTROID))
    codec = Codec.fitted(sample, k, config.nbits, seed=config.seed, iterations=config.iterations)
    arrays = {files.CENTROIDS: codec.centroids, files.BUCKETS: codec.weights, files.CUTOFFS: codec.cutoffs}
    for name, array in arrays.items():
        np.save(folder / name, array)
    kind = np.dtype(np.uint16 if k <= 1 << 16 else np.uint32)
    codes = np.lib.format.open_memmap(folder / files.CODES, mode="w+", dtype=kind, shape=(len(vectors),))
    shape = (len(vectors), codec.width)
    residuals = np.lib.format.open_memmap(folder / files.RESIDUALS, mode="w+", dtype=np.uint8, shape=shape)
    for start in range(0, len(vectors), _BLOCK):
        part = slice(start, start + _BLOCK)
        codes[part], residuals[part] = codec.encode(np.asarray(vectors[part]))
    codes.flush()
    residuals.flush()
    chosen = _chosen(len(vectors), _MEASURED, config.seed + 1)
    measured = Reconstruction.measured(vectors[chosen], codec.decode(codes[chosen], residuals[chosen]))
    return {"centroids": k, "reconstruction": asdict(measured)}


def _chosen(tokens: int, most: int, seed: int) -> NDArray[np.int64]:
    """Row numbers of a sample, ascending; all where there are no more."""
    if tokens <= most:
        return np.arange(tokens)
    return np.sort(np.random.default_rng(seed).choice(tokens, size=most, replace=False))
