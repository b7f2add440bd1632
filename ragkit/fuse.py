"""Several rankings of the same questions made into one."""

from __future__ import annotations

from collections.abc import Sequence

from ragkit.types import RagkitError, Run, ranking


def rrf(runs: Sequence[Run], k: int = 60) -> Run:
    """Reciprocal rank fusion: a document scores the sum of 1 / (k + rank) over the runs that hold it.

    Cormack, Clarke and Buettcher 2009, equation 1; rank from 1; k = 60 is theirs.
    Raises RagkitError for no run at all, or for runs of different queries.
    """
    fused: Run = {query_id: {} for query_id in _queries(runs)}
    for run in runs:
        for query_id, scores in run.items():
            total = fused[query_id]
            for rank, doc_id in enumerate(ranking(scores), start=1):
                total[doc_id] = total.get(doc_id, 0.0) + 1 / (k + rank)
    return fused


def union(runs: Sequence[Run]) -> Run:
    """Every document of any run at its best rank in one of them; where ranks are equal, earlier runs first.

    The runs take turns, so that each brings its first document before any brings its second. It asks
    nothing of the scores, and nothing is gained by standing in several runs, which is what `rrf` adds.
    A document scores 1 / its turn. Raises RagkitError for no run at all, or for runs of different queries.
    """
    taken: Run = {query_id: {} for query_id in _queries(runs)}
    for turn, run in enumerate(runs, start=1):
        for query_id, scores in run.items():
            best = taken[query_id]
            for rank, doc_id in enumerate(ranking(scores)):
                best[doc_id] = max(best.get(doc_id, 0.0), 1 / (rank * len(runs) + turn))
    return taken


def minmax(runs: Sequence[Run], weights: Sequence[float]) -> Run:
    """Weighted sum of scores that are scaled to 0..1 for each query; 0 where a run lacks the document.

    The convex combination of Bruch, Gai and Ingber 2023 (An Analysis of Fusion Functions for Hybrid
    Retrieval, section 3.1), with each run's own lowest candidate as its minimum. Where all scores of
    a query are equal they count 1: found, and nothing more is known.
    Raises RagkitError for no run, runs of different queries, or another number of weights than runs.
    """
    if len(weights) != len(runs):
        raise RagkitError(f"fuse.minmax: {len(runs)} runs, {len(weights)} weights: expected one for each run")
    fused: Run = {query_id: {} for query_id in _queries(runs)}
    for run, weight in zip(runs, weights, strict=True):
        for query_id, scores in run.items():
            total = fused[query_id]
            low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
            for doc_id, score in scores.items():
                scaled = (score - low) / (high - low) if high > low else 1.0
                total[doc_id] = total.get(doc_id, 0.0) + weight * scaled
    return fused


def _queries(runs: Sequence[Run]) -> list[str]:
    if not runs:
        raise RagkitError("fuse: no run was given: expected at least one")
    for run in runs[1:]:
        if run.keys() != runs[0].keys():
            differing = sorted(run.keys() ^ runs[0].keys())[:3]
            raise RagkitError(f"fuse: the runs answer different queries, for example {differing}")
    return list(runs[0])
