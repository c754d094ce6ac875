"""`periti index`: build a collection's indexes, look at them, verify them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from periti.cli import token_index
from periti.errors import ConfigError, IndexMissing, InputError

if TYPE_CHECKING:
    from periti.types import Document

EPILOG = """examples:
  periti index build --dataset scifact --out indexes/scifact
  periti index build --corpus my/corpus.jsonl --out indexes/mine --language en --preset hnsw
  periti index build --dataset lecard-facts --out indexes/lecard --no-dense
  periti index build --corpus beir/folder --out x --encoder sentence-transformers --model models/my-encoder
  periti index build --dataset scifact --out indexes/panel --panel
  periti index build --like indexes/scifact --out indexes/mine --encoder sentence-transformers --model my/expert
  periti index build --dataset aila-2019-cases --out indexes/aila --passages 200 --stride 150 --max-passages 20
  periti index tokens indexes/scifact --nbits 2
  periti index inspect indexes/scifact
  periti index verify indexes/scifact"""


def add_parser(commands: Any) -> None:
    """Add the command and its sub-commands."""
    parser = commands.add_parser(
        "index",
        help="build, inspect and verify the indexes of a collection",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_build(actions)
    token_index.add_action(actions)
    for name, run, text in (
        ("inspect", inspect, "what an index holds and how it was made"),
        ("verify", verify, "whether every file is as it was built"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("path", type=Path, help="a collection or one of its parts")
        action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(run=run)


def _add_build(actions: Any) -> None:
    action = actions.add_parser(
        "build",
        help="texts, Lucene postings and FAISS vectors of one corpus",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = action.add_mutually_exclusive_group(required=True)
    source.add_argument("--dataset", help="a dataset's name (`periti datasets list`), or irds:ID")
    source.add_argument("--like", type=Path, help="a collection that is built: the same documents, indexed otherwise")
    source.add_argument("--corpus", help="a BEIR folder, or a JSONL, CSV or Parquet file of documents")
    action.add_argument("--out", type=Path, required=True, help="the directory to make")
    action.add_argument("--force", action="store_true", help="replace a collection that is already there")
    action.add_argument("--name", help="the collection's name (default: the dataset's, or the directory's)")
    action.add_argument("--language", help="analyser of the lexical index: en, zh, ... (default: the dataset's, or en)")
    action.add_argument("--no-lexical", action="store_true", help="leave the lexical index out")
    action.add_argument("--panel", action="store_true", help="add the experts that ship with periti and their router")
    action.add_argument("--no-dense", action="store_true", help="leave the dense index out")
    action.add_argument("--preset", default="exact", help="exact, hnsw or ivf-fastscan (default: exact)")
    action.add_argument("--storage", default="fp32", help="fp32, fp16 or sq8, for exact and hnsw (default: fp32)")
    action.add_argument("--metric", default="cosine", help="cosine or ip (default: cosine)")
    action.add_argument("--factory", default="", help="any FAISS factory string, instead of a preset")
    action.add_argument("--encoder", default="minilm", help="a registered encoder (default: minilm)")
    action.add_argument("--model", help="folder or hub name, for --encoder sentence-transformers")
    action.add_argument("--max-length", type=int, help="tokens kept of a text, for --encoder sentence-transformers")
    action.add_argument("--passages", type=int, metavar="LENGTH", help="a vector for each passage of so many tokens")
    action.add_argument("--stride", type=int, help="tokens from passage to passage (default: LENGTH, no overlap)")
    action.add_argument("--max-passages", type=int, help="passages kept of a document, counted (default: all)")
    action.add_argument("--title-tokens", type=int, help="tokens of the title put before every passage (default: 0)")
    action.add_argument("--json", action="store_true", help="print the manifests as JSON")
    action.set_defaults(run=build)


def build(arguments: argparse.Namespace) -> int:
    """Build a collection and say what came of it."""
    from periti.datasets.references import open_documents
    from periti.indexers.build import build_collection
    from periti.indexers.docstore import Docstore
    from periti.progress import Terminal

    config = _build_config(arguments)
    documents: Iterable[Document]
    if arguments.like:
        documents = Docstore.open(arguments.like / "docstore")
    else:
        documents = open_documents(arguments.dataset or arguments.corpus)
    manifests = build_collection(documents, arguments.out, config, replace=arguments.force, progress=Terminal())
    if arguments.json:
        print(json.dumps({part: asdict(manifest) for part, manifest in manifests.items()}, indent=1))
        return 0
    for line in _summary({part: asdict(manifest) for part, manifest in manifests.items()}):
        print(line)
    print(f'{arguments.out}: ready; try  periti search {arguments.out} "your question"')
    return 0


def _build_config(arguments: argparse.Namespace) -> Any:
    from periti.indexers.build import BuildConfig
    from periti.indexers.dense import DenseConfig
    from periti.indexers.encoding import EncoderSource
    from periti.indexers.lexical import LexicalConfig

    name, description, language = arguments.name or arguments.out.name, "", arguments.language or "en"
    if arguments.dataset:
        from periti.datasets import load_dataset

        facts = load_dataset(arguments.dataset.split(":")[0] if not _is_irds(arguments) else arguments.dataset).facts
        name, description = arguments.name or arguments.dataset, facts.title
        language = arguments.language or facts.language
    if arguments.like:
        language = arguments.language or _language(arguments.like)
    return BuildConfig(
        name=name,
        description=description,
        lexical=None if arguments.no_lexical else LexicalConfig(analyser=language),
        dense=None
        if arguments.no_dense
        else DenseConfig(
            preset=arguments.preset,
            storage=arguments.storage,
            metric=arguments.metric,
            factory=arguments.factory,
        ),
        encoder=EncoderSource(arguments.encoder, _encoder_options(arguments)),
        panel=_panel(arguments),
        passages=_passages(arguments),
        source=_source(arguments),
    )


def _passages(arguments: argparse.Namespace) -> Any:
    """How documents are split, where that is asked for."""
    from periti.passages.splitting import PassageConfig

    options = {"stride": arguments.stride, "most": arguments.max_passages, "title_tokens": arguments.title_tokens}
    given = {name: value for name, value in options.items() if value is not None}
    if arguments.passages is None:
        if given:
            raise ConfigError("--stride, --max-passages and --title-tokens go with --passages LENGTH")
        return None
    return PassageConfig(arguments.passages, **given)


def _language(like: Path) -> str:
    """The analyser of a collection's lexical index; English where it has none."""
    from periti.indexers.manifest import any_manifest

    folder = like / "lexical"
    return str(any_manifest(folder).config["analyser"]) if folder.is_dir() else "en"


def _source(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the manifest says the documents are."""
    if arguments.like:
        from periti.indexers.manifest import any_manifest

        return dict(any_manifest(arguments.like / "docstore").config)
    return {"dataset": arguments.dataset} if arguments.dataset else {"corpus": Path(arguments.corpus).name}


def _panel(arguments: argparse.Namespace) -> Any:
    """The shipped panel where it is asked for."""
    if not arguments.panel:
        return None
    if arguments.encoder != "minilm":
        raise InputError(f"the shipped experts are adapters of minilm, not of {arguments.encoder!r}; leave --panel out")
    from periti.panels.shipped import shipped_panel

    return shipped_panel()


def _is_irds(arguments: argparse.Namespace) -> bool:
    return bool(arguments.dataset) and arguments.dataset.startswith("irds:")


def _encoder_options(arguments: argparse.Namespace) -> dict[str, Any]:
    options = {"model": arguments.model, "max_length": arguments.max_length}
    given = {name: value for name, value in options.items() if value is not None}
    if given and arguments.encoder == "minilm":
        raise ConfigError("--model and --max-length go with --encoder sentence-transformers; minilm has neither")
    return given


def _parts(path: Path) -> dict[str, Path]:
    """The index directories at a path: the parts of a collection, or the one part itself."""
    from periti.indexers.build import EVERY_PART

    found = {part: path / part for part in EVERY_PART if (path / part / "manifest.json").is_file()}
    if found:
        return found
    if (path / "manifest.json").is_file():
        return {path.name: path}
    raise IndexMissing(f"no finished index at {path}; build one with `periti index build`")


def _manifests(path: Path) -> dict[str, Any]:
    from periti.indexers.manifest import any_manifest

    return {name: any_manifest(folder) for name, folder in _parts(path).items()}


def inspect(arguments: argparse.Namespace) -> int:
    """Print the facts of an index without reading its data."""
    found = {name: asdict(manifest) for name, manifest in _manifests(arguments.path).items()}
    if arguments.json:
        print(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    for line in _summary(found):
        print(line)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Check every file's size and SHA-256; the first damage ends the command with status 2."""
    from periti.indexers.manifest import verify_files

    parts = _parts(arguments.path)
    manifests = _manifests(arguments.path)
    for name, folder in parts.items():
        verify_files(folder, manifests[name])
    checked = {name: len(manifest.files) for name, manifest in manifests.items()}
    if arguments.json:
        print(json.dumps({"ok": True, "files": checked}))
    else:
        print("ok: " + ", ".join(f"{name} {count} files" for name, count in checked.items()))
    return 0


def _summary(manifests: dict[str, Any]) -> list[str]:
    lines = []
    for name, manifest in manifests.items():
        size = sum(facts["bytes"] for facts in manifest["files"].values())
        digest = manifest["corpus_digest"][:12]
        lines.append(f"{name}: {manifest['documents']:,} documents, {size / 1e6:,.1f} MB, corpus {digest}")
        lines += [f"  {key}: {_shown(value)}" for key, value in {**manifest["config"], **manifest["facts"]}.items()]
    return lines


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_shown(item)}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
