"""The same questions asked of more or fewer documents: samples that grow among distractors, and their slopes.

A step is a size in multiples of the collection's own number of documents. Up to 1 a sample holds the
evidence (what is judged above 0 for one of the questions) and a part of the collection's other documents;
above 1 it holds the whole collection and documents of another one, the distractors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragkit.types import Collection, Corpus, RagkitError, Run, Unavailable, ranking

Floats = NDArray[np.float64]

_WORD = re.compile(r"\S+")


def sizes(
    collection: Collection, distractors: Collection, steps: Sequence[float], seed: int = 0
) -> dict[float, Collection]:
    """step -> the questions over that many documents, smallest first; step 1, the collection, is always one.

    One order is drawn with the seed, so that each sample contains all smaller ones. A distractor stands under
    "<its collection>/<its doc_id>" (with more slashes if the collection has such a name), and one that has
    the text of a document of the collection is left out: it could be evidence. Raises Unavailable for a step
    that holds less than the evidence, or needs more distractors than there are.
    """
    corpus, rng = collection.corpus, np.random.default_rng(seed)
    wanted = {d for grades in collection.qrels.values() for d, grade in grades.items() if grade > 0}
    evidence = [d for d in corpus if d in wanted]
    order = evidence + _shuffled([d for d in corpus if d not in wanted], rng)
    others = _shuffled(_strange(collection, distractors), rng)
    counts = {float(step): round(step * len(corpus)) for step in sorted({1, *steps})}
    _check(counts, len(evidence), len(corpus), len(others), distractors.name)
    prefix = _prefix(corpus, distractors.name)
    grown = {}
    for step, count in counts.items():
        added = {prefix + d: d for d in others[: max(0, count - len(corpus))]}
        grown[step] = _sample(collection, distractors, set(order[:count]), added)
    return grown


def _sample(
    collection: Collection, distractors: Collection, kept: set[str], added: Mapping[str, str]
) -> Collection:
    """The collection with only the documents `kept`, and with distractors: new doc_id -> theirs."""
    texts = {d: text for d, text in collection.corpus.items() if d in kept}
    texts |= {new: distractors.corpus[d] for new, d in added.items()}
    info = {d: known for d, known in collection.documents.items() if d in kept}
    info |= {new: distractors.documents[d] for new, d in added.items() if d in distractors.documents}
    return replace(collection, corpus=texts, documents=info)


def _shuffled(doc_ids: list[str], rng: np.random.Generator) -> list[str]:
    return [doc_ids[n] for n in rng.permutation(len(doc_ids))]


def _strange(collection: Collection, distractors: Collection) -> list[str]:
    """The distractors that are no copies of a document: none, where they are the collection itself."""
    texts = set(collection.corpus.values())
    return [d for d, text in distractors.corpus.items() if text not in texts]


def _prefix(corpus: Corpus, name: str) -> str:
    prefix = f"{name.rstrip('/').rpartition('/')[2]}/"
    while any(doc_id.startswith(prefix) for doc_id in corpus):
        prefix += "/"
    return prefix


def _check(counts: Mapping[float, int], evidence: int, own: int, others: int, name: str) -> None:
    for step, count in counts.items():
        if count < evidence:
            raise Unavailable(
                f"needs larger steps: step {step:g} is {count:,} documents, but {evidence:,} of the "
                f"collection's {own:,} are evidence, which is never dropped: name steps from "
                f"{np.ceil(100 * evidence / own) / 100:g}"
            )
        if count - own > others:
            raise Unavailable(
                f"needs other distractors: step {step:g} is {count:,} documents, {count - own:,} more than "
                f"the collection has, but {name} gives only {others:,} that it does not hold already: name "
                f"steps up to {np.floor(100 * (own + others) / own) / 100:g}, or distractors from another, "
                "larger collection"
            )


def shortened(collection: Collection, own: Corpus, words: int) -> Collection:
    """The collection with only the first `words` words of what is not in `own`, the distractors.

    0 takes all their words. Raises RagkitError for less than 0.
    """
    if words < 0:
        raise RagkitError(f"crowd.shortened: words is {words}: expected 0, for all of them, or more")
    corpus = dict(collection.corpus)
    for doc_id in corpus.keys() - own.keys():
        ends = [match.end() for match in islice(_WORD.finditer(corpus[doc_id]), words)]
        corpus[doc_id] = corpus[doc_id][: ends[-1]] if ends else corpus[doc_id]
    return replace(collection, corpus=corpus)


def judged(collection: Collection, runs: Iterable[Run], own: Corpus) -> Collection:
    """The collection with grade 0 for whatever the runs hold that is not in `own`: the distractors.

    They are irrelevant by construction, not by reading: to be looked at by eye. Without this they would be
    unjudged, and a measure over judged documents alone would not see them.
    """
    qrels = {query_id: dict(grades) for query_id, grades in collection.qrels.items()}
    for run in runs:
        for query_id, scores in run.items():
            grades = qrels.setdefault(query_id, {})
            for doc_id in sorted(scores.keys() - own.keys()):
                grades.setdefault(doc_id, 0)
    return replace(collection, qrels=qrels)


def strangers(run: Run, own: Corpus, k: int) -> dict[str, list[str]]:
    """query_id -> the documents among its first k that are not in `own`, in their order."""
    return {q: [d for d in ranking(scores, k) if d not in own] for q, scores in run.items()}


def slopes(values: ArrayLike, documents: Sequence[int]) -> Floats:
    """What each question gains or loses with each doubling of the documents: (questions,).

    values: (questions, sizes); documents: (sizes,), their numbers. The slope of the least-squares line over
    log2 of the number. Least squares is linear in the values: the mean of the slopes is the slope of the
    means, so that questions can be drawn for an interval. Raises RagkitError for fewer than two sizes.
    """
    return np.asarray(values, np.float64) @ _slope_weights(documents)


def extrapolated(values: ArrayLike, documents: Sequence[int], size: float) -> Floats:
    """Each question's least-squares line over log2 of the documents, read at `size`: (questions,).

    Shapes as in `slopes`. An assumption and no measurement wherever `size` is beyond what was measured.
    """
    middle = np.log2(np.asarray(documents, np.float64)).mean()
    level = np.asarray(values, np.float64).mean(axis=1)
    return np.asarray(level + slopes(values, documents) * (np.log2(size) - middle), np.float64)


def _slope_weights(documents: Sequence[int]) -> Floats:
    if len(set(documents)) < 2:
        raise RagkitError(
            f"crowd: sizes {list(documents)}: a slope needs two different ones: name more steps"
        )
    x = np.log2(np.asarray(documents, np.float64))
    x -= x.mean()
    return np.asarray(x / (x @ x), np.float64)
