"""Measures, the comparison of systems against a baseline, tuning on dev, and what a question costs."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from ragkit import significance
from ragkit.significance import ROUNDING
from ragkit.types import (
    PRIMARY,
    Answers,
    Collection,
    Queries,
    RagkitError,
    Run,
    System,
    Unavailable,
    Usage,
    metered,
    ranking,
    timing,
)

if TYPE_CHECKING:
    import ir_measures
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

    from ragkit.prices import Price

ALL_PARTS = "AllParts@5"
JUDGED_ONLY = f"{PRIMARY} judged"  # unjudged documents are taken out of the ranking first
MEASURES = (PRIMARY, "R@5", "RR", ALL_PARTS, "Judged@10", JUDGED_ONLY)
BY_TYPE = (PRIMARY, "R@5")  # types of question are exploratory: these measures, no p
MIN_QUESTIONS = 30  # rewordings counted once: under this no interval of a type, and no "equivalent"
NEAR_BEST = 0.002  # settings whose quality is this close to the best are as good as the best
WARM_UPS = 5
MEASURED = ("system", "type", "measure", "n", "value")
T = TypeVar("T")  # what a system returns: a run, or answers
COMPARED = ("difference", "low", "high", "p", "p_holm", "wins", "losses", "ties", "smallest", "verdict")


@dataclass(frozen=True)
class Comparison:
    """Systems against a baseline on the same questions, by rankings (`runs`) or by answers (`answers`).

    primary: the measure of p and verdict. results: a row a (system, type, measure), of value, difference
    to the baseline, and what the difference can bear; per_query: a row a (system, query_id, measure).
    A system that could not run is in `not_run`, with its reason, and in `results` with no value.
    """

    collection: str
    split: str
    baseline: str
    primary: str
    results: DataFrame
    per_query: DataFrame
    usage: dict[str, Usage]
    not_run: dict[str, str]
    runs: dict[str, Run] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)


@dataclass(frozen=True)
class Tuning:
    """The setting taken, every setting tried with its quality, and on which questions."""

    best: dict[str, float]
    table: DataFrame
    split: str
    questions: int
    measure: str = PRIMARY


@dataclass(frozen=True)
class Quality:
    """What `tune` makes large instead of nDCG@10: its name, and its value for what a system returned."""

    measure: str
    of: Callable[[Any, Collection], float]


class Index(Protocol):
    """What an index says of its price: bytes, and seconds to build it."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def build_seconds(self) -> float: ...


def all_parts(ranked: Sequence[str], parts: Iterable[str], k: int = 5) -> float:
    """1.0 when every document that holds a part of the answer (k of them, if more) is in the first k."""
    needed = set(parts)
    return float(len(needed.intersection(ranked[:k])) >= min(len(needed), k))


def score(run: Run, collection: Collection, measures: Sequence[str] = MEASURES) -> DataFrame:
    """Each measure on each answerable question: columns query_id, measure, value (0 to 1).

    A question that the run lacks scores 0. AllParts@5 has a row only for the questions whose
    query_info names at least two `parts`. Other names are ir_measures' own (ties in the order of
    types.ranking); with " judged" at the end, on judged documents alone. Raises RagkitError for a
    name that ir_measures does not know.
    """
    import ir_measures
    import pandas as pd

    ranked = {query_id: ranking(run.get(query_id, {})) for query_id in collection.answerable}
    # trec_eval compares float32 and breaks ties its own way: small integers leave it no choice.
    order = {q: {d: float(-rank) for rank, d in enumerate(docs)} for q, docs in ranked.items() if docs}
    qrels = {query_id: collection.qrels[query_id] for query_id in ranked}
    parts = {q: set(collection.query_info.get(q, {}).get("parts") or ()) for q in ranked}
    known = {name: _ir_measure(name) for name in measures if name != ALL_PARTS}
    found = ir_measures.iter_calc(list(known.values()), qrels, order) if known else ()
    values = {(metric.measure, metric.query_id): float(metric.value) for metric in found}
    rows: list[tuple[str, str, float]] = []
    for name in measures:
        if name == ALL_PARTS:
            rows += [(q, name, all_parts(ranked[q], of_q)) for q, of_q in parts.items() if len(of_q) > 1]
        else:
            rows += [(q, name, values[known[name], q]) for q in ranked]
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def compare(
    systems: Mapping[str, System],
    collection: Collection,
    baseline: str,
    measures: Sequence[str] = MEASURES,
    seed: int = 0,
) -> Comparison:
    """Call each system once with all answerable questions, and compare each with the baseline.

    The columns of `results`: system, type ("all", or a type of question), measure, n (questions),
    value, difference, low and high (95 % interval of the difference), p, p_holm, wins, losses, ties,
    smallest (difference that so many questions can show), verdict. p to verdict are of nDCG@10 over
    all questions: the one family of tests. Rewordings of one question (`variant_of`) are one
    cluster. nDCG@10, Judged@10 and nDCG@10 on judged documents are always among the measures.
    Raises RagkitError for an unknown baseline, no answerable question, or a run that names unknown
    queries or documents; Unavailable when it is the baseline that cannot run.
    """
    import pandas as pd

    questions = _questions(collection)
    runs, usage, not_run = _ask(systems, questions, baseline)
    wanted = list(dict.fromkeys((PRIMARY, *measures, "Judged@10", JUDGED_ONLY)))
    scores = [
        score(_checked(name, run, questions, collection), collection, wanted).assign(system=name)
        for name, run in runs.items()
    ]
    per_query = pd.concat(scores, ignore_index=True)[["system", "query_id", "measure", "value"]]
    results = _results(per_query, collection, baseline, not_run, seed)
    return Comparison(
        collection.name, collection.split, baseline, PRIMARY, results, per_query, usage, not_run, runs=runs
    )


def compare_answers(
    readers: Mapping[str, Callable[[Queries], Answers]],
    collection: Collection,
    baseline: str,
    scored: Callable[[Answers, Collection], DataFrame],
    seed: int = 0,
) -> Comparison:
    """`compare` for what is answered instead of what is found; all questions are asked, answerable or not.

    `scored` gives columns query_id, measure, value (0 to 1), a row where the measure applies; its first
    measure is the one of p and verdict. Raises RagkitError for an unknown baseline, a collection without
    questions, or answers to other questions; Unavailable when it is the baseline that cannot run.
    """
    import pandas as pd

    if not collection.queries:
        raise RagkitError(f"{collection.name!r} has no questions in split {collection.split!r}: load another")
    answers, usage, not_run = _ask(readers, collection.queries, baseline)
    for name, given in answers.items():
        if given.keys() != collection.queries.keys():
            differing = sorted(given.keys() ^ collection.queries.keys())[:3]
            raise RagkitError(
                f"{name!r} answers other questions than it was asked, for example {differing}: return one "
                "answer for each query_id, an empty text where there is none"
            )
    scores = [scored(given, collection).assign(system=name) for name, given in answers.items()]
    per_query = pd.concat(scores, ignore_index=True)[["system", "query_id", "measure", "value"]]
    primary = str(per_query["measure"].iloc[0])
    results = _results(per_query, collection, baseline, not_run, seed)
    return Comparison(
        collection.name, collection.split, baseline, primary, results, per_query, usage, not_run,
        answers=answers,
    )  # fmt: skip


def _ask(
    systems: Mapping[str, Callable[[Queries], T]], questions: Queries, baseline: str
) -> tuple[dict[str, T], dict[str, Usage], dict[str, str]]:
    """What each system returns for all the questions, what models used for it, and why some could not run."""
    if baseline not in systems:
        raise RagkitError(f"the baseline {baseline!r} is not among the systems: name one of {list(systems)}")
    returned: dict[str, T] = {}
    usage: dict[str, Usage] = {}
    not_run: dict[str, str] = {}
    for name, system in systems.items():
        with metered() as used:
            try:
                returned[name] = system(dict(questions))
            except Unavailable as reason:
                not_run[name] = str(reason)
                continue
        usage[name] = used
    if baseline in not_run:
        raise Unavailable(f"{not_run[baseline]} (for {baseline!r}, the baseline of this comparison)")
    return returned, usage, not_run


def tune(
    system_at: Callable[[dict[str, float]], Callable[[Queries], Any]],
    grid: Mapping[str, Sequence[float]],
    default: Mapping[str, float],
    collection: Collection | None,
    quality: Quality | None = None,
) -> Tuning:
    """Score every point of the grid on a dev or train split, and take the best that is nearest the default.

    `quality` is what is to be large, nDCG@10 of the run if nothing else is given; where it is given the
    system is asked all questions, not the answerable ones alone. Of all points within 0.002 of the best
    one, the one fewest grid steps from the default: what dev cannot tell apart is not chosen by its
    noise. Without a collection (no such split) the default stands, and the split says "not tuned".
    Raises RagkitError for the test split, or a default that is not in the grid.
    """
    import pandas as pd

    measure = PRIMARY if quality is None else quality.measure
    if set(default) != set(grid) or any(default[name] not in grid[name] for name in grid):
        raise RagkitError(
            f"the default {dict(default)} is not a point of the grid {dict(grid)}: add its values"
        )
    if collection is None:
        return Tuning(dict(default), pd.DataFrame(columns=[*grid, measure]), "not tuned", 0, measure)
    if collection.split == "test":
        raise RagkitError(
            f"tuning on the test split of {collection.name!r} would spoil it: load its dev or train split, "
            "or pass None to keep the default"
        )
    questions = _questions(collection) if quality is None else collection.queries
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    values = []
    for point in points:
        returned = system_at(dict(point))(dict(questions))
        if quality is None:
            run = _checked(f"{point}", returned, questions, collection)
            values.append(float(score(run, collection, [PRIMARY])["value"].mean()))
        else:
            values.append(quality.of(returned, collection))

    def steps(point: dict[str, float]) -> int:
        return sum(abs(list(v).index(point[name]) - list(v).index(default[name])) for name, v in grid.items())

    near = [i for i, value in enumerate(values) if value >= max(values) - NEAR_BEST - ROUNDING]
    best = min(near, key=lambda i: (steps(points[i]), -values[i]))
    table = pd.DataFrame(points).assign(**{measure: values})
    return Tuning(points[best], table, collection.split, len(questions), measure)


def costs(
    systems: Mapping[str, Callable[[Queries], Any]],
    collection: Collection,
    indexes: Mapping[str, Sequence[Index]],
    questions: int = 100,
    seed: int = 0,
) -> DataFrame:
    """What a question costs, one at a time, a row a system: seconds, calls and tokens, dollars, index.

    Up to `questions` questions drawn by the seed, after five warm-ups. Seconds are wall time plus
    the seconds that the meter reports (`Usage.seconds`: replayed answers take no time now); calls and
    tokens are means a question. `modelled` says whether a price table stands in for a measurement.
    Systems that cannot run are left out; no index is 0 bytes. Raises RagkitError without questions.
    """
    import pandas as pd

    if not collection.queries:
        raise RagkitError(f"{collection.name!r} has no questions in split {collection.split!r}: load another")
    drawn = list(np.random.default_rng(seed).permutation(list(collection.queries)))
    rows = []
    for name, system in systems.items():
        try:
            _timed(
                system, collection, drawn[-WARM_UPS:]
            )  # the last ones: not timed again, if there are enough
            seconds, used = _timed(system, collection, drawn[:questions])
        except Unavailable:
            continue
        rows.append(_cost_row(name, seconds, used, indexes.get(name, ())))
    return pd.DataFrame(rows)


def bill(usage: Mapping[str, Usage], price: Price, before: Mapping[str, float]) -> DataFrame:
    """What a call of each system of `usage` costs at this price, in the columns of `costs`.

    Tokens are those that the meter counted. Seconds: those `before` the model begins (by system; 0 where
    none are named) and the wait for its first token; no 95th percentile, for only the mean is modelled. A
    system that made no call is left out.
    """
    import pandas as pd

    rows = []
    for name, used in usage.items():
        if used.calls:
            tokens_in, tokens_out = used.tokens_in / used.calls, used.tokens_out / used.calls
            seconds = before.get(name, 0.0) + price.wait(tokens_in)
            dollars = 1000 * price.dollars(tokens_in, tokens_out)
            row = _cost_row(name, [seconds] * used.calls, used, ())
            rows.append(row | {"seconds_p95": math.nan, "dollars_per_1000": dollars, "modelled": True})
    return pd.DataFrame(rows)


def _cost_row(system: str, seconds: Sequence[float], used: Usage, indexes: Sequence[Index]) -> dict[str, Any]:
    """`seconds`: of each question; `used`: by all of them."""
    n = len(seconds)
    return {
        "system": system,
        "seconds_median": float(np.median(seconds)),
        "seconds_p95": float(np.percentile(seconds, 95)),
        "calls": used.calls / n,
        "tokens_in": used.tokens_in / n,
        "tokens_out": used.tokens_out / n,
        "dollars_per_1000": 1000 * used.dollars / n,
        "index_bytes": sum(index.size_bytes for index in indexes),
        "build_seconds": float(sum(index.build_seconds for index in indexes)),
        "modelled": used.modelled > 0,
    }


def _timed(
    system: Callable[[Queries], Any], collection: Collection, query_ids: Sequence[str]
) -> tuple[list[float], Usage]:
    """The seconds of each question, asked one by one, and what models used for all of them."""
    seconds = []
    with timing(), metered() as total:
        for query_id in query_ids:
            with metered() as used:
                start = time.perf_counter()
                system({query_id: collection.queries[query_id]})
                wall = time.perf_counter() - start
            seconds.append(wall + used.seconds - used.waited)
    return seconds, total


def _results(
    per_query: DataFrame, collection: Collection, baseline: str, not_run: Mapping[str, str], seed: int
) -> DataFrame:
    """The table that `compare` documents; systems that could not run stand last."""
    import pandas as pd

    primary = per_query["measure"].iloc[0]
    asked = set(per_query["query_id"])
    questions = [query_id for query_id in collection.queries if query_id in asked]
    info = {query_id: collection.query_info.get(query_id, {}) for query_id in questions}
    clusters = pd.Series({q: str(known.get("variant_of") or q) for q, known in info.items()})
    types = {q: str(known["type"]) for q, known in info.items() if known.get("type")}
    members = {kind: [q for q in types if types[q] == kind] for kind in sorted(set(types.values()) - {"all"})}
    wide = per_query.pivot(index="query_id", columns=["system", "measure"], values="value").loc[questions]
    systems, measures = per_query["system"].unique(), per_query["measure"].unique()
    differences = {name: wide[name] - wide[baseline] for name in systems if name != baseline}
    tested = _tested(differences, primary, clusters, seed)
    rows: list[dict[str, Any]] = []
    for name, kind, measure in itertools.product(systems, ["all", *members], measures):
        if kind != "all" and measure not in (primary, *BY_TYPE):
            continue
        values = wide[name, measure].loc[questions if kind == "all" else members[kind]].dropna()
        if values.empty:
            continue
        row = {"system": name, "type": kind, "measure": measure, "n": len(values), "value": values.mean()}
        if name != baseline:
            difference = values - wide[baseline, measure].loc[values.index]
            row |= described(difference, clusters[values.index], kind != "all", seed)
        if kind == "all" and measure == primary:
            row |= tested.get(name, {"verdict": "baseline"})
        rows.append(row)
    for name, measure in itertools.product(not_run, measures):
        reason = f"not run: {not_run[name]}" if measure == primary else ""
        rows.append({"system": name, "type": "all", "measure": measure, "n": 0, "verdict": reason})
    counts: dict[str, Any] = {"wins": 0, "losses": 0, "ties": 0}
    table = pd.DataFrame(rows, columns=[*MEASURED, *COMPARED]).fillna(counts | {"verdict": ""})
    return table.astype(dict.fromkeys(counts, int))


def described(difference: Series[float], clusters: Series[str], by_type: bool, seed: int) -> dict[str, Any]:
    """The mean difference, how many questions won and lost, and its 95 % interval, as fields of `results`.

    `clusters`: the cluster of each question. By type there is no interval under 30 clusters.
    """
    row = {
        "difference": difference.mean(),
        "wins": int((difference > ROUNDING).sum()),
        "losses": int((difference < -ROUNDING).sum()),
        "ties": int((difference.abs() <= ROUNDING).sum()),
    }
    if not by_type or clusters.nunique() >= MIN_QUESTIONS:
        row["low"], row["high"] = significance.interval(difference, _labels(clusters), seed=seed)
    return row


def _tested(
    differences: Mapping[str, DataFrame], primary: str, clusters: Series[str], seed: int
) -> dict[str, dict[str, Any]]:
    """p, p_holm, smallest and verdict of each system: the notebook's one family of tests."""
    told = {name: d.dropna(subset=[primary]) for name, d in differences.items()}
    labels = {name: _labels(clusters[d.index]) for name, d in told.items()}
    p = [significance.randomization(d[primary], labels[name], seed) for name, d in told.items()]
    tested = {}
    for (name, d), p_one, p_holm in zip(told.items(), p, significance.holm(p), strict=True):
        interval_90 = significance.interval(d[primary], labels[name], 0.90, seed)
        judged = d[JUDGED_ONLY if JUDGED_ONLY in d else primary].mean()  # answers have no unjudged part
        word = significance.verdict(d[primary].mean(), p_holm, interval_90, judged)
        if word == "equivalent" and clusters[d.index].nunique() < MIN_QUESTIONS:
            word = "not shown"  # the interval of a few questions is no ground to say that nothing differs
        smallest = significance.smallest_difference(d[primary], labels[name], len(p))
        tested[name] = {"p": p_one, "p_holm": p_holm, "smallest": smallest, "verdict": word}
    return tested


def _labels(clusters: Series[str]) -> NDArray[np.intp] | None:
    """Numbers for the clusters of the questions; None when each question is its own."""
    return None if clusters.is_unique else clusters.factorize()[0]


def _questions(collection: Collection) -> Queries:
    """The questions that ranking is measured on, of which there must be some."""
    questions = collection.answerable
    if not questions:
        raise RagkitError(
            f"{collection.name!r}, split {collection.split!r}: none of its {len(collection.queries)} "
            "questions has a document judged relevant, so nothing can be measured: load a split that has "
            "judgments, or add some (qrels/<split>.tsv with the columns query-id, corpus-id, score)"
        )
    return questions


def _checked(name: str, run: Run, questions: Queries, collection: Collection) -> Run:
    """The run, if it names asked questions and known documents, with scores that have an order."""
    where = f"the run of {name!r} on {collection.name!r}"
    if unasked := [query_id for query_id in run if query_id not in questions]:
        raise RagkitError(
            f"{where} has {len(unasked)} queries that were not asked, {unasked[:3]}: "
            "return the query_ids as they were given"
        )
    for query_id, scores in run.items():
        if unknown := [doc_id for doc_id in scores if doc_id not in collection.corpus]:
            raise RagkitError(
                f"{where} has {len(unknown)} doc_ids for query {query_id!r} that are not in the corpus, "
                f"{unknown[:3]}: return the corpus's doc_ids (passages go through chunk.to_parents first)"
            )
        if nan := [doc_id for doc_id, value in scores.items() if math.isnan(value)]:
            raise RagkitError(
                f"{where} scores {nan[:3]} nan for query {query_id!r}, which has no place in an order: "
                "leave these documents out, or give them a number"
            )
    return run


def _ir_measure(name: str) -> ir_measures.Measure:
    """The measure of that name; with " judged" at the end, on judged documents alone."""
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name.removesuffix(" judged"))
        measure = measure(judged_only=True) if name.endswith(" judged") else measure
        ir_measures.evaluator([measure], {})
    except (AssertionError, KeyError, NameError, ValueError) as error:
        raise RagkitError(
            f"the measure {name!r} is not known: name some of {list(MEASURES)}, or another of ir_measures "
            "(P@5, AP, Success@10, ...)"
        ) from error
    return measure
