"""The shapes that every step speaks, the order of a ranking, and the meter of what models use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Corpus = Mapping[str, str]  # doc_id -> text
Queries = dict[str, str]  # query_id -> text
Run = dict[str, dict[str, float]]  # query_id -> {doc_id: score}; the rank is derived, never stored
Answers = dict[str, str]  # query_id -> text; "" where nothing is answered; [doc_id] in it cites a document
Qrels = dict[str, dict[str, int]]  # query_id -> {doc_id: grade}
Vectors = dict[str, NDArray[np.float32]]  # query_id -> (dim,)
System = Callable[[Queries], Run]  # what an experiment compares: all that a query costs is inside
LLM = Callable[[list[str]], list[str]]
Scorer = Callable[[list[tuple[str, str]]], list[float]]  # (query, text) -> a score, higher is better


PRIMARY = "nDCG@10"  # the measure of every verdict; trec_eval's: linear gain, log2 discount


class Encoder(Protocol):
    """Texts to unit vectors, float32, (number of texts, dim)."""

    def documents(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], float]:
        """The vectors, and the seconds that encoding them took when it was first done."""

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors; computed anew while a price is measured (`timed`)."""


class RagkitError(Exception):
    """Bad input: one message that says what, where, what was expected and what to do next."""


class Unavailable(RagkitError):
    """What a system or a notebook needs is not here (a key, weights, recordings): "needs ..."."""


@dataclass(frozen=True)
class Collection:
    """Documents, the questions of one split, and the judgments. Immutable; `data.load` makes it.

    `queries`, `qrels`, `answers` and `query_info` have the same split and sample of questions.
    `query_info` holds what is known of a question: type, answerable, and `variant_of` where it
    rewords another (then both are one cluster). `documents` holds title, date, status, ... by
    doc_id; `corpus` the text as it is indexed: the title, if there is one, on its first line.
    """

    name: str
    split: str
    context: str  # one line about the collection, for prompts
    corpus: Corpus
    queries: Queries
    qrels: Qrels
    answers: dict[str, list[str]] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    query_info: dict[str, dict[str, Any]] = field(default_factory=dict)
    fingerprint: str = ""  # SHA-256 of the files, whatever the split and the sample

    @cached_property
    def answerable(self) -> Queries:
        """The questions with at least one positive judgment: ranking is measured on these."""
        return {q: t for q, t in self.queries.items() if any(g > 0 for g in self.qrels.get(q, {}).values())}

    @cached_property
    def evidence(self) -> dict[str, set[str]]:
        """query_id -> the documents of its highest positive grade; none for a question without any."""
        judged = {q: self.qrels.get(q, {}) for q in self.queries}
        best = {q: max(grades.values(), default=0) for q, grades in judged.items()}
        return {q: {d for d, g in grades.items() if 0 < g == best[q]} for q, grades in judged.items()}

    @cached_property
    def titles(self) -> dict[str, str]:
        """doc_id -> title, of the documents that have one."""
        return {d: str(info["title"]) for d, info in self.documents.items() if info.get("title")}

    def again(self, of: Mapping[str, str]) -> Collection:
        """Its questions under other query_ids (`of`: new -> old); those of one question are one cluster."""
        known = {new: self.query_info.get(old, {}) for new, old in of.items()}
        return replace(
            self,
            queries={new: self.queries[old] for new, old in of.items()},
            qrels={new: self.qrels.get(old, {}) for new, old in of.items()},
            answers={new: self.answers[old] for new, old in of.items() if old in self.answers},
            query_info={
                new: info | {"variant_of": str(info.get("variant_of") or of[new])}
                for new, info in known.items()
            },
        )


def ranking(scores: Mapping[str, float], k: int | None = None) -> list[str]:
    """The doc_ids by (score, doc_id), both descending: the only order there is in this project."""
    return sorted(scores, key=lambda doc_id: (scores[doc_id], doc_id), reverse=True)[:k]


def best(scores: Mapping[str, float], k: int | None = None) -> dict[str, float]:
    """The k best documents with their scores, best first."""
    return {doc_id: scores[doc_id] for doc_id in ranking(scores, k)}


@dataclass
class Usage:
    """What models used while a meter ran."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float = 0.0
    seconds: float = 0.0  # spent waiting for the model, as it was when the answer was first made
    waited: float = 0.0  # of these seconds, those that the caller's own clock has seen (a live answer)
    modelled: int = 0  # calls of whose tokens, dollars and seconds the price table is the only source


_meter: ContextVar[Usage | None] = ContextVar("meter", default=None)
_timing: ContextVar[bool] = ContextVar("timing", default=False)


@contextmanager
def timing() -> Iterator[None]:
    """Inside the block the price of questions is measured: each is encoded anew, whatever a cache holds.

    Kept answers of language models are not asked for again: they come with the seconds that they took.
    """
    token = _timing.set(True)
    try:
        yield
    finally:
        _timing.reset(token)


def timed() -> bool:
    """Whether the price of a question is measured just now."""
    return _timing.get()


@contextmanager
def metered() -> Iterator[Usage]:
    """Count what models report to `spend` inside the block; an inner meter also counts for the outer one."""
    usage, outer = Usage(), _meter.get()
    token = _meter.set(usage)
    try:
        yield usage
    finally:
        _meter.reset(token)
        if outer is not None:
            _add(outer, usage)


def spend(usage: Usage) -> None:
    """Report what a model has just used to the innermost meter, if one runs."""
    meter = _meter.get()
    if meter is not None:
        _add(meter, usage)


def _add(total: Usage, part: Usage) -> None:
    for name, value in vars(part).items():
        setattr(total, name, getattr(total, name) + value)
