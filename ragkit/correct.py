"""Corrective retrieval: does a ranking hold the answer, how sure is that, and what is silence worth?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ragkit.types import Collection, Corpus, Queries, RagkitError, Run, ranking

if TYPE_CHECKING:
    from pandas import DataFrame

Features = dict[str, dict[str, float]]  # query_id -> {name: value}, the same names for every question
Labels = Mapping[str, bool]  # query_id -> whether its ranking holds the answer
Confidence = dict[str, float]  # query_id -> probability that its ranking holds the answer, 0..1

TERMS = "question's terms in the vectors' first document, share"
RESAMPLES = 1_000  # of the bootstrap: enough for the two decimals that these shares are read to
FOLDS = 10


def features(
    queries: Queries, corpus: Corpus, bm25: Run, dense: Run, analyze: Callable[[list[str]], list[list[str]]]
) -> Features:
    """What the two parts of a hybrid say of their own success, from their scores, without a model.

    Of query performance prediction after retrieval: the best score, how far it stands out, and whether two
    retrievers agree. `analyze` gives the terms of texts, as BM25 sees them. 0 where a part found nothing.
    """
    terms = dict(zip(queries, map(set, analyze(list(queries.values()))), strict=True))
    first = {query_id: ranking(dense.get(query_id, {}), 1) for query_id in queries}
    looked = list(dict.fromkeys(doc_id for doc_ids in first.values() for doc_id in doc_ids))
    words = dict(zip(looked, map(set, analyze([corpus[doc_id] for doc_id in looked])), strict=True))
    found = {}
    for query_id in queries:
        tens, best, fifth = [], [], []
        for run in (bm25, dense):
            scores = run.get(query_id, {})
            order = ranking(scores, 10)
            tens.append(set(order))
            best.append(scores[order[0]] if order else 0.0)
            fifth.append(scores[order[4]] if len(order) > 4 else 0.0)
        asked = terms[query_id]
        own = set[str]().union(*(words[doc_id] for doc_id in first[query_id]))
        found[query_id] = {
            "best BM25 score a term": best[0] / max(len(asked), 1),
            "best cosine": best[1],
            "BM25, first less fifth, share of the first": (best[0] - fifth[0]) / best[0] if best[0] else 0.0,
            "cosine, first less fifth": best[1] - fifth[1],
            TERMS: len(asked & own) / max(len(asked), 1),
            "documents in both top tens, share": len(tens[0] & tens[1]) / 10,
        }
    return found


def mean(looks: Sequence[Features]) -> Features:
    """The mean of several looks at the same questions, one a wording."""
    return {
        q: {name: float(np.mean([look[q][name] for look in looks])) for name in looks[0][q]} for q in looks[0]
    }


def only(seen: Features, *names: str) -> Features:
    """These features alone: a threshold on one feature is an evaluator that looks at nothing else."""
    return {query_id: {name: own[name] for name in names} for query_id, own in seen.items()}


def evidence_found(run: Run, collection: Collection, k: int = 5) -> dict[str, bool]:
    """Whether the first k documents of each question have one of its evidence: what an evaluator predicts."""
    known = collection.evidence
    return {q: not known.get(q, set()).isdisjoint(ranking(scores, k)) for q, scores in run.items()}


class Evaluator:
    """Logistic regression from features to the probability that the ranking holds the answer.

    CRAG's evaluator (Yan et al. 2024, Corrective Retrieval Augmented Generation, section 4.2) is a fine-tuned
    T5 that reads the question with each document. This one reads no text. Features are scaled to mean 0 and
    deviation 1 over the questions of `labels`; the penalty is the library's default. `weights` (query_id ->
    its weight) restore a mix of questions. `coefficients` are those of the scaled features. Raises
    RagkitError where the labels do not have both values.
    """

    def __init__(self, seen: Features, labels: Labels, weights: Mapping[str, float]) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if len(set(labels.values())) < 2:
            raise RagkitError(
                f"correct.Evaluator: {len(labels)} questions to learn from, {sum(labels.values())} of them "
                "with their evidence found: expected some with and some without; load a collection that has "
                "a dev or train split beside the one that is reported"
            )
        self.names = list(next(iter(seen.values())))
        model = LogisticRegression()
        self._model: Any = make_pipeline(StandardScaler(), model)
        self._model.fit(
            self._matrix(seen, list(labels)),
            list(labels.values()),
            logisticregression__sample_weight=[weights[query_id] for query_id in labels],
        )
        self.coefficients = dict(zip(self.names, model.coef_[0].tolist(), strict=True))

    def __call__(self, seen: Features) -> Confidence:
        """The probability for each question."""
        if not seen:
            return {}
        probabilities = self._model.predict_proba(self._matrix(seen, list(seen)))[:, 1]
        return dict(zip(seen, probabilities.tolist(), strict=True))

    def _matrix(self, seen: Features, query_ids: Sequence[str]) -> NDArray[np.float64]:
        return np.array([[seen[query_id][name] for name in self.names] for query_id in query_ids])


def held_out(seen: Features, labels: Labels, weights: Mapping[str, float], seed: int = 0) -> Confidence:
    """What an `Evaluator` says of questions that it has not learnt from: for thresholds, which are tuned.

    Those of `labels` are divided into ten parts, and each is judged by what the other nine teach; all other
    questions of `seen` by what all ten teach.
    """
    from sklearn.model_selection import StratifiedKFold

    whole = Evaluator(seen, labels, weights)
    said = whole({query_id: seen[query_id] for query_id in seen if query_id not in labels})
    known, values = np.array(list(labels)), np.array(list(labels.values()))
    for rest, part in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(known, values):
        taught = Evaluator(seen, {q: labels[q] for q in known[rest].tolist()}, weights)
        said |= taught({query_id: seen[query_id] for query_id in known[part].tolist()})
    return {query_id: said[query_id] for query_id in seen}


def verdicts(confidence: Confidence, lower: float, upper: float) -> dict[str, str]:
    """ "correct" from the upper threshold on, "incorrect" under the lower one, "ambiguous" between.

    CRAG's action trigger (Yan et al. 2024, section 4.3), with one confidence for the whole ranking where
    theirs has one for each document. Raises RagkitError for a lower threshold above the upper one.
    """
    if lower > upper:
        raise RagkitError(
            f"correct.verdicts: lower threshold {lower} above the upper one, {upper}: swap them"
        )
    return {
        q: "correct" if sure >= upper else "incorrect" if sure < lower else "ambiguous"
        for q, sure in confidence.items()
    }


def risk_coverage(confidence: ArrayLike, wrong: ArrayLike) -> DataFrame:
    """The share of answered questions that are wrong (risk), by the share that is answered (coverage).

    The most confident are answered first: El-Yaniv and Wiener 2010 (On the Foundations of Noise-free
    Selective Classification, section 2). Questions of one confidence are answered in any order, and the
    risk is the expected one. A row a question: columns coverage and risk. Arguments: (questions,) each.
    """
    import pandas as pd

    answered, errors = _answered(confidence, wrong)
    return pd.DataFrame({"coverage": answered / len(answered), "risk": errors / answered})


def area(confidence: ArrayLike, wrong: ArrayLike) -> float:
    """The area under the risk-coverage curve: the mean of the risk over all coverages.

    AURC of Geifman, Uziel and El-Yaniv 2019 (Bias-Reduced Uncertainty Estimation, section 2). Confidence
    that is the same for all gives the share of wrong ones, the area of who knows nothing.
    """
    answered, errors = _answered(confidence, wrong)
    return float(np.mean(errors / answered))


def gained(confidence: ArrayLike, wrong: ArrayLike) -> float:
    """How much of the area between who knows nothing (0) and who knows all (1) is won; nan if there is none.

    It is 1 less the excess area (E-AURC of Geifman, Uziel and El-Yaniv 2019) in units of the largest one.
    """
    missed = np.asarray(wrong, dtype=np.float64)
    nothing, perfect = float(missed.mean()), area(-missed, missed)
    return (nothing - area(confidence, missed)) / (nothing - perfect) if nothing > perfect else float("nan")


def told_apart(confidence: ArrayLike, right: ArrayLike) -> float:
    """How often a right question has more confidence than a wrong one, of all pairs; ties count half.

    The area under the ROC curve (Hanley and McNeil 1982); 0.5 is chance, nan where one kind is missing.
    """
    from scipy.stats import rankdata

    good = np.asarray(right, dtype=bool)
    n, others = int(good.sum()), int((~good).sum())
    above = rankdata(np.asarray(confidence, dtype=np.float64))[good].sum() - n * (n + 1) / 2
    return float(above / (n * others)) if n and others else float("nan")


def knowledge(
    confidence: ArrayLike, held: ArrayLike, answerable: ArrayLike, seed: int = 0
) -> dict[str, float]:
    """What a confidence knows, with 95 % bootstrap intervals over questions as "<name> low" and "... high".

    "held": the share whose ranking holds the answer; "area" and "gained" of its risk-coverage curve;
    "found or missed": answerable questions with and without the answer told apart; "answerable or not":
    answerable questions told from the others, whatever was found. Arguments: (questions,), the last two
    true or false.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(held, dtype=bool)
    some = np.asarray(answerable, dtype=bool)
    measured: dict[str, tuple[Callable[..., float], list[NDArray[Any]]]] = {
        "gained": (gained, [sure, ~right]),
        "found or missed": (told_apart, [sure[some], right[some]]),
        "answerable or not": (told_apart, [sure, some]),
    }
    known = {"held": float(right.mean()), "area": area(sure, ~right)}
    for name, (statistic, columns) in measured.items():
        low, high = interval(statistic, columns, seed)
        known |= {name: statistic(*columns), f"{name} low": low, f"{name} high": high}
    return known


def decisions(silent: ArrayLike, held: ArrayLike, answerable: ArrayLike) -> dict[str, float]:
    """What comes of keeping silent on some questions: shares of the questions that each name tells.

    "answered": of all; "risk": of the answered, those without the answer in their ranking;
    "unanswerable caught", "missed caught" (answerable, but not found) and "found refused": of their kind,
    those that are met with silence; "answerable refused": of all answerable ones; "handled right": silent
    just where the ranking does not hold the answer. nan where there is no such question. Arguments:
    (questions,), true or false.
    """
    quiet, right, some = (np.asarray(column, dtype=bool) for column in (silent, held, answerable))
    shares = {
        "answered": (~quiet, quiet | ~quiet),
        "risk": (~right, ~quiet),
        "unanswerable caught": (quiet, ~some),
        "missed caught": (quiet, some & ~right),
        "found refused": (quiet, right),
        "answerable refused": (quiet, some),
        "handled right": (quiet != right, quiet | ~quiet),
    }
    return {
        name: float(of[kind].mean()) if kind.any() else float("nan") for name, (of, kind) in shares.items()
    }


def interval(
    statistic: Callable[..., float], columns: Sequence[ArrayLike], seed: int = 0
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a statistic over questions that is no mean.

    `columns`: the statistic's arguments, (questions,) each, of which the same questions are drawn. Draws
    on which it is nan are left out.
    """
    values = [np.asarray(column, dtype=np.float64) for column in columns]
    rng, n = np.random.default_rng(seed), len(values[0])
    draws = (rng.integers(n, size=n) for _ in range(RESAMPLES))
    low, high = np.nanquantile([statistic(*(v[drawn] for v in values)) for drawn in draws], [0.025, 0.975])
    return float(low), float(high)


def _answered(confidence: ArrayLike, wrong: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """1 to n questions answered, and how many of them are wrong in expectation."""
    sure, missed = np.asarray(confidence, dtype=np.float64), np.asarray(wrong, dtype=np.float64)
    _, tied, sizes = np.unique(-sure, return_inverse=True, return_counts=True)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    errors = np.concatenate([[0.0], np.cumsum(np.bincount(tied, weights=missed))])
    answered = np.arange(1, len(sure) + 1, dtype=np.float64)
    return answered, np.interp(answered, ends, errors)  # straight within a tie: its expectation
