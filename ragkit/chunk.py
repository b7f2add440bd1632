"""Cutting documents into passages, and speaking of documents again once passages are found."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from ragkit.types import Corpus, RagkitError, Run, ranking

Q = TypeVar("Q")  # a query: its text, or its vector
_WORD = re.compile(r"\S+")


def by_words(
    corpus: Corpus, size: int, overlap: int = 0, prefix: dict[str, str] | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """Passages of `size` words, each sharing `overlap` words with the one before.

    `prefix` (doc_id -> text, a title as a rule) is put in front of every passage that does not
    begin with it already. Returns the passages (chunk_id -> text, the document's own spacing kept)
    and their parents (chunk_id -> doc_id). A document of up to `size` words is one passage, also
    an empty one. Raises RagkitError unless 0 <= overlap < size.
    """
    if not 0 <= overlap < size:
        raise RagkitError(
            f"chunk.by_words: size {size} words, overlap {overlap}: expected 0 <= overlap < size"
        )
    chunks: dict[str, str] = {}
    parents: dict[str, str] = {}
    for doc_id, text in corpus.items():
        title = (prefix or {}).get(doc_id, "")
        for n, passage in enumerate(_windows(text, size, size - overlap)):
            chunk_id = f"{doc_id}#{n}"
            chunks[chunk_id] = passage if passage.startswith(title) else f"{title}\n{passage}"
            parents[chunk_id] = doc_id
    return chunks, parents


def _windows(text: str, size: int, step: int) -> list[str]:
    spans = [match.span() for match in _WORD.finditer(text)]
    if len(spans) <= size:
        return [text]
    # the last window is the first one that reaches the end: no passage that another contains
    starts = range(0, len(spans) - size + step, step)
    return [text[spans[start][0] : spans[min(start + size, len(spans)) - 1][1]] for start in starts]


def to_parents(run: Run, parents: dict[str, str], k: int) -> Run:
    """Documents instead of passages: the best passage speaks for its document; the k best of them.

    MaxP of Dai and Callan 2019 (Deeper Text Understanding for IR, section 3).
    Raises KeyError for a passage without a parent.
    """
    documents: Run = {}
    for query_id, scores in run.items():
        best: dict[str, float] = {}
        for chunk_id in ranking(scores):
            best.setdefault(parents[chunk_id], scores[chunk_id])
        documents[query_id] = {doc_id: best[doc_id] for doc_id in ranking(best, k)}
    return documents


def parent_retriever(
    retrieve: Callable[[dict[str, Q], int], Run], parents: dict[str, str]
) -> Callable[[dict[str, Q], int], Run]:
    """A retriever of documents over one of passages: asks deeper until each query has k documents.

    Queries are texts, or vectors for `Dense.search`. A query that has fewer passages than asked for
    has no more to give and keeps what it has.
    """
    available = len(set(parents.values()))

    def search(queries: dict[str, Q], k: int) -> Run:
        documents: Run = {}
        waiting, depth = dict(queries), 2 * k
        while waiting:
            passages = retrieve(waiting, depth)
            documents |= to_parents(passages, parents, k)
            waiting = {
                query_id: query
                for query_id, query in waiting.items()
                if len(documents[query_id]) < min(k, available) and len(passages[query_id]) == depth
            }
            depth *= 2
        return {query_id: documents[query_id] for query_id in queries}

    return search
