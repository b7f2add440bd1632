"""Pseudo relevance feedback: the question again, with what its first ranking has in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ragkit.types import RagkitError, Run, Vectors, ranking

Weights = dict[str, dict[str, float]]  # query_id -> {term: weight}, for `BM25.search_terms`


def feedback_terms(document_terms: Mapping[str, Sequence[str]], most: float = 0.1) -> dict[str, Counter[str]]:
    """Each document's terms with their counts, without those that more than this share of documents have.

    The filter of Anserini's RM3, which takes the place of a longer list of stop words.
    """
    counts = {doc_id: Counter(terms) for doc_id, terms in document_terms.items()}
    holding = Counter(term for of_document in counts.values() for term in of_document)
    return {
        doc_id: Counter({term: n for term, n in of_document.items() if holding[term] <= most * len(counts)})
        for doc_id, of_document in counts.items()
    }


def rm1(run: Run, counts: Mapping[str, Mapping[str, int]], docs: int, terms: int) -> Weights:
    """The relevance model of each query: its `terms` likeliest terms in the first `docs` documents, sum 1.

    P(term) is the sum over these documents of P(term | document) P(document | query), Lavrenko and Croft
    2001 (Relevance-Based Language Models, method 1). As in Anserini, P(document | query) is the share of
    the document's score in the sum (theirs: the likelihood of the query; a score under 0 counts as 0),
    and P(term | document) is its share of the document's `counts`, without smoothing. Empty for a query
    that found nothing. Raises RagkitError for fewer than one document or term, and for a document that
    `counts` lacks.
    """
    if docs < 1 or terms < 1:
        raise RagkitError(f"feedback.rm1: {docs} documents, {terms} terms: expected at least one of each")
    models: Weights = {}
    for query_id, scores in run.items():
        model: dict[str, float] = {}
        for doc_id in _first(scores, docs, counts, f"feedback.rm1: query {query_id!r}"):
            share = max(scores[doc_id], 0.0) / (sum(counts[doc_id].values()) or 1)
            for term, n in counts[doc_id].items():
                model[term] = model.get(term, 0.0) + share * n
        likeliest = ranking(model, terms)
        total = sum(model[term] for term in likeliest)
        models[query_id] = {term: model[term] / total for term in likeliest} if total > 0 else {}
    return models


def rm3(query_terms: Mapping[str, Sequence[str]], models: Weights, weight: float) -> Weights:
    """The query's own terms (share `weight`) with those of its relevance model (the rest), sum 1.

    Abdul-Jaleel et al. 2004 (UMass at TREC 2004: Novelty and HARD, RM3), on BM25 in place of a language
    model. A query without a relevance model keeps its own terms. Raises RagkitError for a weight outside
    0 to 1, or a query that has no place in `models`.
    """
    expanded: Weights = {}
    for query_id, words in query_terms.items():
        if query_id not in models:
            raise RagkitError(
                f"feedback.rm3: query {query_id!r} has no relevance model: run rm1 on all queries"
            )
        model = models[query_id]
        own = _share(weight, "feedback.rm3") if model else 1.0
        expanded[query_id] = {term: (1 - own) * p for term, p in model.items()}
        for term in words:
            expanded[query_id][term] = expanded[query_id].get(term, 0.0) + own / len(words)
    return expanded


def rocchio(vectors: Vectors, run: Run, document_vectors: Vectors, docs: int, weight: float) -> Vectors:
    """The query's vector (share `weight`) with the mean of its first `docs` documents' (the rest).

    Rocchio 1971 without the negative part, on dense vectors after Li et al. 2021 (Pseudo Relevance
    Feedback with Deep Language Models and Dense Retrievers): their alpha is `weight`, their beta the
    rest, and only the ratio of the two changes an order. A query that found nothing keeps its vector.
    Raises RagkitError for fewer than one document, a weight outside 0 to 1, a query without a place in
    the run, or a document without a vector.
    """
    if docs < 1:
        raise RagkitError(f"feedback.rocchio: {docs} documents: expected at least one")
    own = _share(weight, "feedback.rocchio")
    moved: Vectors = {}
    for query_id, vector in vectors.items():
        if query_id not in run:
            raise RagkitError(
                f"feedback.rocchio: query {query_id!r} has no ranking: search all queries first"
            )
        first = _first(run[query_id], docs, document_vectors, f"feedback.rocchio: query {query_id!r}")
        centre = np.mean([document_vectors[doc_id] for doc_id in first], axis=0) if first else vector
        moved[query_id] = np.asarray(own * vector + (1 - own) * centre, np.float32)
    return moved


def centroids(vectors: Vectors, parents: Mapping[str, str]) -> Vectors:
    """doc_id -> the mean of its passages' vectors: a document as one vector, for `rocchio`.

    `parents` is chunk_id -> doc_id. Raises KeyError for a passage without a vector.
    """
    members: dict[str, list[str]] = {}
    for chunk_id, doc_id in parents.items():
        members.setdefault(doc_id, []).append(chunk_id)
    return {d: np.mean([vectors[chunk] for chunk in chunks], axis=0) for d, chunks in members.items()}


def _first(scores: Mapping[str, float], docs: int, known: Mapping[str, object], where: str) -> list[str]:
    first = ranking(scores, docs)
    if unknown := [doc_id for doc_id in first if doc_id not in known]:
        raise RagkitError(
            f"{where} found {unknown[:3]}, which were not passed: pass the terms or vectors of all that "
            "was searched"
        )
    return first


def _share(weight: float, where: str) -> float:
    if not 0 <= weight <= 1:
        raise RagkitError(f"{where}: weight {weight}: expected 0 (feedback alone) to 1 (the query alone)")
    return weight
