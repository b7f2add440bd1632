"""Rerankers: late interaction over the token vectors of the embedded model, and cross-encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragkit.models import embedded, hub
from ragkit.models.encoders import BATCH, TextEncoder
from ragkit.types import RagkitError


class MaxSim:
    """A scorer: the sum, over the tokens of a query, of the greatest cosine with a token of the text.

    Late interaction, Khattab and Zaharia 2020 (ColBERT, sections 3.2 and 3.3, equation 3), over a model
    that was not trained for it: all-MiniLM-L6-v2, 384 dimensions where ColBERT projects to 128. All
    tokens of both count, [CLS] and [SEP] too as in ColBERT; without its markers for query and document,
    its [MASK] tokens that lengthen a query, and its list of punctuation to leave out. Of a text the
    first 256 tokens are read. A text is encoded once; `documents` does it beforehand. `size_bytes` and
    `build_seconds` are those of the token vectors, (tokens, 384) float16 for each text.
    """

    def __init__(self, precision: str) -> None:
        self._encoder = _TokenEncoder(embedded.NAME, precision)
        self._tokens: dict[str, NDArray[np.float16]] = {}
        self.build_seconds = 0.0

    @property
    def size_bytes(self) -> int:
        """Bytes of the token vectors of all texts met so far."""
        return sum(vectors.nbytes for vectors in self._tokens.values())

    def documents(self, texts: Iterable[str]) -> None:
        """Encode these texts now, unless they are already."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._tokens]
        if not missing:
            return
        vectors, seconds = self._encoder.documents(missing)
        self._tokens |= zip(missing, vectors, strict=True)
        self.build_seconds += seconds

    def __call__(self, pairs: list[tuple[str, str]]) -> list[float]:
        """The score of each (query, text): at most the number of tokens of the query."""
        self.documents(text for _, text in pairs)
        places: dict[str, list[int]] = {}
        for place, (query, _) in enumerate(pairs):
            places.setdefault(query, []).append(place)
        scores = np.zeros(len(pairs))
        for query, vectors in zip(places, self._encoder.queries(list(places)), strict=True):
            texts = [self._tokens[pairs[place][1]] for place in places[query]]
            scores[places[query]] = late_interaction(vectors, texts)
        return [float(score) for score in scores]


def late_interaction(query: NDArray[Any], texts: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    """Equation 3: (query tokens, dim), and (tokens, dim) of each text, to a score for each text."""
    tokens = np.concatenate(texts, dtype=np.float32)  # of all texts, so that one product does it
    similarity = query.astype(np.float32) @ tokens.T  # (query tokens, tokens)
    starts = np.cumsum([0, *(len(vectors) for vectors in texts[:-1])])
    best = np.maximum.reduceat(similarity, starts, axis=1)  # (query tokens, texts)
    return np.asarray(best.sum(axis=0), np.float32)


class _TokenEncoder(TextEncoder):
    """The embedded model's token vectors: of each text (tokens, 384) float16, each scaled to length 1."""

    @cached_property
    def _encode(self) -> Callable[[list[str], str], Any]:
        tokens_of = embedded.token_vectors(self.precision)

        def encode(texts: list[str], kind: str) -> list[NDArray[np.float16]]:
            found = []
            for vectors, mask in tokens_of(texts):
                unit = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
                found += [v[:n].astype(np.float16) for v, n in zip(unit, mask.sum(axis=1), strict=True)]
            return found

        return encode

    @cached_property
    def _kept_as(self) -> str:
        return f"{self.name}@{embedded.SHA256[:16]}-tokens-{self.precision}"

    def _read(self, vectors: list[bytes]) -> Any:
        return [np.frombuffer(vector, np.float16).reshape(-1, embedded.DIMENSIONS) for vector in vectors]


class CrossEncoder:
    """A scorer: a model of sentence-transformers that reads query and text together, in one pass a pair.

    Nogueira and Cho 2019 (Passage Re-ranking with BERT, section 2.3). Scores are those of the model's own
    `predict`; of a pair it reads as many tokens as it was made for.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, pairs: list[tuple[str, str]]) -> list[float]:
        """A score for each (query, text). Raises RagkitError for a model with several scores a pair."""
        if not pairs:
            return []
        scores = np.asarray(self._model.predict(pairs, batch_size=BATCH, show_progress_bar=False))
        if scores.ndim > 1:
            raise RagkitError(
                f"models.cross_encoder: {self.name!r} gives {scores.shape[1]} scores a pair: expected a "
                "model with one (num_labels 1), which was trained to rank"
            )
        return [float(score) for score in scores]

    @cached_property
    def _model(self) -> Any:
        def load(local: bool) -> Any:
            from sentence_transformers import CrossEncoder

            return CrossEncoder(self.name, local_files_only=local)

        return hub.load(self.name, "a cross-encoder", load, "cross-encoder")
