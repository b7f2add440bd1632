"""First-stage retrieval: BM25 over an inverted index, and exact search over vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragkit.types import Corpus, Encoder, Queries, RagkitError, Run, Vectors, best

METHODS = ("lucene", "robertson", "atire")


def analyze(texts: list[str]) -> list[list[str]]:
    """Lower-case words of two letters or more, without English stop words, Snowball-stemmed."""
    import bm25s
    import Stemmer

    tokens: list[list[str]] = bm25s.tokenize(
        texts, stopwords="en", stemmer=Stemmer.Stemmer("english"), return_ids=False, show_progress=False
    )
    return tokens


class BM25:
    """Okapi BM25 on bm25s: the working engine.

    `method` names the variant after Kamphuis et al. 2020 (Which BM25 Do You Mean?, table 1): "lucene",
    whose idf is never negative, or "robertson", which ranks as rank-bm25 does with epsilon 0, or "atire".
    A document that shares no word with the query is not returned. `size_bytes` and `build_seconds`
    are those of the index. Raises RagkitError for an unknown method.
    """

    def __init__(self, corpus: Corpus, k1: float = 1.5, b: float = 0.75, method: str = "lucene") -> None:
        if method not in METHODS:
            raise RagkitError(f"retrieve.BM25: method {method!r}: expected one of {', '.join(METHODS)}")
        analyze([])  # loads the libraries, which is no part of building
        start = perf_counter()
        self.doc_ids = list(corpus)
        self._tokens = analyze(list(corpus.values()))
        self._analysis_seconds = perf_counter() - start
        self._method = method
        self._build(k1, b)

    def _build(self, k1: float, b: float) -> None:
        import bm25s

        _cache_compiled_code()  # the first time loads numba too
        start = perf_counter()
        self._index = bm25s.BM25(k1=k1, b=b, method=self._method, backend="numba")
        self._index.index(self._tokens, show_progress=False)
        self.build_seconds = self._analysis_seconds + perf_counter() - start
        self.size_bytes = sum(self._index.scores[part].nbytes for part in ("data", "indices", "indptr"))

    def at(self, k1: float, b: float) -> BM25:
        """The same documents under other parameters, without analysing the texts again."""
        other = copy(self)
        other._build(k1, b)
        return other

    def __call__(self, queries: Queries, k: int) -> Run:
        """The k best documents of each query, ties at the cut decided by doc_id as everywhere."""
        run: Run = {query_id: {} for query_id in queries}
        vocabulary = self._index.vocab_dict
        words = zip(queries, analyze(list(queries.values())), strict=True)
        waiting = {query_id: known for query_id, w in words if (known := [t for t in w if t in vocabulary])}
        depth = min(_positive(k) + 1, len(self.doc_ids))
        while waiting:
            found = self._index.retrieve(list(waiting.values()), k=depth, show_progress=False)
            cut_in_tie = {}
            for query_id, places, scores in zip(waiting, found.documents, found.scores, strict=True):
                if len(scores) > k and scores[k - 1] == scores[-1] > 0 and depth < len(self.doc_ids):
                    cut_in_tie[query_id] = waiting[query_id]  # whoever else has this score lies deeper
                else:
                    hits = {self.doc_ids[i]: float(s) for i, s in zip(places, scores, strict=True) if s > 0}
                    run[query_id] = best(hits, k)
            waiting, depth = cut_in_tie, min(2 * depth, len(self.doc_ids))
        return run

    def search_terms(self, weights: Mapping[str, Mapping[str, float]], k: int) -> Run:
        """The k best documents of each query that is given as analysed terms and their weights.

        A document scores the sum of its terms' scores times their weights: weight 2 is the term said
        twice. Only positive scores are returned; a term that no document has counts nothing.
        """
        run: Run = {}
        for query_id, terms in weights.items():
            total = np.zeros(len(self.doc_ids), np.float32)  # as bm25s adds: the same sums, to the bit
            for term, weight in terms.items():
                places, scores = self._entries(term)
                total[places] += weight * scores
            run[query_id] = _top(total, self.doc_ids, _positive(k), above=0.0)
        return run

    def weight(self, term: str, doc_id: str) -> float:
        """What an analysed term adds to a document's score, once; 0 where the document lacks it."""
        places, scores = self._entries(term)
        return float(scores[places == self.doc_ids.index(doc_id)].sum())

    def _entries(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The places of the documents that have an analysed term, and what it adds to their scores."""
        held, number = self._index.scores, self._index.vocab_dict.get(term)
        own = slice(0, 0) if number is None else slice(held["indptr"][number], held["indptr"][number + 1])
        return held["indices"][own], held["data"][own]


def _cache_compiled_code() -> None:
    """Let numba keep bm25s' compiled functions on disk: compiling takes 6 s in each new process."""
    from bm25s.numba import retrieve_utils, selection
    from numba.core.dispatcher import Dispatcher

    for module in (retrieve_utils, selection):
        for function in vars(module).values():
            if isinstance(function, Dispatcher) and not function.signatures:
                function.enable_caching()


class RankBM25:
    """Okapi BM25 on rank-bm25, scored exhaustively: the reference that `BM25` is checked against."""

    def __init__(self, corpus: Corpus, k1: float = 1.5, b: float = 0.75) -> None:
        from rank_bm25 import BM25Okapi

        analyze([])
        start = perf_counter()
        self.doc_ids = list(corpus)
        # epsilon 0: a word in more than half of the documents counts nothing, instead of a little
        self._index = BM25Okapi(analyze(list(corpus.values())), k1=k1, b=b, epsilon=0)
        self.build_seconds = perf_counter() - start
        # an estimate: a Python dict's entry of two small objects takes about 100 bytes
        self.size_bytes = 100 * sum(len(counts) for counts in self._index.doc_freqs)

    def __call__(self, queries: Queries, k: int) -> Run:
        """The k best documents of each query among those with a positive score."""
        words = analyze(list(queries.values()))
        return {
            query_id: _top(self._index.get_scores(tokens), self.doc_ids, _positive(k), above=0.0)
            for query_id, tokens in zip(queries, words, strict=True)
        }


class Dense:
    """Exact search by inner product over unit vectors (cosine).

    `encoder.documents` encodes the corpus (and may answer from its cache). `vectors` is (documents, dim)
    float32; `build_seconds` is what encoding took when it was done.
    """

    def __init__(self, corpus: Corpus, encoder: Encoder) -> None:
        self.doc_ids = list(corpus)
        self._encoder = encoder
        self.vectors, self.build_seconds = encoder.documents(list(corpus.values()))
        self.size_bytes = self.vectors.nbytes

    def __call__(self, queries: Queries, k: int) -> Run:
        """The k nearest documents of each query."""
        return self.search(self.encode(queries), k)

    def encode(self, queries: Queries) -> Vectors:
        """query_id -> (dim,) unit vector."""
        if not queries:
            return {}
        return dict(zip(queries, self._encoder.queries(list(queries.values())), strict=True))

    def search(self, vectors: Vectors, k: int) -> Run:
        """The k nearest documents of each vector, (dim,) float32."""
        run: Run = {}
        names = list(vectors)
        for start in range(0, len(names), 256):  # blocks bound the memory: 256 x documents scores
            block = names[start : start + 256]
            scores = np.stack([vectors[name] for name in block]) @ self.vectors.T
            for name, row in zip(block, scores, strict=True):
                run[name] = _top(row, self.doc_ids, _positive(k))
        return run


def mean(vectors: Sequence[Vectors]) -> Vectors:
    """The mean of several vectors of each query, for `Dense.search`: HyDE's question and invented passages.

    Gao et al. 2022 (section 3.2, equation 8). Its length is left alone: it changes no order.
    """
    return {name: np.mean([part[name] for part in vectors], axis=0) for name in vectors[0]}


def _top(scores: NDArray[Any], doc_ids: list[str], k: int, above: float = -np.inf) -> dict[str, float]:
    """The k best by (score, doc_id): all that reach the k-th score are candidates, then `ranking` cuts."""
    if k < len(scores):
        above = max(above, float(np.nextafter(np.partition(scores, -k)[-k], -np.inf)))
    hits = {doc_ids[i]: float(scores[i]) for i in np.flatnonzero(scores > above)}
    return best(hits, k)


def _positive(k: int) -> int:
    if k < 1:
        raise RagkitError(f"retrieve: k is {k}: expected at least 1 document a query")
    return k
