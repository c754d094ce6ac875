"""A panel under a memory budget: the results of one with all adapters resident, loads counted, mistakes refused."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
import pytest
from polars.testing import assert_frame_equal

from periti.encoders import SentenceEncoder, load_sentence_transformer, minilm
from periti.encoders.adapters import write_adapter
from periti.encoders.panel import PanelEncoder
from periti.errors import ConfigError, EncoderError, FormatError
from periti.pipeline import Pipeline, open_pipeline
from periti.retrievers.diagnosis.workload import WorkloadProfile, write_profiles
from periti.retrievers.routing.table import UtilityTable
from periti.retrievers.working_panel import COPIES, WorkingPanel
from periti.types import Queries
from tests.encoders.test_panel import TEXTS, linear, lora
from tests.retrievers.test_executor import adapter
from tests.tiny import QUERIES, Tiny

NAMES = ("general", "law", "med", "sci")
ONE = 384 * 384 * 4 * COPIES
"""Bytes of one linear adapter over MiniLM in memory."""


@pytest.fixture(scope="module")
def base(bert: Path) -> SentenceEncoder:
    return load_sentence_transformer(str(bert))


@pytest.fixture(scope="module")
def folders(base: SentenceEncoder, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two LoRA and two linear adapters over the tiny model."""
    home = tmp_path_factory.mktemp("adapters")
    found = []
    for i, one in enumerate([lora(base, 1), linear(base, 2), lora(base, 3, rank=3), linear(base, 4)]):
        folder = home / str(i)
        folder.mkdir()
        write_adapter(one, folder)
        found.append(folder)
    return found


def largest(panel: WorkingPanel, folders: list[Path]) -> int:
    return max(panel._size(digest) for f in folders if (digest := panel.expert_at(f).adapter))


@pytest.mark.parametrize("fit", [1, 2, 4])
def test_a_mixed_batch_has_the_vectors_of_a_panel_with_all_adapters_resident(
    base: SentenceEncoder, folders: list[Path], fit: int
) -> None:
    resident = PanelEncoder(base)
    everyone = [resident.expert_at(folder).adapter for folder in folders]
    mixture = [everyone[0], None, everyone[1], everyone[2], everyone[3]]
    expected = resident.encode(TEXTS, mixture)

    budget = fit * largest(WorkingPanel(base, 10**9), folders)
    panel = WorkingPanel(base, budget)
    for folder in folders:
        panel.expert_at(folder)
    for _ in range(3):
        encoded = panel.encode(TEXTS, mixture)
        np.testing.assert_array_equal(encoded.vectors, expected.vectors)
        assert encoded.coverage == expected.coverage
        assert panel.adapter_bytes <= budget
        assert sum(a.bytes * COPIES for a in panel._resident.adapters if a) <= budget

    counts = panel.counts
    assert counts.hits + counts.misses == 12
    assert (counts.misses == 4) == (fit == 4), "only where all fit, each is loaded once"
    np.testing.assert_array_equal(panel.encode(TEXTS, [None] * 5).vectors, base.encode_queries(TEXTS).vectors)
    assert panel.encode([], []).vectors.shape == (0, 16)


def test_loads_are_counted_for_the_adapter_and_the_thread_that_asked(
    base: SentenceEncoder, folders: list[Path]
) -> None:
    panel = WorkingPanel(base, largest(WorkingPanel(base, 10**9), folders))
    one, two = (panel.expert_at(folder).adapter for folder in folders[:2])
    for digest in (one, one, two, one):
        panel.encode(TEXTS[:1], [digest])

    assert (panel.loads(one), panel.loads(two), panel.loads(None)) == (2, 1, 0)
    elsewhere: list[int] = []
    thread = threading.Thread(target=lambda: elsewhere.append(panel.loads(one)))
    thread.start()
    thread.join()
    assert elsewhere == [0]


def test_threads_that_drive_out_each_others_adapters_get_their_own_vectors(
    base: SentenceEncoder, folders: list[Path]
) -> None:
    panel = WorkingPanel(base, largest(WorkingPanel(base, 10**9), folders))
    experts = [panel.expert_at(folder) for folder in folders]
    expected = [PanelEncoder(base).expert_at(folder).encode_queries(TEXTS).vectors for folder in folders]
    wrong: list[int] = []

    def ask(which: int) -> None:
        answers = [experts[which].encode_queries(TEXTS).vectors for _ in range(8)]
        wrong.extend(which for answer in answers if not np.array_equal(answer, expected[which]))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong
    assert panel.counts.misses > 4


def test_an_adapter_that_changes_under_an_open_panel_is_refused(base: SentenceEncoder, tmp_path: Path) -> None:
    write_adapter(lora(base, 1), tmp_path)
    panel = WorkingPanel(base, 10**9)
    digest = panel.expert_at(tmp_path).adapter
    write_adapter(lora(base, 2), tmp_path)

    with pytest.raises(EncoderError, match="holds another adapter than when the collection was opened"):
        panel.encode(TEXTS[:1], [digest])
    with pytest.raises(EncoderError, match=r"no adapter ffff.* is on the panel"):
        panel.encode(TEXTS[:1], ["f" * 64])


# a collection's configuration


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Adapters, a router's table whose queries are the tiny ones, and workloads, beside the tiny collection."""
    home = tmp_path_factory.mktemp("memory")
    for i, name in enumerate(NAMES[1:]):
        adapter(home / name, i)
    vectors = minilm().encode_queries(QUERIES.texts).vectors
    datasets = tuple(f"d{i % 4}" for i in range(len(QUERIES)))
    homes = {f"d{i}": name for i, name in enumerate(NAMES)}
    utilities = np.full((len(QUERIES), 4), 0.2)
    ids, texts = tuple(QUERIES.ids), tuple(QUERIES.texts)
    UtilityTable(ids, texts, vectors, datasets, NAMES, utilities, homes=homes).write(home / "table")
    write_profiles(home / "one.json", [WorkloadProfile("mornings", NAMES, (0.5, 0.0, 0.5, 0.0))])
    write_profiles(
        home / "two.json",
        [
            WorkloadProfile("courts", NAMES, (0.2, 0.8, 0.0, 0.0)),
            WorkloadProfile("wards", NAMES, (0.2, 0.0, 0.0, 0.8)),
        ],
    )
    write_profiles(home / "others.json", [WorkloadProfile("x", ("general", "tax"), (0.5, 0.5))])
    return home


def opened(home: Path, tiny: Tiny, extra: str = "", name: str = "panel") -> Pipeline:
    experts = "".join(
        f'[experts.{one}]\nretriever = "dense"\nindex = "{tiny.folder}/dense"\n'
        + (f'adapter = "{one}"\n' if one != "general" else "")
        for one in NAMES
    )
    file = home / f"{name}.toml"
    file.write_text(
        f'name = "panel"\ndocstore = "{tiny.folder}/docstore"\npolicy = "argmax"\n{extra}\n'
        f'[router]\nname = "nearest-example"\ntable = "table"\n{experts}'
    )
    return open_pipeline(file)


@pytest.mark.parametrize("fit", [1, 2, 3])
@pytest.mark.parametrize("workload", ["", 'workload = "one.json"', 'workload = "two.json"'])
def test_results_are_those_of_a_panel_without_a_budget(home: Path, tiny: Tiny, fit: int, workload: str) -> None:
    expected = opened(home, tiny, name="all").search(QUERIES, 5)
    pipeline = opened(home, tiny, f"adapter_memory_mb = {fit * ONE / 1e6 + 0.01}\n{workload}")

    together, trace = pipeline.explain(QUERIES, 5)
    assert_frame_equal(together.frame, expected.frame)
    for query_id, text in QUERIES.frame.iter_rows():
        alone = pipeline.search(Queries.from_pairs([(query_id, text)]), 5)
        assert_frame_equal(alone.frame, expected.frame.filter(expected.frame["query_id"] == query_id))
    asked = {step.name.partition(":")[2]: step.notes for step in trace.steps if step.name.startswith("retrieve:")}
    assert set(asked) == set(NAMES)
    assert asked["general"]["adapter_loads"] == 0
    assert all(notes["adapters_held"] <= fit for notes in asked.values())
    if not workload:
        assert [asked[name]["adapter_loads"] for name in NAMES[1:]] == [1, 1, 1]
        assert asked["med"]["adapters_loaded_so_far"] == 3


def test_a_stored_workload_is_loaded_ahead(home: Path, tiny: Tiny) -> None:
    pipeline = opened(home, tiny, f'adapter_memory_mb = {ONE / 1e6 + 0.01}\nworkload = "one.json"')
    assert pipeline.memory is not None
    assert pipeline.memory.chosen == "mornings"
    assert pipeline.memory.notes()["adapters_preloaded"] == 2, "med, and the base, which takes nothing"
    assert pipeline.memory.notes()["adapters_held"] == 1

    _, trace = pipeline.explain(Queries.from_pairs([("q", QUERIES.texts[2])]), 5)

    assert trace.step("retrieve:med").notes["adapter_loads"] == 0
    assert trace.step("retrieve:med").notes["adapter_hits"] == 1


def test_of_several_workloads_the_first_batch_tells_which_it_is(home: Path, tiny: Tiny) -> None:
    pipeline = opened(home, tiny, f'adapter_memory_mb = {ONE / 1e6 + 0.01}\nworkload = "two.json"')
    assert pipeline.memory is not None
    assert pipeline.memory.chosen is None

    _, trace = pipeline.explain(Queries.from_pairs([("q", QUERIES.texts[3])]), 5)

    assert pipeline.memory.chosen == "wards"
    assert trace.step("retrieve:sci").notes["adapter_loads"] == 0


@pytest.mark.parametrize(
    ("extra", "error", "says"),
    [
        ("adapter_memory_mb = -1", ConfigError, "adapter_memory_mb is -1; give megabytes above 0"),
        ("adapter_memory_mb = 0.5", ConfigError, "'e0' takes 1.77 MB, the collection's adapter_memory_mb is 0.5"),
        ('workload = "one.json"', ConfigError, "workload without adapter_memory_mb"),
        ('adapter_memory_mb = 9\nworkload = "none.json"', FormatError, "none.json does not exist"),
        ('adapter_memory_mb = 9\nworkload = "others.json"', ConfigError, "'x' is of experts ['general', 'tax']"),
    ],
)
def test_a_mistake_is_one_sentence(home: Path, tiny: Tiny, extra: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=re.escape(says)):
        opened(home, tiny, extra, name="mistaken")
