"""Adapter files: the weights that turn a shared base model into one expert, and the card that says where they are from.

A folder of an adapter holds

    adapter_model.safetensors   LoRA matrices under PEFT's names, or one matrix for a linear adapter
    adapter_config.json         what PEFT reads (LoRA only), so that other programs can load the expert too
    card.json                   kind, base weights' SHA-256, data, licence, command, dev curve, and the file's SHA-256

LoRA: Hu et al. 2022, y = W x + (alpha / r) B A x. A linear adapter maps the finished query vector: q' ∝ q + W q, the
cheapest query-side expert. Documents are never touched by either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from periti.errors import EncoderError, UnknownName
from periti.files import sha256_file
from periti.protocols import EncoderIdentity
from periti.registry import nearest

WEIGHTS, CONFIG, CARD = "adapter_model.safetensors", "adapter_config.json", "card.json"
KINDS = ("lora", "linear")
LINEAR = "linear.weight"
_PREFIX = "base_model.model."
_LORA = re.compile(r"^(?P<layer>.+)\.lora_(?P<side>[AB])\.weight$")

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Adapter:
    """The weights of one query-side expert, checked: finite, and of shapes that belong together.

    Attributes:
        kind: "lora" or "linear".
        base: SHA-256 of the base model's weights that it was trained on.
        layers: for LoRA, name of a linear layer -> (A float32 (r, in), B float32 (out, r)).
        matrix: for a linear adapter, W float32 (d, d); None for LoRA.
        scale: alpha / r of LoRA.
        card: everything else that is known of it.
    """

    kind: str
    base: str
    layers: Mapping[str, tuple[Matrix, Matrix]] = field(default_factory=dict)
    matrix: Matrix | None = None
    scale: float = 1.0
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over the weights: two adapters with the same digest are the same expert."""
        import hashlib

        seen = hashlib.sha256(f"{self.kind} {self.base} {self.scale!r}".encode())
        for name, tensor in sorted(self.tensors().items()):
            seen.update(f"{name}{tensor.shape}".encode())
            seen.update(np.ascontiguousarray(tensor, np.float32).tobytes())
        return seen.hexdigest()

    @property
    def rank(self) -> int:
        """The rank of its matrices; the dimension for a linear adapter."""
        if self.matrix is not None:
            return int(self.matrix.shape[0])
        return max(int(a.shape[0]) for a, _ in self.layers.values())

    @property
    def bytes(self) -> int:
        """Bytes of its weights in float32."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Matrix], *, kind: str, base: str, scale: float, **card: Any) -> Self:
        """An adapter of the tensors of a file.

        Raises:
            EncoderError: a tensor is missing, misshapen, not finite, or of no kind of adapter.
        """
        if kind not in KINDS:
            raise EncoderError(f"adapter: no kind {kind!r}; known: {', '.join(KINDS)}")
        for name, tensor in tensors.items():
            if not np.isfinite(tensor).all():
                raise EncoderError(f"adapter: the weights {name!r} hold NaN or infinity; train it again")
        if kind == "linear":
            matrix = tensors.get(LINEAR)
            if matrix is None or matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
                raise EncoderError(f"adapter: a linear adapter needs one square matrix {LINEAR!r}; train it again")
            return cls(kind, base, matrix=matrix, card=card)
        return cls(kind, base, layers=_layers(tensors), scale=scale, card=card)

    def tensors(self) -> dict[str, Matrix]:
        """The tensors under the names of its file."""
        if self.matrix is not None:
            return {LINEAR: self.matrix}
        named = {}
        for layer, (a, b) in self.layers.items():
            named[f"{_PREFIX}{layer}.lora_A.weight"], named[f"{_PREFIX}{layer}.lora_B.weight"] = a, b
        return named

    def require_base(self, identity: EncoderIdentity) -> None:
        """Refuse another base model than the adapter was trained on.

        Raises:
            EncoderError: the weights differ.
        """
        if self.base != identity.weights_sha256:
            raise EncoderError(
                f"adapter {self.card.get('name', '?')!r} was trained on a base with weights {self.base[:12]}..., but "
                f"{identity.name!r} has {identity.weights_sha256[:12]}...; use that base or train the expert again"
            )


def _layers(tensors: Mapping[str, Matrix]) -> dict[str, tuple[Matrix, Matrix]]:
    sides: dict[str, dict[str, Matrix]] = {}
    for name, tensor in tensors.items():
        found = _LORA.match(name.removeprefix(_PREFIX))
        if found is None or tensor.ndim != 2:
            raise EncoderError(
                f"adapter: the tensor {name!r} belongs to no LoRA adapter; give one made by periti or PEFT"
            )
        sides.setdefault(found["layer"], {})[found["side"]] = tensor
    if not sides:
        raise EncoderError("adapter: the file holds no LoRA matrices; train it again")
    layers = {}
    for layer, pair in sides.items():
        if set(pair) != {"A", "B"} or pair["A"].shape[0] != pair["B"].shape[1]:
            raise EncoderError(f"adapter: the matrices of {layer!r} do not belong together; train it again")
        layers[layer] = (pair["A"], pair["B"])
    return layers


def write_adapter(adapter: Adapter, folder: Path) -> None:
    """Write an adapter's files into an existing, empty folder (`periti.indexers.storage.building` makes it whole)."""
    tensors = {name: np.ascontiguousarray(tensor, np.float32) for name, tensor in adapter.tensors().items()}
    write_arrays(folder / WEIGHTS, tensors, {"format": "pt"})
    if adapter.kind == "lora":
        targets = sorted({layer.rpartition(".")[2] for layer in adapter.layers})
        config = {
            "peft_type": "LORA",
            "task_type": "FEATURE_EXTRACTION",
            "base_model_name_or_path": str(adapter.card.get("base_name", "")),
            "r": adapter.rank,
            "lora_alpha": adapter.scale * adapter.rank,
            "lora_dropout": 0.0,
            "target_modules": targets,
            "bias": "none",
            "inference_mode": True,
        }
        (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    facts = {
        "kind": adapter.kind,
        "base": adapter.base,
        "scale": adapter.scale,
        "weights_sha256": sha256_file(folder / WEIGHTS),
        **adapter.card,
    }
    (folder / CARD).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, str]) -> None:
    """Write named arrays and a few words about them as one safetensors file."""
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(value) for name, value in arrays.items()}, str(path), metadata=dict(about))


def read_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The arrays of a safetensors file, and the words about them.

    Raises:
        EncoderError: it is no such file, or a truncated one.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (SafetensorError, ValueError, OSError) as error:
        raise EncoderError(f"{path} is not a whole safetensors file ({error}); make it again") from error


def read_adapter(folder: Path) -> Adapter:
    """The adapter of a folder that `write_adapter` filled.

    Raises:
        EncoderError: the folder holds no adapter, or a file is truncated, altered or not an adapter's.
    """
    card_path, weights_path = folder / CARD, folder / WEIGHTS
    for path in (card_path, weights_path):
        if not path.is_file():
            raise EncoderError(f"no adapter at {folder} ({path.name} is missing); train it with `periti train expert`")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        kind, base, scale = card.pop("kind"), card.pop("base"), float(card.pop("scale"))
        claimed = card.pop("weights_sha256")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise EncoderError(
            f"{card_path} is not the card of an adapter; restore it or train the expert again"
        ) from error
    if sha256_file(weights_path) != claimed:
        raise EncoderError(f"{weights_path} is truncated or was altered; restore it or train the expert again")
    tensors, _ = read_arrays(weights_path)
    return Adapter.of_tensors(tensors, kind=kind, base=base, scale=scale, **card)


def shipped_expert(name: str) -> Path:
    """Folder of an expert that comes with periti, over MiniLM.

    Raises:
        UnknownName: there is none of that name.
    """
    folder = Path(__file__).parent / "shipped"
    known = sorted(path.name for path in folder.iterdir() if (path / CARD).is_file()) if folder.is_dir() else []
    if name not in known:
        raise UnknownName(f"no expert {name!r} ships with periti; {nearest(name, known)}")
    return folder / name
