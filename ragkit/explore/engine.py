"""The ways to search a collection, and why a document was found: its terms, its best-matching sentence."""

from __future__ import annotations

import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from ragkit import chunk, data, formats, fuse, models, retrieve
from ragkit.types import Collection, Encoder, Queries, RagkitError, Run, System, best, timing

DEPTH = 50  # candidates of each system
PASSAGE, OVERLAP = 120, 30  # words, as in 12_hybrid
SNIPPET = 45  # words shown of a document in a list
WORD = re.compile(r"\b\w\w+\b")  # what retrieve.analyze takes for a word


class Engine:
    """A collection with its indexes. `systems`: bm25, and with an encoder dense and hybrid (12_hybrid's sum).

    BM25 stands on its defaults and the sum on equal weights: nothing is tuned here. `encoder`: None for
    BM25 alone. What `systems` names instead is searched with; the explanations stay those of BM25 and of
    the encoder.
    """

    def __init__(
        self, collection: Collection, encoder: Encoder | None, systems: Mapping[str, System] | None = None
    ) -> None:
        self.collection = collection
        self._bm25 = retrieve.BM25(collection.corpus)
        bm25 = partial(self._bm25, k=DEPTH)
        self.systems: dict[str, System] = {"bm25": bm25}
        self._encoder = encoder
        if encoder:
            self._texts, parents = chunk.by_words(collection.corpus, PASSAGE, OVERLAP, collection.titles)
            self._places: dict[str, list[int]] = {}
            for place, doc_id in enumerate(parents.values()):
                self._places.setdefault(doc_id, []).append(place)
            self._passages = list(self._texts.values())
            self._dense = retrieve.Dense(self._texts, encoder)
            documents = chunk.parent_retriever(self._dense, parents)

            def dense(queries: Queries) -> Run:
                return documents(queries, DEPTH)

            self.systems |= {"dense": dense, "hybrid": partial(_hybrid, bm25, dense)}
        if systems:
            self.systems = dict(systems)
        else:  # the first search of a process loads the encoder and compiled code, which takes a second
            with timing():  # or the cache of questions would answer
                for name in self.systems:
                    self.search(next(iter(collection.corpus.values()))[:100], name, 1)

    def search(self, question: str, system: str, k: int) -> dict[str, float]:
        """The k best documents and their scores, best first. Raises RagkitError for an unknown system."""
        if system not in self.systems:
            raise RagkitError(f"system {system!r}: expected one of {', '.join(self.systems)}")
        scores = self.systems[system]({"q": question}).get("q", {}) if question.strip() else {}
        return best(scores, k)

    def terms(self, question: str, doc_id: str) -> dict[str, float]:
        """Each word of the question that counts, and what it adds to the document's score in BM25.

        The largest first; they sum up to the score. A word said twice counts twice; words of one stem
        stand together.
        """
        stems = stems_of([question])
        said = Counter(stems[w] for w in map(str.lower, WORD.findall(question)) if w in stems)
        words = {stem: ", ".join(w for w, s in stems.items() if s == stem) for stem in said}
        weights = {words[stem]: n * self._bm25.weight(stem, doc_id) for stem, n in said.items()}
        return dict(sorted(weights.items(), key=lambda item: (-item[1], item[0])))

    def best_sentence(self, question: str, doc_id: str) -> tuple[str, float] | None:
        """The sentence nearest to the question, and its cosine; of the passage that is nearest itself.

        None without an encoder.
        """
        if self._encoder is None or not question.strip():
            return None
        asked = self._dense.encode({"q": question})["q"]
        places = self._places[doc_id]
        best = places[int(np.argmax(self._dense.vectors[places] @ asked))]
        sentences = chunk.sentences(self._passages[best])
        if not sentences:
            return None
        near = self._encoder.queries(sentences) @ asked
        return sentences[int(np.argmax(near))], float(near.max())


def open_collection(name: str, split: str = "test") -> Collection:
    """A collection by name, with the questions of `split` where it has judgments, else all it has.

    Of a collection without that split the first one. Raises RagkitError where there is none.
    """
    name = name.strip()
    where = formats.folder(name)  # says which names there are
    available = data.splits(name)
    chosen = split if split in available or not available else available[0]
    return data.load(str(where) if where and Path(name).expanduser().is_dir() else name, chosen)


def start(name: str, encoder: str, systems: Mapping[str, System] | None = None) -> Engine:
    """An engine over a collection by name; encoder "": keyword search alone; `systems`: see Engine."""
    return Engine(open_collection(name), models.encoder(encoder) if encoder else None, systems)


def _hybrid(bm25: System, dense: System, queries: Queries) -> Run:
    return fuse.minmax([bm25(queries), dense(queries)], [0.5, 0.5])


def stems_of(texts: Iterable[str]) -> dict[str, str]:
    """word in small letters -> stem, of all words of the texts but stop words."""
    words = sorted({word.lower() for text in texts for word in WORD.findall(text)})
    return {word: found[0] for word, found in zip(words, retrieve.analyze(words), strict=True) if found}


def matches(text: str, question: str) -> list[tuple[int, int]]:
    """The places (from, to) of the words of a text that BM25 takes for words of the question."""
    return [(start, end) for start, end, _ in _matches(text, question)]


def _matches(text: str, question: str) -> list[tuple[int, int, str]]:
    wanted = set(stems_of([question]).values())
    stems = stems_of([text]) if wanted else {}
    return [(*m.span(), stem) for m in WORD.finditer(text) if (stem := stems.get(m[0].lower())) in wanted]


def snippet(text: str, question: str, words: int = SNIPPET) -> tuple[int, int]:
    """The first stretch (from, to) of so many words that holds the most different words of the question."""
    places = [m.span() for m in re.finditer(r"\S+", text)]
    if len(places) <= words:
        return 0, len(text)
    starts = [start for start, _ in places]
    held = [(bisect(starts, a) - 1, stem) for a, _, stem in _matches(text, question)]  # (which word, stem)
    inside: Counter[str] = Counter()
    best, first, left = 0, 0, 0
    for n, entering in held:
        inside[entering] += 1
        while held[left][0] <= n - words:
            inside[held[left][1]] -= 1
            left += 1
        different = sum(count > 0 for count in inside.values())
        if different > best:
            best, first = different, max(0, min(n - words // 3, len(places) - words))
    return places[first][0], places[first + words - 1][1]


def moves(ranked: list[str], beside: list[str]) -> dict[str, str]:
    """How far each document of `ranked` stands from its place in `beside`, in words."""
    places = {doc_id: rank for rank, doc_id in enumerate(beside, start=1)}
    said = {}
    for rank, doc_id in enumerate(ranked, start=1):
        by = places.get(doc_id, 0) - rank
        if doc_id not in places:
            said[doc_id] = "only here"
        else:
            said[doc_id] = f"up {by}" if by > 0 else f"down {-by}" if by < 0 else "same place"
    return said
