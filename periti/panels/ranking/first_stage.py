"""The first stage whose lists a ranker learns from: a pipeline of the user's, or BM25 over the collection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from periti.config import ComponentConfig, ExpertConfig, PipelineConfig, read_pipeline_config
from periti.indexers.build import build_collection
from periti.indexers.lexical import LexicalConfig
from periti.panels.ranking.config import RankerConfig
from periti.panels.sources.source import Source
from periti.progress import Progress
from periti.registry import RANKERS, RETRIEVERS

WORDS = "words"


def first_stage(name: str, config: RankerConfig, source: Source, progress: Progress) -> PipelineConfig:
    """The pipeline of a collection's lists; an index of words is built where the collection has none.

    Args:
        name: the collection.
        config: names a pipeline for it, or does not.
        source: its documents.
        progress: told of building.
    """
    if name in config.first_stages:
        return read_pipeline_config(config.first_stages[name])
    folder = config.indexes / source.folder
    if not (folder / "lexical").is_dir():
        folder = config.home / WORDS / source.folder
        if not folder.is_dir():
            recipe = replace(source.recipe, lexical=source.recipe.lexical or LexicalConfig(), dense=None)
            build_collection(source.documents(), folder, recipe, progress=progress)
    return bm25(folder, config.training.depth)


def bm25(folder: Path, depth: int) -> PipelineConfig:
    """BM25 with its default settings over a collection's folder."""
    options = RETRIEVERS.load("lexical").Options()
    expert = ExpertConfig("lexical", folder / "lexical", depth=depth, options=options)
    ranker = ComponentConfig("identity", RANKERS.load("identity").Options())
    return PipelineConfig("bm25", folder / "docstore", {"bm25": expert}, ranker=ranker, depth=depth)
