"""A cross-encoder in 8 bits: weights (7 of them used) and activations as int8, by ONNX Runtime, whose home this is.

Faster than float32 on processors with VNNI, and not without. Activations are scaled tensor by tensor: in a batch
the score of a pair would depend on its neighbours; pairs are therefore read one at a time, which costs nothing here (no
padding) and makes a score depend on its pair alone, to the last bit.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from periti.encoders.cross import CrossEncoder, PairTokens, load_cross_encoder
from periti.errors import EncoderError

INT8 = "int8"
FILE = "model.int8.onnx"


class QuantisedCrossEncoder(CrossEncoder):
    """A cross-encoder whose forward pass is an int8 graph.

    Args:
        whole: the cross-encoder it was made of: tokenizer, lengths, labels.
        path: of the graph.

    Raises:
        EncoderError: the graph can not be loaded.
    """

    def __init__(self, whole: CrossEncoder, path: Path) -> None:
        import onnxruntime
        import torch

        super().__init__(
            whole.model,
            whole.tokenizer,
            name=whole.name,
            max_length=whole.max_length,
            query_budget=whole.query_budget,
            relevant_label=whole.relevant_label,
        )
        self.precision = INT8
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common type that is documented
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EncoderError(f"{path}: not a graph that can be read ({first}); make it again") from error
        self._file = path

    @property
    def identity(self) -> Mapping[str, Any]:
        """What its scores depend on, the graph's digest too."""
        from hashlib import sha256

        return {**super().identity, "graph_sha256": sha256(self._file.read_bytes()).hexdigest()}

    def forward(self, batch: Sequence[PairTokens]) -> Any:
        """Scores of the pairs, each read by itself, a tensor (b,)."""
        import torch

        known = {one.name for one in self._session.get_inputs()}
        raw = [
            self._session.run(None, {k: v.numpy() for k, v in self.features([pair]).items() if k in known})[0][0]
            for pair in batch
        ]
        return self.scores(torch.from_numpy(np.stack(raw)))


def load_quantised(
    folder: Path, *, max_length: int | None = None, query_budget: int = 64, relevant_label: int | None = None
) -> QuantisedCrossEncoder:
    """The int8 form of a cross-encoder in a folder.

    Raises:
        EncoderError: the folder holds no cross-encoder, or no int8 graph of it.
    """
    if not (folder / FILE).is_file():
        raise EncoderError(f"{folder} has no {FILE}; make it with  periti train quantise {folder}")
    whole = load_cross_encoder(folder, max_length=max_length, query_budget=query_budget, relevant_label=relevant_label)
    return QuantisedCrossEncoder(whole, folder / FILE)


def quantise(model: CrossEncoder, path: Path) -> None:
    """Write the int8 graph of a cross-encoder: weights by output channel, activations as they come.

    Raises:
        EncoderError: the libraries that write graphs are not installed, or the model can not be traced.
    """
    if type(model) is not CrossEncoder:
        raise EncoderError(f"{model.name}: a late-join cross-encoder has no int8 form")
    try:
        import onnxscript  # noqa: F401  (torch's exporter needs it and says so late)
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise EncoderError(
            f"int8 graphs are written by onnx and onnxscript, which are not installed ({error}); "
            'pip install "periti[onnx]"'
        ) from error
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        whole, small = Path(scratch) / "whole.onnx", Path(scratch) / "small.onnx"
        _export(model, whole)
        # Weights of 7 bits: without VNNI, products of 8 bits are added up in 16 and saturate, and scores are wrong.
        quantize_dynamic(str(whole), str(small), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
        small.replace(path)


def _export(model: CrossEncoder, path: Path) -> None:
    """The float32 graph, for any number of pairs of any length."""
    import torch

    sample = model.features(model.tokenise(["a query", "another"], ["a document", "a second document"]))
    pairs, tokens = torch.export.Dim("pairs", min=1, max=4096), torch.export.Dim("tokens", min=2, max=model.max_length)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own parts
        torch.onnx.export(
            model.model,
            (),
            str(path),
            kwargs=sample,
            dynamic_shapes={name: {0: pairs, 1: tokens} for name in sample},
            input_names=list(sample),
            output_names=["logits"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
