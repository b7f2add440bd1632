"""Corrective retrieval: features, an evaluator that learns from them, verdicts, risk and coverage."""

import numpy as np
import pytest

from ragkit import correct
from ragkit.types import Collection, RagkitError

CORPUS = {"a": "boiler valve", "b": "valve", "c": "cat"}
QRELS = {"q": {"a": 2, "b": 1, "c": 0}, "r": {"c": 1}}
JUDGED = Collection("toy", "test", "", CORPUS, dict.fromkeys(("q", "r", "none"), "?"), QRELS)
WRONG = [False, True, False, True]


def split(texts: list[str]) -> list[list[str]]:
    return [text.split() for text in texts]


def test_features_are_what_the_two_parts_say() -> None:
    queries = {"q": "boiler valve noise"}
    bm25 = {"q": {"a": 6.0, "b": 3.0, "c": 2.0, "d": 2.0, "e": 1.5}}
    dense = {"q": {"b": 0.8, "a": 0.5, "f": 0.4, "g": 0.3, "h": 0.2, "i": 0.1}}
    seen = correct.features(queries, CORPUS, bm25, dense, split)["q"]
    assert seen == pytest.approx(
        {
            "best BM25 score a term": 2.0,  # 6 for three terms
            "best cosine": 0.8,
            "BM25, first less fifth, share of the first": 0.75,  # (6 - 1.5) / 6
            "cosine, first less fifth": 0.6,  # 0.8 - 0.2
            correct.TERMS: 1 / 3,  # of boiler, valve, noise only valve stands in b
            "documents in both top tens, share": 0.2,  # a and b
        }
    )


def test_a_question_that_finds_nothing_has_features_of_zero() -> None:
    seen = correct.features({"q": "", "r": "zymurgy"}, CORPUS, {"q": {}, "r": {}}, {"q": {}}, split)
    assert set(seen) == {"q", "r"}
    assert set(seen["q"].values()) == set(seen["r"].values()) == {0.0}
    assert correct.features({}, CORPUS, {}, {}, split) == {}


def test_a_short_list_falls_to_zero_behind_its_end() -> None:
    seen = correct.features({"q": "valve"}, CORPUS, {"q": {"b": 2.0}}, {"q": {"b": 0.5}}, split)["q"]
    assert seen["BM25, first less fifth, share of the first"] == 1.0
    assert seen["cosine, first less fifth"] == 0.5


def test_looks_are_averaged_feature_by_feature_and_question_by_question() -> None:
    first = {"q": {"x": 1.0, "y": 0.0}, "r": {"x": 5.0, "y": 5.0}}
    second = {"q": {"x": 3.0, "y": 1.0}, "r": {"x": 5.0, "y": 7.0}}
    assert correct.mean([first, second]) == {"q": {"x": 2.0, "y": 0.5}, "r": {"x": 5.0, "y": 6.0}}
    assert correct.only(first, "y") == {"q": {"y": 0.0}, "r": {"y": 5.0}}


def test_a_run_holds_the_answer_when_evidence_is_among_its_first() -> None:
    run = {"q": {"b": 3.0, "a": 2.0, "c": 1.0}, "r": {}, "none": {"a": 1.0}, "unjudged": {"a": 1.0}}
    assert correct.evidence_found(run, JUDGED, 2) == {"q": True, "r": False, "none": False, "unjudged": False}
    assert not correct.evidence_found(run, JUDGED, 1)["q"]  # b only helps
    assert correct.evidence_found({"q": {"a": 1.0, "b": 1.0}}, JUDGED, 1) == {
        "q": False
    }  # a tie: b is first by doc_id


def line(n: int) -> tuple[correct.Features, dict[str, bool]]:
    """n questions on a line, of which the upper half holds the answer but for every fifth question."""
    seen = {f"q{i:02d}": {"x": float(i), "same": 1.0} for i in range(n)}
    return seen, {q: (i >= n // 2) ^ (i % 5 == 0) for i, q in enumerate(seen)}


def test_the_evaluator_is_a_logistic_regression_on_scaled_features() -> None:
    seen, labels = line(40)
    evaluator = correct.Evaluator(seen, labels, dict.fromkeys(seen, 1.0))
    x = np.array([own["x"] for own in seen.values()])
    scaled = (x - x.mean()) / x.std()
    sure = np.array(list(evaluator(seen).values()))
    logit = np.log(sure / (1 - sure))
    assert np.allclose(np.diff(logit), np.diff(scaled) * evaluator.coefficients["x"])
    assert evaluator.coefficients["x"] > 0
    assert evaluator.coefficients["same"] == pytest.approx(0)  # a feature that never changes tells nothing
    # without a penalty on the intercept, the mean probability is the share of the labels
    assert sure.mean() == pytest.approx(np.mean(list(labels.values())), abs=1e-3)
    assert evaluator({}) == {}


def test_a_weight_of_two_is_the_question_asked_twice() -> None:
    seen, labels = line(20)
    doubled = {q: 2.0 if labels[q] else 1.0 for q in seen}
    mean = np.mean(list(correct.Evaluator(seen, labels, doubled)(seen).values()))
    plain = np.mean(list(correct.Evaluator(seen, labels, dict.fromkeys(seen, 1.0))(seen).values()))
    assert mean > plain + 0.05


def test_the_evaluator_needs_questions_of_both_kinds() -> None:
    seen, labels = line(6)
    for given in ({}, dict.fromkeys(labels, True)):
        with pytest.raises(RagkitError, match="expected some with and some without"):
            correct.Evaluator(seen, given, dict.fromkeys(seen, 1.0))


def test_held_out_confidence_does_not_know_the_question_it_judges() -> None:
    seen, labels = line(40)
    stray = "q39"  # far up the line, said to hold nothing: who has learnt it is less sure of it
    labels[stray] = False
    weights = dict.fromkeys(seen, 1.0) | {stray: 20.0}
    apart = correct.held_out(seen, labels, weights)
    whole = correct.Evaluator(seen, labels, weights)(seen)
    assert apart[stray] > whole[stray] + 0.1
    assert list(apart) == list(seen)
    assert correct.held_out(seen, labels, weights) == apart


def test_questions_without_a_label_are_judged_by_all_that_have_one() -> None:
    seen, labels = line(40)
    del labels["q07"]
    weights = dict.fromkeys(seen, 1.0)
    said = correct.held_out(seen, labels, weights)
    assert said["q07"] == correct.Evaluator(seen, labels, weights)(seen)["q07"]


def test_verdicts_lie_between_two_thresholds() -> None:
    said = {"low": 0.2, "lower": 0.3, "mid": 0.5, "upper": 0.7, "high": 0.9}
    verdicts = correct.verdicts(said, 0.3, 0.7)
    assert verdicts == {
        "low": "incorrect", "lower": "ambiguous", "mid": "ambiguous", "upper": "correct", "high": "correct"
    }  # fmt: skip
    assert correct.verdicts({"x": 0.5}, 0.5, 0.5) == {"x": "correct"}  # one threshold: nothing is ambiguous
    assert correct.verdicts({}, 0.3, 0.7) == {}
    with pytest.raises(RagkitError, match="swap them"):
        correct.verdicts(said, 0.7, 0.3)


def test_risk_is_that_of_the_most_confident_questions() -> None:
    curve = correct.risk_coverage([0.9, 0.8, 0.2, 0.1], WRONG)
    assert list(curve["coverage"]) == [0.25, 0.5, 0.75, 1.0]
    assert list(curve["risk"]) == pytest.approx([0, 1 / 2, 1 / 3, 2 / 4])
    assert correct.area([0.9, 0.8, 0.2, 0.1], WRONG) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_a_tie_is_answered_in_any_order() -> None:
    # the first is right; of three that tie two are wrong: 2/3, 4/3, 2 errors are expected among 2, 3, 4
    risk = correct.risk_coverage([0.9, 0.5, 0.5, 0.5], [False, True, False, True])["risk"]
    assert list(risk) == pytest.approx([0, (2 / 3) / 2, (4 / 3) / 3, 2 / 4])
    assert correct.area([0.5] * 4, WRONG) == 0.5  # who knows nothing has the share of wrong ones as area


def test_the_area_is_the_mean_over_all_orders_of_a_tie() -> None:
    from itertools import permutations

    wrong = [True, False, False, True, False]
    orders = [correct.area([5, 4, 3, 2, 1], list(order)) for order in permutations(wrong)]
    assert correct.area([1] * 5, wrong) == pytest.approx(np.mean(orders))


def test_gained_is_none_of_the_area_for_chance_and_all_of_it_for_the_perfect() -> None:
    assert correct.gained([1, 1, 1, 1], WRONG) == 0
    assert correct.gained([2, 1, 2, 1], WRONG) == 1
    assert correct.gained([1, 2, 1, 2], WRONG) < 0  # worse than knowing nothing
    # nothing 1/2; perfect (0 + 0 + 1/3 + 1/2) / 4 = 5/24; this one 1/3: (1/2 - 1/3) / (1/2 - 5/24) = 4/7
    assert correct.gained([0.9, 0.8, 0.2, 0.1], WRONG) == pytest.approx(4 / 7)
    assert np.isnan(correct.gained([1, 2], [False, False]))


def test_told_apart_is_the_area_under_the_roc_curve() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    right, sure = rng.integers(2, size=50), rng.integers(10, size=50)  # with ties
    assert correct.told_apart(sure, right) == pytest.approx(roc_auc_score(right, sure))
    assert correct.told_apart([1, 1], [True, False]) == 0.5
    assert np.isnan(correct.told_apart([1, 2], [True, True]))


def test_the_interval_of_a_mean_is_about_that_of_the_textbook() -> None:
    values = np.arange(100) / 100
    low, high = correct.interval(lambda x: float(np.mean(x)), [values], seed=1)
    half = 1.96 * values.std() / 10  # of the mean of 100 questions
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
    assert correct.interval(lambda x: float(np.mean(x)), [values], seed=1) == (low, high)


def test_knowledge_looks_at_what_was_found_and_at_what_can_be_answered_separately() -> None:
    sure = [0.9, 0.8, 0.4, 0.3, 0.95, 0.85]
    held = [True, True, False, False, False, False]
    answerable = [True, True, True, True, False, False]
    known = correct.knowledge(sure, held, answerable)
    assert known["held"] == pytest.approx(1 / 3)
    assert known["area"] == pytest.approx(correct.area(sure, np.logical_not(held)))
    assert known["found or missed"] == 1  # among the first four
    assert known["answerable or not"] == pytest.approx(1 / 8)  # one of eight pairs: 0.9 above 0.85
    assert known["gained low"] <= known["gained"] <= known["gained high"]


def test_decisions_count_each_kind_of_question_by_itself() -> None:
    #           found  found  missed  missed  none   none   none
    quiet = [False, True, True, False, True, True, False]
    held = [True, True, False, False, False, False, False]
    answerable = [True, True, True, True, False, False, False]
    assert correct.decisions(quiet, held, answerable) == pytest.approx(
        {
            "answered": 3 / 7,
            "risk": 2 / 3,  # answered: one found, one missed, one that has no answer
            "unanswerable caught": 2 / 3,
            "missed caught": 1 / 2,
            "found refused": 1 / 2,
            "answerable refused": 2 / 4,
            "handled right": 4 / 7,  # one found, one missed, two without an answer
        }
    )


def test_a_share_of_no_question_is_not_a_number() -> None:
    measured = correct.decisions([True, True], [True, False], [True, True])
    assert np.isnan(measured["risk"])  # nothing is answered
    assert np.isnan(measured["unanswerable caught"])
