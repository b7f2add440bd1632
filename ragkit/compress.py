"""Less context: documents as sentences, scored against the question, as many as a budget of tokens holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from ragkit.types import Answers, Corpus, Encoder, RagkitError, Run, Vectors, ranking

_WORD = re.compile(r"\S+")


class Sentences:
    """The sentences of a corpus and their vectors: an index beside that of the documents.

    `split` gives the sentences of a text (of a table its rows); those without a letter or digit are left
    out, and so is the title. A sentence's vector is the mean of its own and its title's, of length 1: what
    "it" or a bare row of a table is about stands in the title, and each title is encoded once. `texts`:
    sentence_id -> text, in reading order; `parents`: sentence_id -> doc_id; `vectors`: (sentences, dim).
    """

    def __init__(
        self, corpus: Corpus, split: Callable[[str], list[str]], titles: Mapping[str, str], encoder: Encoder
    ) -> None:
        self.titles = {doc_id: titles.get(doc_id, "") for doc_id in corpus}
        self.texts: dict[str, str] = {}
        self.parents: dict[str, str] = {}
        self._rows: dict[str, list[int]] = {doc_id: [] for doc_id in corpus}
        for doc_id, text in corpus.items():
            body = text.removeprefix(self.titles[doc_id])
            for n, sentence in enumerate(s for s in split(body) if any(map(str.isalnum, s))):
                self._rows[doc_id].append(len(self.texts))
                self.texts[f"{doc_id}#{n}"], self.parents[f"{doc_id}#{n}"] = sentence, doc_id
        self._ids = list(self.texts)
        of_sentences, self.build_seconds = encoder.documents(list(self.texts.values()))
        self.vectors = np.array(of_sentences)
        if named := {doc_id: title for doc_id, title in self.titles.items() if title and self._rows[doc_id]}:
            of_titles, seconds = encoder.documents(list(named.values()))
            for doc_id, vector in zip(named, of_titles, strict=True):
                self.vectors[self._rows[doc_id]] += vector
            self.vectors /= np.linalg.norm(self.vectors, axis=1, keepdims=True)
            self.build_seconds += seconds
        self.size_bytes = self.vectors.nbytes

    def score(self, vectors: Vectors, run: Run, k: int, weight: float = 0.0) -> Run:
        """The sentences of the first k documents: cosine with the question + `weight` x its document's score.

        The inner product of question and sentence is the score of RECOMP's extractive compressor (Xu et al.
        2023, section 3.1); there the encoder is trained on what helps the reader, here it is taken as it is.
        """
        scored: Run = {}
        for query_id, scores in run.items():
            found = [(doc_id, self._rows[doc_id]) for doc_id in ranking(scores, k)]
            rows = [row for _, own in found for row in own]
            cosines = self.vectors[rows] @ vectors[query_id] if rows else np.zeros(0)
            added = np.repeat([weight * scores[d] for d, _ in found], [len(own) for _, own in found])
            scored[query_id] = {self._ids[r]: float(s) for r, s in zip(rows, cosines + added, strict=True)}
        return scored

    def in_order(self, run: Run, k: int) -> Run:
        """All sentences of the first k documents, scored so that they rank as they would be read."""
        ordered: Run = {}
        for query_id, scores in run.items():
            rows = [row for doc_id in ranking(scores, k) for row in self._rows[doc_id]]
            ordered[query_id] = {self._ids[row]: float(-place) for place, row in enumerate(rows)}
        return ordered

    def write(self, chosen: Run) -> Answers:
        """The context that a reader is given: the chosen sentences, under [doc_id] and title of a document.

        Documents stand in the order of their best sentence, sentences as they follow each other in theirs.
        """
        contexts: Answers = {}
        for query_id, scores in chosen.items():
            by_document: dict[str, list[str]] = {}
            for sentence_id in ranking(scores):
                by_document.setdefault(self.parents[sentence_id], []).append(sentence_id)
            blocks = [
                self.head(doc_id) + "".join(f"{self.texts[s]}\n" for s in sorted(own, key=self._place))
                for doc_id, own in by_document.items()
            ]
            contexts[query_id] = "".join(blocks)
        return contexts

    def head(self, doc_id: str) -> str:
        """The line that stands above the sentences of a document."""
        return f"[{doc_id}] {self.titles[doc_id]}".rstrip() + "\n"

    @staticmethod
    def _place(sentence_id: str) -> int:
        return int(sentence_id.rpartition("#")[2])


def within(ranked: Run, sentences: Sentences, budget: float, tokens: Callable[[str], float]) -> Run:
    """Of each question's sentences, best first, as many as fit into `budget` tokens once they are written.

    One that is too long for what is left is passed over. `tokens` measures a text, and must be additive.
    The first sentence of a document costs the line above it too. Raises RagkitError for a budget of nothing.
    """
    if budget <= 0:
        raise RagkitError(f"compress.within: a budget of {budget} tokens: expected more than 0")
    kept: Run = {}
    for query_id, scores in ranked.items():
        left, kept[query_id], named = budget, {}, set[str]()
        for sentence_id in ranking(scores):
            doc_id = sentences.parents[sentence_id]
            head = "" if doc_id in named else sentences.head(doc_id)
            cost = tokens(f"{head}{sentences.texts[sentence_id]}\n")
            if cost <= left:
                left -= cost
                named.add(doc_id)
                kept[query_id][sentence_id] = scores[sentence_id]
    return kept


def among(run: Run, sentences: Run) -> Run:
    """The scores that `run` gives to those of its sentences that `sentences` holds; 0 where it gives none."""
    return {
        query_id: {s: run.get(query_id, {}).get(s, 0.0) for s in scores}
        for query_id, scores in sentences.items()
    }


def first_words(run: Run, texts: Mapping[str, str], words: int) -> Answers:
    """The texts of each query in the order of the run, cut off after `words` words in all: a budget.

    `texts` are passages or documents, as the run names them; each keeps its own spacing, and an empty
    line parts it from the next. Raises RagkitError for a budget of no word, KeyError for an unknown text.
    """
    if words < 1:
        raise RagkitError(f"compress.first_words: {words} words: expected at least 1")
    given: Answers = {}
    for query_id, scores in run.items():
        pages: list[str] = []
        left = words
        for name in ranking(scores):
            spans = [match.span() for match in _WORD.finditer(texts[name])][:left]
            if spans:
                pages.append(texts[name][spans[0][0] : spans[-1][1]])
                left -= len(spans)
            if not left:
                break
        given[query_id] = "\n\n".join(pages)
    return given
