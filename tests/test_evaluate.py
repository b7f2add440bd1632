import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytrec_eval

from ragkit import data, evaluate
from ragkit.evaluate import all_parts, compare, costs, score, tune
from ragkit.prices import Price
from ragkit.retrieve import BM25
from ragkit.types import (
    PRIMARY,
    Answers,
    Collection,
    Qrels,
    Queries,
    RagkitError,
    Run,
    System,
    Unavailable,
    Usage,
    metered,
    ranking,
    spend,
    timed,
)
from tests import peers
from tests.project import PUBLISHED

SCIFACT = PUBLISHED / "scifact"


def judged(qrels: Qrels, **info: dict[str, Any]) -> Collection:
    """A collection with twenty documents, d00 to d19, and a question for each query_id of qrels and info."""
    return Collection(
        name="toy",
        split="test",
        context="",
        corpus={f"d{i:02}": "text" for i in range(20)},
        queries={query_id: f"text of {query_id}" for query_id in qrels | info},
        qrels=qrels,
        query_info=info,
    )


def of(run: Run) -> System:
    """The system that answers with this run, whatever of it is asked."""
    return lambda queries: {query_id: run[query_id] for query_id in queries if query_id in run}


def in_order(*doc_ids: str) -> dict[str, float]:
    return {doc_id: float(-rank) for rank, doc_id in enumerate(doc_ids)}


def values(run: Run, collection: Collection, measure: str) -> dict[str, float]:
    frame = score(run, collection, [measure])
    return dict(zip(frame["query_id"], frame["value"], strict=True))


def random_run(collection: Collection, seed: int, levels: int = 0) -> Run:
    """Up to fifty documents a question, from a shuffled corpus; scores all different, or of few levels."""
    rng = np.random.default_rng(seed)
    doc_ids, run = list(collection.corpus), {}
    for query_id in collection.queries:
        chosen = rng.choice(doc_ids, size=min(50, len(doc_ids)), replace=False)
        scores = rng.integers(levels, size=len(chosen)) if levels else rng.permutation(len(chosen))
        run[query_id] = {str(doc_id): float(value) for doc_id, value in zip(chosen, scores, strict=True)}
    return run


def random_collection(seed: int, questions: int = 40, documents: int = 60) -> Collection:
    rng = np.random.default_rng(seed)
    corpus = {f"d{i:02}": "text" for i in range(documents)}
    qrels: Qrels = {}
    for i in range(questions):
        chosen = rng.choice(list(corpus), size=15, replace=False)
        grades = [2, *rng.integers(3, size=14)]
        qrels[f"q{i:03}"] = {str(d): int(g) for d, g in zip(chosen, grades, strict=True)}
    return Collection("random", "test", "", corpus, dict.fromkeys(qrels, "text"), qrels)


# score


def test_ndcg_is_trec_evals_linear_gain_over_log2() -> None:
    # Gains 0, 1, 2 at ranks 1 to 3; the best order is 2, 1. With gain 2^grade - 1 it would be .587.
    collection = judged({"q": {"d01": 2, "d02": 1, "d03": 0}})
    expected = (1 / math.log2(3) + 2 / math.log2(4)) / (2 / math.log2(2) + 1 / math.log2(3))
    assert values({"q": in_order("d03", "d02", "d01")}, collection, "nDCG@10") == {
        "q": pytest.approx(expected)
    }


def test_recall_reciprocal_rank_and_cutoffs_by_hand() -> None:
    collection = judged({"q": {"d00": 1, "d05": 1, "d11": 2, "d19": 0}})
    run = {"q": in_order("d19", "d18", "d05", "d01", "d02", "d00", *(f"d{i}" for i in range(12, 17)), "d11")}
    assert values(run, collection, "R@5") == {"q": pytest.approx(1 / 3)}
    assert values(run, collection, "RR") == {"q": pytest.approx(1 / 3)}
    assert values({"q": in_order("d19", "d18")}, collection, "RR") == {"q": 0.0}
    best = 2 + 1 / math.log2(3) + 1 / math.log2(4)
    found = 1 / math.log2(4) + 1 / math.log2(7)  # ranks 3 and 6; rank 12 is past the cutoff
    assert values(run, collection, "nDCG@10") == {"q": pytest.approx(found / best)}


def test_the_share_of_judged_documents_counts_grade_0_and_the_ten_first() -> None:
    collection = judged({"q": {"d00": 1, "d01": 0, "d19": 1}})
    run = {"q": in_order(*(f"d{i:02}" for i in range(20)))}
    assert values(run, collection, "Judged@10") == {"q": 0.2}
    assert values({"q": in_order("d00", "d05")}, collection, "Judged@10") == {"q": 0.5}


def test_ndcg_on_judged_documents_takes_the_unjudged_out_first() -> None:
    collection = judged({"q": {"d00": 1, "d01": 0}})
    run = {"q": in_order("d05", "d06", "d01", "d07", "d00")}
    assert values(run, collection, "nDCG@10") == {"q": pytest.approx(1 / math.log2(6))}
    assert values(run, collection, "nDCG@10 judged") == {"q": pytest.approx(1 / math.log2(3))}
    assert values({"q": in_order("d05", "d06")}, collection, "nDCG@10 judged") == {"q": 0.0}


@pytest.mark.parametrize("measure", ["nDCG@10", "R@5", "RR", "Judged@10", "nDCG@10 judged"])
@pytest.mark.parametrize("run", [{}, {"q2": {}}, {"q1": {"d00": 1.0}}, {"q1": {"d00": 1.0}, "q2": {}}])
def test_a_question_without_documents_scores_0_and_stays(measure: str, run: Run) -> None:
    collection = judged({"q1": {"d00": 1}, "q2": {"d01": 1}})
    assert values(run, collection, measure) == {"q1": float("q1" in run), "q2": 0.0}


def test_questions_that_nothing_answers_are_not_measured() -> None:
    collection = judged({"q1": {"d00": 1}, "none": {"d01": 0}}, unjudged={})
    run = {"q1": in_order("d00"), "none": in_order("d01"), "unjudged": in_order("d01")}
    assert list(score(run, collection)["query_id"].unique()) == ["q1"]
    assert score(run, judged({"none": {"d01": 0}})).empty


def test_rows_stand_by_measure_then_question_as_asked() -> None:
    collection = judged({"b": {"d00": 1}, "a": {"d01": 1}})
    frame = score({}, collection, ["RR", "nDCG@10", "MRR"])  # two names of one measure are two measures
    assert list(frame.columns) == ["query_id", "measure", "value"]
    expected = [(q, m) for m in ("RR", "nDCG@10", "MRR") for q in "ba"]
    assert list(zip(frame["query_id"], frame["measure"], strict=True)) == expected


@pytest.mark.parametrize("name", ["nDGC@10", "nDCG@ten", "nDCG(", "", "Judged@10 judged"])
def test_an_unknown_measure_is_named_with_those_that_are_known(name: str) -> None:
    with pytest.raises(RagkitError, match=r"not known.*nDCG@10"):
        score({}, judged({"q": {"d00": 1}}), [name])


def test_all_parts_wants_every_part_in_the_first_five() -> None:
    assert all_parts(["a", "x", "b", "y", "z"], ["a", "b"]) == 1.0
    assert all_parts(["a", "x", "y", "z", "w", "b"], ["a", "b"]) == 0.0
    assert all_parts([], ["a", "b"]) == 0.0


def test_of_more_than_five_parts_five_are_wanted() -> None:
    assert all_parts(list("abcdefg"), "abcdefg") == 1.0
    assert all_parts(list("abcdxefg"), "abcdefg") == 0.0


def test_all_parts_has_a_row_only_for_questions_of_two_parts_or_more() -> None:
    collection = judged(
        {"two": {"d00": 1, "d01": 1}, "one": {"d00": 1}, "none": {"d00": 1}},
        two={"parts": ["d00", "d01"]},
        one={"parts": ["d00"]},
    )
    run = {q: in_order("d01", "d00") for q in ("two", "one", "none")}
    assert values(run, collection, "AllParts@5") == {"two": 1.0}
    assert values({}, collection, "AllParts@5") == {"two": 0.0}


# score, against other implementations


def by_pytrec_eval(run: Run, collection: Collection) -> dict[str, dict[str, float]]:
    names = {"nDCG@10": "ndcg_cut_10", "R@5": "recall_5", "RR": "recip_rank"}
    evaluator = pytrec_eval.RelevanceEvaluator(collection.qrels, {"ndcg_cut.10", "recall.5", "recip_rank"})
    results = evaluator.evaluate(run)
    return {ours: {q: results[q][theirs] for q in collection.answerable} for ours, theirs in names.items()}


def by_ranx(run: Run, collection: Collection) -> dict[str, dict[str, float]]:
    names = {"nDCG@10": "ndcg@10", "R@5": "recall@5", "RR": "mrr"}
    grades = {q: collection.qrels[q].items() for q in collection.answerable}
    relevant = {q: {d: g for d, g in judged if g > 0} for q, judged in grades.items()}
    with peers.ranx() as ranx:
        theirs = ranx.Run({q: run[q] for q in relevant})
        ranx.evaluate(ranx.Qrels(relevant), theirs, list(names.values()))
    return {ours: {q: float(v) for q, v in theirs.scores[name].items()} for ours, name in names.items()}


def by_hand(run: Run, collection: Collection) -> dict[str, dict[str, float]]:
    """The measures over types.ranking, rank by rank."""
    results: dict[str, dict[str, float]] = {"nDCG@10": {}, "R@5": {}, "RR": {}}
    for query_id in collection.answerable:
        grades = collection.qrels[query_id]
        gains = [max(0, grades.get(doc_id, 0)) for doc_id in ranking(run[query_id])]
        best = sorted((g for g in grades.values() if g > 0), reverse=True)
        dcg, ideal = (sum(g / math.log2(i + 2) for i, g in enumerate(x[:10])) for x in (gains, best))
        first = next((1 / (i + 1) for i, g in enumerate(gains) if g > 0), 0.0)
        results["nDCG@10"][query_id] = dcg / ideal
        results["R@5"][query_id] = sum(g > 0 for g in gains[:5]) / len(best)
        results["RR"][query_id] = first
    return results


def assert_scores(run: Run, collection: Collection, expected: dict[str, dict[str, float]]) -> None:
    for measure, theirs in expected.items():
        assert values(run, collection, measure) == pytest.approx(theirs, abs=1e-9), measure


@pytest.mark.parametrize("seed", range(5))
def test_random_runs_score_as_pytrec_eval_ranx_and_the_hand_loop_say(seed: int) -> None:
    collection = random_collection(seed)
    run = random_run(collection, seed)
    for other in (by_pytrec_eval, by_hand, by_ranx):
        assert_scores(run, collection, other(run, collection))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("levels", [1, 3, 10])
def test_ties_score_in_the_order_that_a_reader_is_shown(seed: int, levels: int) -> None:
    collection = random_collection(seed)
    run = random_run(collection, seed, levels)
    assert_scores(run, collection, by_hand(run, collection))


def test_scores_that_float32_cannot_tell_apart_keep_their_order() -> None:
    collection = judged({"q": {"d00": 1}})
    run = {"q": {"d00": 1 + 1e-12, "d19": 1.0}}
    assert values(run, collection, "RR") == {"q": 1.0}
    assert by_pytrec_eval(run, collection)["RR"] == {"q": 0.5}  # what would have come of handing it on


@pytest.mark.parametrize("name", ["larkfield", SCIFACT])
def test_real_runs_score_as_pytrec_eval_and_ranx_say(name: str | Path) -> None:
    if isinstance(name, Path) and not name.exists():
        pytest.skip("needs ../shared/datasets")
    collection = data.load(str(name))
    run = BM25(collection.corpus)(collection.answerable, 100)
    # Ties at the last places are broken beforehand, as everybody breaks them in another way.
    run = {q: {d: float(-i) for i, d in enumerate(ranking(scores))} for q, scores in run.items()}
    assert len(run) > 250
    for other in (by_pytrec_eval, by_ranx):
        assert_scores(run, collection, other(run, collection))


# compare


def many(n: int = 40, **info: Any) -> Collection:
    """n questions, q00 up, each answered by d00 alone; d01 is judged and does not answer."""
    query_info = {f"q{i:02}": {key: of_question(i) for key, of_question in info.items()} for i in range(n)}
    return judged({query_id: {"d00": 1, "d01": 0} for query_id in query_info}, **query_info)


def at_rank(rank: int, first: int = 0, last: int = 1000) -> System:
    """The answer at this rank for the questions first to last - 1, behind d01, ...; for the others first."""

    def system(queries: Queries) -> Run:
        run = {}
        for i, query_id in enumerate(queries):
            before = ["d01", "d02", "d03"][: rank - 1] if first <= i < last else []
            run[query_id] = in_order(*before, "d00")
        return run

    return system


def only(table: pd.DataFrame) -> Any:
    (found,) = table.itertuples()
    return found


def row(results: pd.DataFrame, system: str, measure: str = "nDCG@10", kind: str = "all") -> Any:
    where = (results["system"] == system) & (results["type"] == kind) & (results["measure"] == measure)
    return only(results[where])


def test_a_comparison_by_hand() -> None:
    # RR is 1/2 on 10 of 40 questions: the baseline's mean is .875; nDCG there 1 / log2(3) = .630930.
    base, ours = at_rank(2, 0, 10), at_rank(1)
    results = compare({"base": base, "ours": ours}, many(), "base").results
    primary = row(results, "ours")
    loss = 1 - 1 / math.log2(3)
    assert (primary.n, primary.wins, primary.losses, primary.ties) == (40, 10, 0, 30)
    assert primary.value == 1.0
    assert primary.difference == pytest.approx(loss / 4)
    # Ten signs all alike, or all turned: 2 / 2^10; one comparison, so Holm changes nothing.
    assert primary.p == primary.p_holm == pytest.approx(2 / 1024, abs=0.0015)
    error = loss * math.sqrt(10 * 0.75**2 + 30 * 0.25**2) / math.sqrt(39 * 40)
    assert primary.smallest == pytest.approx(2.8015852 * error)
    assert primary.low < primary.difference < primary.high
    assert (primary.high - primary.low) / 2 == pytest.approx(2.0227 * error, rel=0.1)
    assert primary.verdict == "better"
    assert row(results, "ours", "RR").difference == pytest.approx(0.125)
    assert row(results, "ours", "R@5").difference == 0.0
    baseline = row(results, "base")
    assert baseline.verdict == "baseline"
    assert baseline.value == pytest.approx(1 - loss / 4)
    assert math.isnan(baseline.difference)
    assert math.isnan(baseline.p)


def test_the_table_is_tidy_and_tests_the_primary_measure_alone() -> None:
    results = compare({"base": at_rank(2), "ours": at_rank(1)}, many(type=lambda i: "lookup"), "base").results
    assert " ".join(results.columns) == (
        "system type measure n value difference low high p p_holm wins losses ties smallest verdict"
    )
    assert not results.duplicated(["system", "type", "measure"]).any()
    measures = ["nDCG@10", "R@5", "RR", "Judged@10", "nDCG@10 judged"]  # no question has parts
    assert list(results[(results["system"] == "ours") & (results["type"] == "all")]["measure"]) == measures
    assert (
        list(results[(results["system"] == "ours") & (results["type"] == "lookup")]["measure"])
        == measures[:2]
    )
    tested = results[results["p"].notna()]
    assert tested[["system", "type", "measure"]].to_numpy().tolist() == [["ours", "all", "nDCG@10"]]
    assert results.loc[results["p"].isna() & (results["verdict"] != ""), "verdict"].tolist() == ["baseline"]


def test_a_system_like_the_baseline_is_equivalent() -> None:
    primary = row(compare({"base": at_rank(2), "same": at_rank(2)}, many(), "base").results, "same")
    assert (primary.p, primary.low, primary.high, primary.ties) == (1.0, 0.0, 0.0, 40)
    assert primary.verdict == "equivalent"


def test_29_questions_are_no_ground_to_say_equivalent() -> None:
    few = replace(many(), queries=dict(list(many().queries.items())[:29]))
    primary = row(compare({"base": at_rank(2), "same": at_rank(2)}, few, "base").results, "same")
    assert (primary.n, primary.low, primary.high, primary.verdict) == (29, 0.0, 0.0, "not shown")


def test_holm_corrects_over_the_systems_that_ran() -> None:
    systems = {
        "base": at_rank(2),
        "better": at_rank(1),
        "some": at_rank(2, 8),  # better on eight questions: p = 2 / 2^8
        "same": at_rank(2),
        "dear": unavailable,
    }
    results = compare(systems, many(), "base").results
    assert row(results, "some").p == pytest.approx(2 / 256, abs=0.003)
    assert row(results, "some").p_holm == pytest.approx(2 * row(results, "some").p)
    assert row(results, "better").p_holm == pytest.approx(3 * row(results, "better").p)
    alone = row(compare({"base": at_rank(2), "some": at_rank(2, 8)}, many(), "base").results, "some")
    assert alone.p == row(results, "some").p
    assert alone.smallest < row(results, "some").smallest


def unavailable(queries: Queries) -> Run:
    raise Unavailable("needs COHERE_API_KEY in the environment")


def test_a_system_that_cannot_run_stands_in_the_table() -> None:
    comparison = compare({"dear": unavailable, "base": at_rank(1)}, many(), "base")
    assert comparison.not_run == {"dear": "needs COHERE_API_KEY in the environment"}
    assert row(comparison.results, "dear").verdict == "not run: needs COHERE_API_KEY in the environment"
    assert row(comparison.results, "dear").n == 0
    assert math.isnan(row(comparison.results, "dear", "RR").value)
    assert "dear" not in comparison.runs
    assert "dear" not in comparison.usage


def test_without_its_baseline_a_comparison_cannot_run() -> None:
    with pytest.raises(Unavailable, match=r"^needs COHERE_API_KEY.*'dear', the baseline"):
        compare({"dear": unavailable, "ours": at_rank(1)}, many(), "dear")


def test_no_verdict_where_unjudged_documents_decide() -> None:
    # ours: the answer third, behind two unjudged documents. base: second, behind one judged not to answer.
    base, ours = in_order("d01", "d00"), in_order("d05", "d06", "d00")
    systems = {name: of(dict.fromkeys(many().queries, run)) for name, run in (("base", base), ("ours", ours))}
    results = compare(systems, many(), "base").results
    assert row(results, "ours").difference == pytest.approx(1 / 2 - 1 / math.log2(3))
    assert row(results, "ours", "nDCG@10 judged").difference == pytest.approx(1 - 1 / math.log2(3))
    assert row(results, "ours").p_holm < 0.05
    assert row(results, "ours").verdict == "no verdict: +0.369 on judged documents alone"
    assert row(results, "ours", "Judged@10").value == pytest.approx(1 / 3)


def test_each_system_is_asked_once_all_answerable_questions_in_order() -> None:
    asked: list[Queries] = []

    def system(queries: Queries) -> Run:
        asked.append(dict(queries))
        queries.clear()  # its own copy: the next system is not disturbed
        return {}

    collection = judged({"b": {"d00": 1}, "a": {"d00": 1}, "none": {"d01": 0}}, unjudged={})
    compare({"base": system, "ours": system}, collection, "base")
    assert asked == [{"b": "text of b", "a": "text of a"}] * 2


def test_usage_is_metered_system_by_system() -> None:
    def costly(queries: Queries) -> Run:
        spend(Usage(calls=len(queries), tokens_in=7))
        return {}

    with metered() as total:
        usage = compare({"base": at_rank(1), "costly": costly}, many(), "base").usage
    assert usage == {"base": Usage(), "costly": Usage(calls=40, tokens_in=7)}
    assert total == usage["costly"]


def test_runs_and_values_of_each_question_are_kept() -> None:
    collection = judged({"q1": {"d00": 1}, "q2": {"d01": 1}})
    run = {"q1": in_order("d00")}
    comparison = compare({"base": of(run)}, collection, "base", ["RR"])
    assert (comparison.collection, comparison.split, comparison.baseline) == ("toy", "test", "base")
    assert comparison.runs == {"base": run}
    frame = comparison.per_query
    assert list(frame.columns) == ["system", "query_id", "measure", "value"]
    assert frame[frame["measure"] == "RR"].to_numpy().tolist() == [
        ["base", "q1", "RR", 1.0],
        ["base", "q2", "RR", 0.0],
    ]
    # What a verdict rests on is measured whatever else is asked for.
    assert list(frame["measure"].unique()) == ["nDCG@10", "RR", "Judged@10", "nDCG@10 judged"]


def test_rewordings_are_one_cluster() -> None:
    # Eight questions in five wordings, all better: 2 / 2^8, not 2 / 2^40.
    collection = many(40, variant_of=lambda i: f"q{i - i % 5:02}" if i % 5 else None)
    reworded = row(compare({"base": at_rank(2), "ours": at_rank(1)}, collection, "base").results, "ours")
    assert reworded.p == pytest.approx(2 / 256, abs=0.003)
    plain = row(compare({"base": at_rank(2, 0, 10), "ours": at_rank(1)}, many(), "base").results, "ours")
    few = row(compare({"base": at_rank(2, 0, 10), "ours": at_rank(1)}, collection, "base").results, "ours")
    assert few.difference == plain.difference
    assert few.smallest > 1.5 * plain.smallest
    assert few.high - few.low > 1.5 * (plain.high - plain.low)


def test_types_have_an_interval_from_30_questions_on_and_never_a_p() -> None:
    collection = many(59, type=lambda i: "lookup" if i < 30 else "table")
    results = compare({"base": at_rank(2, 0, 45), "ours": at_rank(1)}, collection, "base").results
    lookup, table = (row(results, "ours", kind=kind) for kind in ("lookup", "table"))
    loss = 1 - 1 / math.log2(3)
    assert (lookup.n, lookup.difference, lookup.low, lookup.high) == (30, *[pytest.approx(loss)] * 3)
    assert (table.n, table.wins, table.ties) == (29, 15, 14)
    assert table.difference == pytest.approx(loss * 15 / 29)
    assert math.isnan(table.low)
    assert math.isnan(table.high)
    assert math.isnan(lookup.p)
    assert lookup.verdict == table.verdict == ""


def test_a_type_that_is_called_all_does_not_stand_for_all() -> None:
    results = compare(
        {"base": at_rank(2), "ours": at_rank(1)}, many(40, type=lambda i: "all" if i < 9 else "rest"), "base"
    ).results
    assert row(results, "ours").n == 40
    assert set(results["type"]) == {"all", "rest"}


def test_thirty_rewordings_of_six_questions_are_too_few_for_an_interval() -> None:
    collection = many(30, type=lambda i: "lookup", variant_of=lambda i: f"q{i % 6:02}")
    results = compare({"base": at_rank(2), "ours": at_rank(1)}, collection, "base").results
    assert math.isnan(row(results, "ours", kind="lookup").low)


def test_all_parts_is_compared_on_the_questions_that_have_parts() -> None:
    collection = many(40, parts=lambda i: ["d00", "d01"] if i < 12 else [])
    results = compare({"base": at_rank(1), "ours": at_rank(2)}, collection, "base").results
    parts = row(results, "ours", "AllParts@5")
    assert (parts.n, parts.value, parts.difference, parts.wins) == (12, 1.0, 1.0, 12)


def test_the_same_seed_gives_the_same_table() -> None:
    systems = {"base": at_rank(2, 0, 20), "ours": at_rank(3, 15, 30)}
    first, again, other = (compare(systems, many(), "base", seed=seed).results for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert row(first, "ours").low != row(other, "ours").low or row(first, "ours").p != row(other, "ours").p


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"q00": {"d00#1": 1.0, "d01": 0.5}}, r"'ours' on 'toy' has 1 doc_ids for query 'q00'.*'d00#1'"),
        ({"Q00": {"d00": 1.0}}, "'ours' on 'toy' has 1 queries that were not asked.*'Q00'"),
        ({"q00": {"d00": math.nan}}, "'ours' on 'toy' scores .*'d00'.* nan for query 'q00'"),
    ],
)
def test_a_run_that_cannot_be_measured_is_refused(run: Run, message: str) -> None:
    with pytest.raises(RagkitError, match=message):
        compare({"base": at_rank(1), "ours": lambda queries: run}, many(), "base")


def test_an_unknown_baseline_is_an_error_that_names_the_systems() -> None:
    with pytest.raises(RagkitError, match=r"'bm52' is not among the systems.*'bm25', 'dense'"):
        compare({"bm25": at_rank(1), "dense": at_rank(1)}, many(), "bm52")


def test_a_split_without_answers_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(RagkitError, match=r"'toy', split 'test': none of its 1 questions.*load a split"):
        compare({"base": at_rank(1)}, judged({"q": {"d00": 0}}), "base")


def test_a_baseline_alone_is_a_table_too() -> None:
    results = compare({"base": at_rank(1)}, many(), "base").results
    assert row(results, "base").value == 1.0
    assert results["difference"].isna().all()


# tune


def quality(point: dict[str, float]) -> System:
    """nDCG@10 falls with the share of the forty questions whose answer is second."""
    return at_rank(2, 0, int(point["seconds"]))


def test_the_best_point_is_taken() -> None:
    tuning = tune(quality, {"seconds": [30, 20, 0, 10]}, {"seconds": 30}, replace(many(), split="dev"))
    assert tuning.best == {"seconds": 0}
    loss = (1 - 1 / math.log2(3)) / 40
    assert tuning.table["nDCG@10"].tolist() == pytest.approx([1 - s * loss for s in (30, 20, 0, 10)])
    assert (tuning.split, tuning.questions) == ("dev", 40)


def test_of_points_within_2_thousandths_the_nearest_to_the_default_is_taken() -> None:
    # One question in 400 answered second costs .00092, two .00185, three .00277.
    collection = replace(many(400), split="train")
    tuning = tune(quality, {"seconds": [0, 1, 2, 3, 4]}, {"seconds": 4}, collection)
    assert tuning.best == {"seconds": 2}
    assert tune(quality, {"seconds": [0, 1, 2, 3, 4]}, {"seconds": 1}, collection).best == {"seconds": 1}


def test_of_two_points_equally_near_the_better_one_is_taken() -> None:
    collection = replace(many(400), split="dev")
    for grid in ([1, 40, 0], [0, 40, 1]):
        assert tune(quality, {"seconds": grid}, {"seconds": 40}, collection).best == {"seconds": 0}


def test_nearness_is_the_sum_of_steps_over_the_whole_grid() -> None:
    def flat(point: dict[str, float]) -> System:
        return at_rank(1 if point in ({"a": 0, "b": 5}, {"a": 2, "b": 0}) else 2)

    grid = {"a": [0, 1, 2], "b": [0, 5, 10]}
    tuning = tune(flat, grid, {"a": 2, "b": 10}, replace(many(), split="dev"))
    assert tuning.best == {"a": 2, "b": 0}  # two steps; the other good point is three away
    assert len(tuning.table) == 9
    assert list(tuning.table.columns) == ["a", "b", "nDCG@10"]


def test_without_a_split_to_tune_on_the_default_stands() -> None:
    tuning = tune(quality, {"seconds": [0, 10]}, {"seconds": 10}, None)
    assert (tuning.best, tuning.split, tuning.questions) == ({"seconds": 10}, "not tuned", 0)
    assert tuning.table.empty


def test_tuning_on_test_is_refused() -> None:
    with pytest.raises(RagkitError, match="test split of 'toy'"):
        tune(quality, {"seconds": [0, 10]}, {"seconds": 10}, many())


@pytest.mark.parametrize("default", [{"seconds": 5}, {}, {"seconds": 0, "other": 1}])
def test_a_default_outside_the_grid_is_an_error(default: dict[str, float]) -> None:
    with pytest.raises(RagkitError, match="not a point of the grid"):
        tune(quality, {"seconds": [0, 10]}, default, replace(many(), split="dev"))


# costs


def recording(asked: list[str], usage: Usage, wait: float = 0.0) -> Callable[[Queries], Run]:
    def system(queries: Queries) -> Run:
        asked.extend(queries)
        spend(usage)
        time.sleep(wait)
        return {}

    return system


def test_questions_are_asked_one_by_one_after_five_warm_ups() -> None:
    asked: list[str] = []
    usage = Usage(calls=2, tokens_in=100, tokens_out=10, dollars=0.001)
    table = costs({"ours": recording(asked, usage)}, many(40), {}, questions=20)
    assert len(asked) == 25
    assert len(set(asked)) == 25  # warm-ups are other questions, where there are enough
    cost = only(table)
    assert (cost.calls, cost.tokens_in, cost.tokens_out) == (2, 100, 10)
    assert cost.dollars_per_1000 == pytest.approx(1.0)
    again: list[str] = []
    costs({"ours": recording(again, usage)}, many(40), {}, questions=20)
    assert again == asked


def test_a_small_collection_is_asked_whole() -> None:
    asked: list[str] = []
    costs({"ours": recording(asked, Usage())}, many(3), {})
    assert len(asked) == 6
    assert asked[:3] == asked[3:]


def test_recorded_seconds_are_added_to_the_time_that_passed() -> None:
    cost = only(costs({"ours": recording([], Usage(seconds=2.0), 0.01)}, many(6), {}))
    assert 2.01 <= cost.seconds_median <= cost.seconds_p95 < 3


def test_median_and_95th_percentile_are_of_seconds_a_question() -> None:
    waits = iter([9.0] * 5 + [float(i) for i in range(101)])  # the warm-ups' nines do not count

    def system(queries: Queries) -> Run:
        spend(Usage(seconds=next(waits)))
        return {}

    cost = only(costs({"ours": system}, many(200), {}, questions=101))
    assert cost.seconds_median == pytest.approx(50, abs=0.1)
    assert cost.seconds_p95 == pytest.approx(95, abs=0.1)


def test_indexes_are_summed_by_system_and_those_that_cannot_run_left_out() -> None:
    index = SimpleNamespace(size_bytes=1000, build_seconds=0.5)
    systems = {"one": at_rank(1), "both": at_rank(1), "none": at_rank(1), "dear": unavailable}
    table = costs(systems, many(), {"one": [index], "both": [index, index]}, questions=2).set_index("system")
    assert table["index_bytes"].to_dict() == {"one": 1000, "both": 2000, "none": 0}
    assert table["build_seconds"].to_dict() == {"one": 0.5, "both": 1.0, "none": 0.0}
    assert not table["modelled"].any()


def test_a_bill_has_means_a_call_in_the_columns_of_costs() -> None:
    price = Price(1.00, 2.00, "somebody", "2026-11-22", waits=((100, 1.0), (300, 2.0)))
    used = {"a": Usage(calls=2, tokens_in=300, tokens_out=20), "b": Usage(calls=1, tokens_in=400)}
    table = evaluate.bill(used | {"silent": Usage()}, price, {"a": 0.5})
    assert list(table["system"]) == ["a", "b"]  # who was not asked has no price of a call
    # a: 150 tokens in, 10 out: 1000 x (150 + 20) / 1e6; half a second before a wait of 1.25
    assert table["dollars_per_1000"][0] == pytest.approx(0.17)
    assert table["seconds_median"][0] == pytest.approx(1.75)
    assert table["seconds_median"].isna().tolist() == [False, True]
    assert table["modelled"].all()
    measured = costs({"a": at_rank(1)}, many(6), {}, questions=1)
    assert list(table.columns) == list(measured.columns)
    assert evaluate.bill({}, price, {}).empty


def test_only_what_costs_asks_is_timed() -> None:
    seen = []

    def system(queries: Queries) -> Run:
        seen.append(timed())
        return {q: {"d00": 1.0} for q in queries}

    evaluate.compare({"a": system}, judged({"q": {"d00": 1}}), "a")
    assert (seen, timed()) == ([False], False)
    costs({"a": system}, judged({"q": {"d00": 1}}), {})
    assert (seen, timed()) == ([False, True, True], False)


def test_costs_need_questions() -> None:
    with pytest.raises(RagkitError, match="'toy' has no questions"):
        costs({"ours": at_rank(1)}, judged({}), {})


def test_the_measures_begin_with_the_primary_one() -> None:
    assert evaluate.MEASURES[0] == PRIMARY == "nDCG@10"


def test_seconds_that_the_clock_saw_are_counted_once() -> None:
    def live(queries: Queries) -> Run:
        spend(Usage(1, seconds=100.0, waited=100.0))  # a live answer: the clock has run meanwhile
        return {}

    def replayed(queries: Queries) -> Run:
        spend(Usage(1, seconds=100.0))
        return {}

    table = costs({"live": live, "replayed": replayed}, judged({"q": {"d00": 1}}), {})
    seconds = dict(zip(table["system"], table["seconds_median"], strict=True))
    assert seconds["live"] < 50 < 100 < seconds["replayed"]


def said(answers: Answers, collection: Collection) -> pd.DataFrame:
    """Right: the answer is "yes", on questions with an answer; Silent: no answer, on all questions."""
    rows = [(q, "Right", float(answers[q] == "yes")) for q in collection.answerable]
    rows += [(q, "Silent", float(not answers[q])) for q in collection.queries]
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def test_answers_are_compared_by_hand_each_measure_where_it_applies() -> None:
    collection = judged({"q1": {"d00": 1}, "q2": {"d00": 1}, "q3": {"d00": 1}, "q4": {"d00": 0}})
    readers: dict[str, Callable[[Queries], Answers]] = {
        "no": lambda queries: dict.fromkeys(queries, ""),
        "good": lambda queries: {q: "yes" if q != "q3" else "" for q in queries},
        "absent": unavailable,  # type: ignore[dict-item]
    }
    comparison = evaluate.compare_answers(readers, collection, "no", said)
    assert comparison.primary == "Right"
    good = row(comparison.results, "good", "Right")
    assert (good.n, good.wins, good.losses, good.ties) == (3, 2, 0, 1)
    assert good.difference == pytest.approx(2 / 3)
    assert row(comparison.results, "good", "Silent").value == 1 / 4  # q3
    assert (
        row(comparison.results, "absent", "Right").verdict
        == "not run: needs COHERE_API_KEY in the environment"
    )
    assert comparison.answers["good"]["q4"] == "yes"
    assert math.isnan(row(comparison.results, "good", "Silent").p)  # one family: the primary measure


def test_answers_to_other_questions_are_refused() -> None:
    collection = judged({"q1": {"d00": 1}})
    with pytest.raises(RagkitError, match=r"'a' answers other questions.*'q9'"):
        evaluate.compare_answers({"a": lambda _: {"q9": "yes"}}, collection, "a", said)


def test_tuning_may_make_another_quality_large_over_all_questions() -> None:
    collection = replace(judged({"q1": {"d00": 1}, "q2": {"d00": 0}}), split="dev")
    silent = evaluate.Quality("share silent", lambda answers, _: sum(not a for a in answers.values()) / 2)
    tuning = tune(
        lambda at: lambda queries: {q: "" if i < at["n"] else "yes" for i, q in enumerate(queries)},
        {"n": [0, 1, 2]},
        {"n": 0},
        collection,
        silent,
    )
    assert (tuning.best, tuning.measure, tuning.questions) == ({"n": 2}, "share silent", 2)
    assert tuning.table["share silent"].tolist() == [0, 0.5, 1]
