"""Answers given once, reused for a question that is like an earlier one: a semantic cache, and its replay.

A stream is questions in the order of their arrival, under ids "0/q1", "0/q2-typo", ..., "1/q2", ... (stream,
then question). What was reused is written as answers: query_id -> the earlier question whose answer was
served, "" where the question was answered anew and its answer kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ragkit.types import Answers, Collection, Queries, RagkitError, Vectors

if TYPE_CHECKING:
    from pandas import DataFrame

PRIMARY = "decided right"
ORIGINAL = "original"  # the style of a question that rewords no other


class SemanticCache:
    """Answers a question with the answer to the nearest earlier one, if their cosine reaches `threshold`.

    GPTCache (Bang 2023) in its plain form: what is answered anew is stored under the question's vector, what
    is served is not, and nothing is evicted. `encode`: questions to unit vectors; `answer`: who answers where
    nothing is near. `reused`: query_id -> the question whose answer it got. Raises RagkitError for a
    threshold outside 0 to 1.
    """

    build_seconds = 0.0  # it fills while it works

    def __init__(
        self, encode: Callable[[Queries], Vectors], answer: Callable[[Queries], Answers], threshold: float
    ) -> None:
        if not 0 <= threshold <= 1:
            raise RagkitError(f"reuse.SemanticCache: threshold {threshold}: expected a cosine of 0 to 1")
        self._encode, self._answer, self._threshold = encode, answer, threshold
        self._kept: dict[str, list[tuple[str, str]]] = {}  # scope -> (query_id, answer), as they came
        self._vectors: dict[str, NDArray[np.float32]] = {}  # scope -> (kept, dim)
        self.reused: Answers = {}

    def __call__(self, queries: Queries, scope: str = "") -> Answers:
        """An answer for each question, in their order. What was asked in another scope is not looked at.

        The scope is whatever changes an answer beside the question: the groups of the person who asks.
        """
        given: Answers = {}
        for query_id, vector in self._encode(queries).items():
            kept = self._kept.setdefault(scope, [])
            vectors = self._vectors.setdefault(scope, np.zeros((0, len(vector)), np.float32))
            cosines = vectors @ vector
            best = int(cosines.argmax()) if kept else -1
            if kept and cosines[best] >= self._threshold:
                self.reused[query_id], given[query_id] = kept[best]
            else:
                self.reused[query_id] = ""
                given[query_id] = self._answer({query_id: queries[query_id]})[query_id]
                kept.append((query_id, given[query_id]))
                self._vectors[scope] = np.vstack([vectors, vector])
        return given

    @property
    def size_bytes(self) -> int:
        """Of the vectors and the answers that are kept."""
        vectors = sum(vectors.nbytes for vectors in self._vectors.values())
        return vectors + sum(len(text.encode()) for kept in self._kept.values() for _, text in kept)


def exact(texts: Sequence[str]) -> NDArray[np.float32]:
    """1 where two texts have the same letters and digits in the same words, else 0: (texts, texts)."""
    plain = ["".join(c if c.isalnum() else " " for c in text.casefold()).split() for text in texts]
    numbers = {text: n for n, text in enumerate(dict.fromkeys(map(tuple, plain)))}
    labels = np.array([numbers[tuple(words)] for words in plain])
    return np.asarray(labels[:, None] == labels[None, :], np.float32)


def jaccard(terms: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """Terms that two texts share, by the terms that either has (Jaccard 1912): (texts, texts); 0 for none."""
    vocabulary = {term: n for n, term in enumerate(dict.fromkeys(t for own in terms for t in own))}
    holds = np.zeros((len(terms), len(vocabulary)), np.float32)
    for row, own in enumerate(terms):
        holds[row, [vocabulary[term] for term in own]] = 1
    shared, sizes = holds @ holds.T, holds.sum(axis=1)
    return np.asarray(shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1), np.float32)


def streams(collection: Collection, rewordings: Collection, number: int, seed: int = 0) -> Collection:
    """All questions of both, once in each of `number` orders that the seed draws.

    The style of a rewording takes the place of its type, so that results stand by style; `variant_of` is the
    original question, in every stream, so that all its rewordings in all streams are one cluster. Raises
    RagkitError for fewer than one stream.
    """
    if number < 1:
        raise RagkitError(f"reuse.streams: {number} streams: expected at least 1")
    both = replace(
        collection,
        queries=collection.queries | rewordings.queries,
        qrels=collection.qrels | rewordings.qrels,
        answers=collection.answers | rewordings.answers,
        query_info=collection.query_info | rewordings.query_info,
    )
    rng, texts = np.random.default_rng(seed), list(both.queries)
    drawn = both.again({f"{n}/{q}": q for n in range(number) for q in rng.permutation(texts).tolist()})
    info = {q: known | {"type": known.get("style", ORIGINAL)} for q, known in drawn.query_info.items()}
    return replace(drawn, query_info=info)


def replay(
    queries: Queries, likeness: NDArray[np.float32], places: Mapping[str, int], threshold: float
) -> Answers:
    """What a cache would have reused in each stream: `SemanticCache` over likenesses that are known already.

    `likeness`: (questions, questions); `places`: query_id, without its stream -> row. Of equally like
    questions the earliest. Raises KeyError for a question without a place.
    """
    near: dict[int, list[tuple[float, int]]] = {}  # row -> (likeness, row) of all that could be served
    for row, other in zip(*np.nonzero(likeness >= threshold), strict=True):
        near.setdefault(int(row), []).append((float(likeness[row, other]), int(other)))
    reused: Answers = {}
    kept: dict[tuple[str, int], tuple[int, str]] = {}  # (stream, row) -> (- time of arrival, arrival)
    for time, arrival in enumerate(queries):
        stream, _, query_id = arrival.partition("/")
        row = places[query_id]
        like = ((value, kept[stream, o]) for value, o in near.get(row, ()) if (stream, o) in kept)
        _, (_, reused[arrival]) = max(like, default=(0.0, (0, "")))
        if not reused[arrival]:
            kept[stream, row] = (-time, arrival)
    return reused


def scored(reused: Answers, collection: Collection) -> DataFrame:
    """Each measure on each arrival: columns query_id, measure, value (0 or 1).

    "true hit": the answer to the same question in other words was served; "false hit": to another one.
    "decided right", the primary measure, is a true hit, or no hit where the stream had not yet brought the
    question in any words. "repeated" says whether it had: the most that true hits can come to.
    """
    import pandas as pd

    original = {q: str(collection.query_info[q]["variant_of"]) for q in collection.queries}
    rows: list[tuple[str, str, float]] = []
    seen: set[tuple[str, str]] = set()
    for arrival in collection.queries:
        asked = (arrival.partition("/")[0], original[arrival])
        source, repeated = reused[arrival], asked in seen
        true = bool(source) and original[source] == original[arrival]
        values = {
            PRIMARY: true or not (source or repeated),
            "true hit": true,
            "false hit": bool(source) and not true,
            "repeated": repeated,
        }
        rows += [(arrival, name, float(value)) for name, value in values.items()]
        seen.add(asked)
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def rates(reused: Answers, collection: Collection) -> dict[str, float]:
    """Shares of all arrivals: "true hits", "false hits"; and of all hits: "precision" (nan without any).

    "excusable" is the share of the false hits whose question accepts an answer that the other one accepts.
    """
    original = {q: str(collection.query_info[q]["variant_of"]) for q in collection.queries}
    hits = {q: source for q, source in reused.items() if source}
    false = {q: source for q, source in hits.items() if original[q] != original[source]}

    def accepted(query_id: str) -> set[str]:
        return {answer.casefold() for answer in collection.answers.get(query_id, [])}

    excused = sum(bool(accepted(q) & accepted(source)) for q, source in false.items())
    true = len(hits) - len(false)
    return {
        "true hits": true / max(len(reused), 1),
        "false hits": len(false) / max(len(reused), 1),
        "precision": true / len(hits) if hits else float("nan"),
        "excusable": excused / len(false) if false else float("nan"),
    }


def within(reused: Answers, collection: Collection, most: float) -> float:
    """The share of true hits, 0 if more than `most` of all arrivals are false hits: to choose a threshold."""
    found = rates(reused, collection)
    return found["true hits"] if found["false hits"] <= most else 0.0
