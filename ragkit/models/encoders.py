"""Encoders: embedded, of sentence-transformers, of Cohere; over one cache of vectors."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ragkit.models import cache, cohere_api, embedded, hub
from ragkit.models.live import Settings
from ragkit.types import timed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PRECISIONS = {"f32": "float32", "bf16": "bfloat16"}
BATCH = 32  # texts that PyTorch computes at once
KEPT = 4 * BATCH  # texts that are encoded between two writes to the cache
COHERE = "cohere:"  # begins the name of an encoder that Cohere runs


class TextEncoder:
    """Texts to unit vectors, cached on disk by content; queries not while their price is measured.

    Cohere's queries never are: the meter is to see what each of them costs.
    """

    def __init__(self, name: str, precision: str) -> None:
        self.name, self.precision = name, precision

    @cached_property
    def _encode(self) -> Callable[[list[str], str], NDArray[np.float32]]:
        if self.name == embedded.NAME:
            return embedded.encoder(self.precision)
        if self.name.startswith(COHERE):
            return cohere_api.encoder(self.name.removeprefix(COHERE), Settings())
        return _sentence_transformer(self.name, self.precision)

    @cached_property
    def _kept_as(self) -> str:
        return f"{Path(self.name).name}@{fingerprint(self.name)[:16]}-{self.precision}"

    def documents(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], float]:
        """(texts, dim) float32, and the seconds that encoding took, whenever it was done.

        Only texts that the cache does not hold are encoded, each of them once.
        """
        vectors, spent = self._kept(self._kept_as, texts, "document")
        return self._read(vectors), spent

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, dim) float32."""
        if timed() or self.name.startswith(COHERE):
            return self._encode(list(texts), "query")
        return self._read(self._kept(f"{self._kept_as}-queries", texts, "query")[0])

    def _read(self, vectors: list[bytes]) -> NDArray[np.float32]:
        """What was kept, as it was computed."""
        read = [np.frombuffer(vector, np.float32) for vector in vectors]
        return np.stack(read) if read else np.zeros((0, 0), np.float32)

    def _kept(self, kept_as: str, texts: Sequence[str], kind: str) -> tuple[list[bytes], float]:
        """The vectors of each text as that cache holds them, once it does; the seconds of each text once."""
        keys = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
        with cache.vectors(kept_as) as kept:
            known = cache.read(kept, keys)
            if len(known) < len(set(keys)):
                with cache.taking_turns(kept):
                    known = self._encode_missing(kept, dict(zip(keys, texts, strict=True)), kind)
        return [known[key][0] for key in keys], sum(seconds for _, seconds in known.values())

    def _encode_missing(
        self, kept: sqlite3.Connection, texts: dict[str, str], kind: str
    ) -> dict[str, tuple[bytes, float]]:
        known = cache.read(kept, list(texts))
        missing = {key: text for key, text in texts.items() if key not in known}
        if not missing:
            return known  # another run encoded them while this one waited for its turn
        encode = self._encode  # loads the model, which is no part of the seconds
        for batch in self._batches(missing):
            start = perf_counter()
            vectors = encode(list(batch.values()), kind)
            seconds = (perf_counter() - start) / len(batch)
            rows = [(key, v.tobytes(), seconds) for key, v in zip(batch, vectors, strict=True)]
            with kept:  # one transaction a batch: an interrupted run loses one batch
                kept.executemany("INSERT INTO vectors VALUES (?, ?, ?)", rows)
            known |= {key: (vector, seconds) for key, vector, seconds in rows}
        return known

    def _batches(self, texts: dict[str, str]) -> Iterator[dict[str, str]]:
        """Batches of about equal length, longest first, under a progress bar where somebody watches."""
        from tqdm.auto import tqdm

        order = sorted(texts, key=lambda key: -len(texts[key]))
        size = cohere_api.TEXTS if self.name.startswith(COHERE) else KEPT
        watched = "RAGKIT_RUN_DIR" not in os.environ and len(order) > 2 * KEPT
        with tqdm(total=len(order), desc=f"encoding with {self.name}", disable=not watched) as bar:
            for start in range(0, len(order), size):
                keys = order[start : start + size]
                yield {key: texts[key] for key in keys}
                bar.update(len(keys))


def _sentence_transformer(name: str, precision: str) -> Callable[[list[str], str], NDArray[np.float32]]:
    """Any model of sentence-transformers, with its own prompts for queries and documents if it has them."""

    def load(local: bool) -> SentenceTransformer:
        import torch
        from sentence_transformers import SentenceTransformer

        dtype = getattr(torch, PRECISIONS[precision])
        return SentenceTransformer(name, model_kwargs={"dtype": dtype}, local_files_only=local)

    instead = f"; {embedded.NAME} is built in"
    model = hub.load(name, "a sentence-transformers model", load, "sentence-transformers", instead)

    def encode(texts: list[str], kind: str) -> NDArray[np.float32]:
        prompted = model.encode_query if kind == "query" else model.encode_document
        vectors = prompted(texts, batch_size=BATCH, show_progress_bar=False, normalize_embeddings=True,
                           convert_to_tensor=True)  # fmt: skip
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    return encode


def fingerprint(name: str) -> str:
    """What identifies an encoder: the SHA-256 of its weights, of a folder, else of its name on the hub."""
    if name == embedded.NAME:
        return embedded.SHA256
    if Path(name).is_dir():
        digest = hashlib.sha256()
        for path in sorted(p for p in Path(name).rglob("*") if p.is_file()):
            digest.update(f"{path.relative_to(name)}:{embedded.sha256(path)}\n".encode())
        return digest.hexdigest()
    return hashlib.sha256(name.encode()).hexdigest()
