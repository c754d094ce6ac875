"""Names to components: one table per family, looked up and never guessed.

Built-ins are rows `name -> "module:attribute"` of a table here; any installed package may add its own through the
entry-point group `periti.<family>`. Nothing is imported until a name is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from periti.errors import UnknownName


def nearest(name: str, known: Iterable[str]) -> str:
    """A ready half-sentence: the nearest known name if there is one, and the list of all."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(known) or 'none'}"


class Registry:
    """One family of components by name.

    Args:
        family: the plural noun that messages use, e.g. "rankers"; also names the entry-point group.
        builtin: name to "module:attribute".

    Raises:
        ValueError: an installed package registers a name twice or takes a built-in one.
    """

    def __init__(self, family: str, builtin: Mapping[str, str]) -> None:
        self.family = family
        self._builtin = dict(builtin)
        self._plugins: dict[str, EntryPoint] | None = None

    @property
    def plugins(self) -> Mapping[str, EntryPoint]:
        """Entry points of other packages, read at first use."""
        if self._plugins is None:
            found: dict[str, EntryPoint] = {}
            for point in entry_points(group=f"periti.{self.family}"):
                if point.name in self._builtin or point.name in found:
                    raise ValueError(
                        f"{self.family}: the name {point.name!r} is registered twice, the second time by "
                        f"{point.value!r}; uninstall one of the packages"
                    )
                found[point.name] = point
            self._plugins = found
        return self._plugins

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._builtin, *self.plugins}))

    def __contains__(self, name: object) -> bool:
        return name in self._builtin or name in self.plugins

    def __len__(self) -> int:
        return len(self._builtin) + len(self.plugins)

    def load(self, name: str) -> Any:
        """The component of that name, imported now.

        Raises:
            UnknownName: nothing is registered under the name; the nearest and all known names are listed.
        """
        if name in self._builtin:
            module, _, attribute = self._builtin[name].partition(":")
            return getattr(import_module(module), attribute)
        if name in self.plugins:
            return self.plugins[name].load()
        raise UnknownName(f"no {self.family} named {name!r}; {nearest(name, self)}")


ENCODERS = Registry(
    "encoders",
    {
        "minilm": "periti.encoders:minilm",
        "sentence-transformers": "periti.encoders:load_sentence_transformer",
    },
)
RETRIEVERS = Registry(
    "retrievers",
    {
        "lexical": "periti.retrievers.lexical:LexicalRetriever",
        "dense": "periti.retrievers.dense:DenseRetriever",
        "passages": "periti.retrievers.passages:PassageRetriever",
        "multi-interest": "periti.retrievers.interests.retriever:MultiInterestRetriever",
    },
)
ROUTERS = Registry(
    "routers",
    {
        "constant": "periti.retrievers.routers:ConstantRouter",
        "pilots": "periti.retrievers.routing.pilots:PilotRouter",
        "centroids": "periti.retrievers.routing.centroids:CentroidRouter",
        "nearest-example": "periti.retrievers.routing.nearest_example:NearestExampleRouter",
        "neighbours": "periti.retrievers.routing.neighbours:NeighbourRouter",
        "ridge": "periti.retrievers.routing.ridge:RidgeRouter",
        "pairwise": "periti.retrievers.routing.pairwise:PairwiseRouter",
        "prior": "periti.retrievers.routing.prior:PriorRouter",
        "skills": "periti.retrievers.routing.skills:SkillRouter",
        "classifier": "periti.retrievers.routing.classifiers:ClassifierRouter",
        "classifier-head": "periti.retrievers.routing.classifiers:ClassifierHeadRouter",
    },
)
POLICIES = Registry(
    "policies",
    {
        "all": "periti.retrievers.policies:AllExperts",
        "all-weighted": "periti.retrievers.policies.fixed:Weighted",
        "argmax": "periti.retrievers.policies.fixed:Argmax",
        "top-k": "periti.retrievers.policies.fixed:TopK",
        "threshold": "periti.retrievers.policies.threshold:Threshold",
        "top-p": "periti.retrievers.policies.adaptive:TopP",
        "entropy": "periti.retrievers.policies.adaptive:EntropyGate",
        "budget": "periti.retrievers.policies.budget:Budget",
    },
)
FUSIONS = Registry(
    "fusions",
    {
        "rrf": "periti.rankers.fusion:ReciprocalRankFusion",
        "isr": "periti.rankers.fusion.ranks:InverseSquareRank",
        "log-isr": "periti.rankers.fusion.ranks:LogInverseSquareRank",
        "rbc": "periti.rankers.fusion.ranks:RankBiasedCentroids",
        "borda": "periti.rankers.fusion.elections:BordaFuse",
        "condorcet": "periti.rankers.fusion.elections:Condorcet",
        "sum": "periti.rankers.fusion:ScoreSum",
        "comb-sum": "periti.rankers.fusion.scores:CombSum",
        "comb-mnz": "periti.rankers.fusion.scores:CombMnz",
        "comb-gmnz": "periti.rankers.fusion.scores:CombGmnz",
        "comb-anz": "periti.rankers.fusion.scores:CombAnz",
        "comb-max": "periti.rankers.fusion.scores:CombMax",
        "comb-min": "periti.rankers.fusion.scores:CombMin",
        "comb-med": "periti.rankers.fusion.scores:CombMed",
        "wmnz": "periti.rankers.fusion.scores:WeightedMnz",
        "mixed": "periti.rankers.fusion.scores:Mixed",
        "in-place": "periti.rankers.fusion.in_place:InPlace",
        "gated": "periti.rankers.gate.fusion:GatedFusion",
        "multiwinner": "periti.rankers.selection.fusion:MultiwinnerFusion",
        "tuned": "periti.rankers.fusion.settings:TunedFusion",
        "calibrated": "periti.rankers.calibration.fused:CalibratedFusion",
    },
)
RANKERS = Registry(
    "rankers",
    {
        "identity": "periti.rankers.identity:IdentityRanker",
        "cross-encoder": "periti.rankers.cross_encoder:CrossEncoderRanker",
        "late-interaction": "periti.rankers.late_interaction.ranker:LateInteractionRanker",
        "passages": "periti.rankers.passages:PassageRanker",
        "learned-passages": "periti.rankers.learned_passages:LearnedPassageRanker",
        "llm-pointwise": "periti.rankers.llm.pointwise:PointwiseRanker",
        "llm-pairwise": "periti.rankers.llm.pairwise:PairwiseRanker",
        "llm-listwise": "periti.rankers.llm.listwise:ListwiseRanker",
        "quota": "periti.rankers.selection.ranker:QuotaRanker",
        "mmr": "periti.rankers.mmr:MmrRanker",
        "feedback": "periti.rankers.feedback:FeedbackRanker",
    },
)
SELECTORS = Registry(
    "selectors",
    {
        "random": "periti.datasets.selection.baselines:RandomSelector",
        "random-length": "periti.datasets.selection.baselines:RandomLengthSelector",
        "dsir": "periti.datasets.selection.dsir:DsirSelector",
        "target": "periti.datasets.selection.target:TargetRanker",
        "quad": "periti.datasets.selection.quad:QuadSelector",
        "quality": "periti.datasets.selection.quality.selector:QualitySelector",
        "combined": "periti.datasets.selection.combined:CombinedSelector",
    },
)

FAMILIES = (ENCODERS, RETRIEVERS, ROUTERS, POLICIES, FUSIONS, RANKERS, SELECTORS)
