"""Rankings that say a thing once: near-copies found, collapsed or pushed down, and counted.

Vectors of documents are doc_id -> (dim,), of length 1, so that an inner product is a cosine. Groups of
near-copies are doc_id -> group; a document that is in none stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragkit.types import Corpus, RagkitError, Run, Vectors, ranking

Groups = dict[str, str]  # doc_id -> the first doc_id, in alphabetical order, of its group

BLOCK = 1024  # documents that are compared with all others at a time: bounds the memory
ROUNDING = 1e-6  # of a cosine in float32: the same text twice counts as 1


def document_vectors(
    passages: Sequence[str], vectors: NDArray[np.float32], parents: Mapping[str, str]
) -> Vectors:
    """The mean of each document's passages, scaled to length 1. vectors: (passages, dim).

    No second encoding, and nothing is cut off where an encoder stops reading. Raises KeyError for a
    passage without a parent.
    """
    summed: Vectors = {}
    for chunk_id, vector in zip(passages, vectors, strict=True):
        doc_id = parents[chunk_id]
        summed[doc_id] = summed[doc_id] + vector if doc_id in summed else vector
    return {doc_id: vector / max(float(np.linalg.norm(vector)), 1e-12) for doc_id, vector in summed.items()}


def mmr(run: Run, vectors: Vectors, k: int, trade: float) -> Run:
    """Maximal marginal relevance: k documents, each the best by its score less what is already said.

    Carbonell and Goldstein 1998 (The Use of MMR, section 2): `trade` (their lambda) times the score,
    minus 1 - trade times the largest cosine to a document picked before. Theirs are two similarities
    of one kind; here scores are scaled to 0..1 for each query, lowest candidate to highest, as in
    fuse.minmax, and a negative cosine counts 0. Then no pick is worth more than the one before, and
    the score returned, which is that worth, orders the picks. trade 1 leaves the order as it was.
    Raises RagkitError for k under 1, trade outside 0..1, or a document without a vector.
    """
    if k < 1 or not 0 <= trade <= 1:
        raise RagkitError(f"diversify.mmr: k {k}, trade {trade}: expected k of 1 or more, trade in 0..1")
    picked: Run = {}
    for query_id, scores in run.items():
        if unknown := [doc_id for doc_id in scores if doc_id not in vectors]:
            raise RagkitError(
                f"diversify.mmr: {len(unknown)} documents of query {query_id!r} have no vector, "
                f"{unknown[:3]}: give vectors of all documents that the run can name"
            )
        picked[query_id] = _picks(scores, vectors, k, trade) if scores else {}
    return picked


def _picks(scores: Mapping[str, float], vectors: Vectors, k: int, trade: float) -> dict[str, float]:
    doc_ids = sorted(scores, reverse=True)  # argmax takes the first: ties go to the higher doc_id
    relevance = np.array([scores[doc_id] for doc_id in doc_ids])
    low, high = relevance.min(), relevance.max()
    relevance = (relevance - low) / (high - low) if high > low else np.ones(len(doc_ids))
    matrix = np.stack([vectors[doc_id] for doc_id in doc_ids])
    cosines = np.maximum(matrix @ matrix.T, 0.0)  # (candidates, candidates)
    said = np.zeros(len(doc_ids))  # how much of each document the picks before have said
    left = np.ones(len(doc_ids), bool)
    picks: dict[str, float] = {}
    for _ in range(min(k, len(doc_ids))):
        worth = np.where(left, trade * relevance - (1 - trade) * said, -np.inf)
        best = int(worth.argmax())
        picks[doc_ids[best]] = float(worth[best])
        left[best] = False
        said = np.maximum(said, cosines[best])
    return picks


def near_copies(vectors: Vectors, threshold: float) -> Groups:
    """The documents that have another one at this cosine or nearer, in groups.

    Groups are chained, as the clusters of Broder et al. 1997 are: a copy of a copy is in the group.
    A low threshold therefore ends in one large group. Raises RagkitError unless 0 < threshold <= 1.
    """
    _check("near_copies", threshold)
    if not vectors:
        return {}
    doc_ids, matrix = list(vectors), np.stack(list(vectors.values()))
    found = []
    for start in range(0, len(doc_ids), BLOCK):
        rows, columns = np.nonzero(matrix[start : start + BLOCK] @ matrix.T >= threshold - ROUNDING)
        found.append((rows + start, columns))
    return _linked(doc_ids, found)


def resembling(corpus: Corpus, threshold: float, words: int = 3) -> Groups:
    """The documents that share this part of their word sequences with another one, in groups.

    Resemblance of Broder et al. 1997 (Syntactic Clustering of the Web, "Defining similarity"): of the
    sequences of `words` words that two documents have, the share that both have. They take ten words
    and a half. Computed exactly, where they estimate it from samples. A document without words
    resembles none. Raises RagkitError unless 0 < threshold <= 1 and words >= 1.
    """
    from scipy.sparse import csr_array

    _check("resembling", threshold)
    if words < 1:
        raise RagkitError(f"diversify.resembling: words {words}: expected sequences of 1 word or more")
    doc_ids, places, starts = list(corpus), list[int](), [0]
    known: dict[tuple[str, ...], int] = {}
    for text in corpus.values():
        places += [known.setdefault(shingle, len(known)) for shingle in _shingles(text, words)]
        starts.append(len(places))
    shape = (len(doc_ids), len(known))
    has = csr_array((np.ones(len(places), np.int32), places, starts), shape=shape)  # document x sequence
    counts, flipped = np.diff(starts), has.T.tocsr()
    found = []
    for start in range(0, len(doc_ids), BLOCK):
        both = (has[start : start + BLOCK] @ flipped).tocoo()
        rows, columns = both.row + start, both.col
        enough = both.data >= threshold * (counts[rows] + counts[columns] - both.data)
        found.append((rows[enough], columns[enough]))
    return _linked(doc_ids, found)


def linked(pairs: Iterable[tuple[str, str]]) -> Groups:
    """The documents that pairs connect, directly or through others, in groups."""
    above: dict[str, str] = {}

    def first(doc_id: str) -> str:
        while above.setdefault(doc_id, doc_id) != doc_id:
            above[doc_id] = above[above[doc_id]]  # halves the way, for whoever asks next
            doc_id = above[doc_id]
        return doc_id

    for one, other in pairs:
        low, high = sorted((first(one), first(other)))
        above[high] = low
    return {doc_id: first(doc_id) for doc_id in list(above)}


def collapse(run: Run, groups: Groups, spared: Mapping[str, set[str]] | None = None) -> Run:
    """The best document of each group speaks for it; the others go to the end, in the order they had.

    To the end and not away: a near-copy can be the one that was wanted (the same rule for another
    country), and whoever reads on, a person or a reranker, can still come to it. `spared`, query_id ->
    doc_ids, stay where they are in any case. Scores at the end are lowered below all others.
    """
    collapsed: Run = {}
    for query_id, scores in run.items():
        kept, stay = set[str](), (spared or {}).get(query_id, set())
        drop = max(scores.values(), default=0.0) - min(scores.values(), default=0.0) + 1.0
        new = collapsed.setdefault(query_id, {})
        for doc_id in ranking(scores):
            group = groups.get(doc_id, doc_id)
            repeated = group in kept and doc_id not in stay
            new[doc_id] = scores[doc_id] - drop if repeated else scores[doc_id]
            kept.add(group)
    return collapsed


def repeats(run: Run, groups: Groups, k: int) -> dict[str, list[str]]:
    """Of each query's first k documents those whose group stands above them already."""
    repeated: dict[str, list[str]] = {}
    for query_id, scores in run.items():
        seen = set[str]()
        repeated[query_id] = []
        for doc_id in ranking(scores, k):
            group = groups.get(doc_id, doc_id)
            if group in seen:
                repeated[query_id].append(doc_id)
            seen.add(group)
    return repeated


def redundancy(run: Run, groups: Groups, k: int) -> dict[str, float]:
    """The share of each query's first k documents (of all, if fewer) that says the same as one above.

    0 for a query without documents.
    """
    repeated = repeats(run, groups, k)
    return {query_id: len(repeated[query_id]) / max(min(k, len(run[query_id])), 1) for query_id in run}


def first_ranks(run: Run, wanted: Mapping[str, set[str]]) -> dict[str, float]:
    """The rank, from 1, of the first document that each query of `wanted` wants; infinite without one."""
    ranked = {query_id: ranking(run.get(query_id, {})) for query_id in wanted}
    found = {q: [rank for rank, d in enumerate(ranked[q], start=1) if d in wanted[q]] for q in wanted}
    return {query_id: float(min(ranks, default=np.inf)) for query_id, ranks in found.items()}


def _shingles(text: str, words: int) -> set[tuple[str, ...]]:
    found = re.findall(r"\w+", text.lower())
    last = max(len(found) - words, 0)  # a text of fewer words is one sequence
    return {tuple(found[i : i + words]) for i in range(last + 1)} - {()}


def _linked(doc_ids: Sequence[str], found: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> Groups:
    """The groups of pairs of places; each pair is looked at once, and none with itself."""
    places = ((rows[rows < columns], columns[rows < columns]) for rows, columns in found)
    return linked((doc_ids[i], doc_ids[j]) for block in places for i, j in zip(*block, strict=True))


def _check(name: str, threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise RagkitError(
            f"diversify.{name}: threshold {threshold}: expected more than 0 and up to 1 (the same text)"
        )
