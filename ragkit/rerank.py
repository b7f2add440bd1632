"""The first candidates of a ranking in a new order: by a model that reads question and text together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragkit.types import Corpus, Qrels, Queries, RagkitError, Run, Scorer, best, ranking


def pointwise(queries: Queries, run: Run, corpus: Corpus, scorer: Scorer, depth: int) -> Run:
    """The first `depth` candidates of each query by the scorer; what lies deeper keeps its order below them.

    One call of the scorer for all queries, each pair scored on its own (Nogueira and Cho 2019, Passage
    Re-ranking with BERT, section 2.3). It reads a document's whole text, or as much as it can take in:
    for longer documents see `max_passage`. A query that the run lacks gets no document. Raises
    RagkitError for a depth below 1, a candidate without a text, or a score too few or too many.
    """
    named = {doc_id for query_id in queries for doc_id in run.get(query_id, {})}
    return max_passage(queries, run, {d: [corpus[d]] for d in named if d in corpus}, scorer, depth)


def max_passage(
    queries: Queries, run: Run, passages: Mapping[str, Sequence[str]], scorer: Scorer, depth: int
) -> Run:
    """As `pointwise`, but of long documents: the scorer reads passages, the best one speaks for its document.

    MaxP of Dai and Callan 2019 (Deeper Text Understanding for IR, section 3). `passages`: doc_id ->
    its passages (`by_document`). Every passage of a candidate is scored, whichever one was found.
    """
    tops = {query_id: ranking(run.get(query_id, {}), _positive(depth)) for query_id in queries}
    for query_id, top in tops.items():
        if missing := [doc_id for doc_id in top if not passages.get(doc_id)]:
            raise RagkitError(
                f"rerank: {len(missing)} candidates of query {query_id!r} have no text, {missing[:3]}: "
                "give the texts of the corpus that the run was made from"
            )
    pairs = [(queries[q], text) for q, top in tops.items() for doc_id in top for text in passages[doc_id]]
    scores = scorer(pairs)
    if len(scores) != len(pairs):
        raise RagkitError(
            f"rerank: the scorer gave {len(scores)} scores for {len(pairs)} pairs: expected one for each pair"
        )
    following = iter(scores)
    reranked: Run = {}
    for query_id, top in tops.items():
        best = {doc_id: max(next(following) for _ in passages[doc_id]) for doc_id in top}
        lowest = min(best.values(), default=0.0)
        deeper = ranking(run.get(query_id, {}))[depth:]
        reranked[query_id] = best | {doc_id: lowest - n for n, doc_id in enumerate(deeper, start=1)}
    return reranked


def oracle(run: Run, qrels: Qrels, depth: int) -> Run:
    """The judged order of the first `depth` candidates: no reranker of this depth can do better.

    A document that nobody judged counts as grade 0; equal grades, and what lies deeper, keep their order.
    """
    best: Run = {}
    for query_id, scores in run.items():
        grades, order = qrels.get(query_id, {}), ranking(scores)
        top = sorted(order[: _positive(depth)], key=lambda doc_id: -grades.get(doc_id, 0))
        best[query_id] = {doc_id: float(-rank) for rank, doc_id in enumerate([*top, *order[depth:]])}
    return best


def first(run: Run, depth: int) -> Run:
    """The first `depth` documents of each query with their scores: what a reranking is fused with."""
    return {query_id: best(scores, _positive(depth)) for query_id, scores in run.items()}


def remembered(scorer: Scorer) -> Scorer:
    """The same scores, each pair asked for once: to compare many depths, never to measure what they cost."""
    known: dict[tuple[str, str], float] = {}

    def score(pairs: list[tuple[str, str]]) -> list[float]:
        asked = [pair for pair in dict.fromkeys(pairs) if pair not in known]
        known.update(zip(asked, scorer(asked), strict=True))
        return [known[pair] for pair in pairs]

    return score


def by_document(texts: Corpus, parents: Mapping[str, str]) -> dict[str, list[str]]:
    """doc_id -> the texts of its passages, from what `chunk.by_words` returns, in their order."""
    passages: dict[str, list[str]] = {}
    for chunk_id, text in texts.items():
        passages.setdefault(parents[chunk_id], []).append(text)
    return passages


def _positive(depth: int) -> int:
    if depth < 1:
        raise RagkitError(f"rerank: depth is {depth}: expected at least 1 candidate a query")
    return depth
