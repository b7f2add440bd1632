import math

import pytest

from ragkit import evaluate, robustness
from ragkit.types import Collection, Run

CORPUS = {"right": "the lease of the hall", "half": "a lease", "wrong": "other"}
ASKED = Collection(
    name="toy",
    split="test",
    context="",
    corpus=CORPUS,
    queries={"q1-typo": "leese", "q1-vague": "that paper", "q2-typo": "hal lease", "none": "?"},
    qrels={
        "q1-typo": {"right": 2, "half": 1},
        "q1-vague": {"right": 2, "half": 1},
        "q2-typo": {"wrong": 1},
        "none": {"wrong": 0},
    },
    query_info={
        "q1-typo": {"variant_of": "q1", "style": "typo"},
        "q1-vague": {"variant_of": "q1", "style": "vague"},
        "q2-typo": {"variant_of": "q2", "style": "typo"},
        "none": {"variant_of": "q3", "style": "typo"},
    },
)
FIRST: Run = {"q1-typo": {"right": 2.0}, "q1-vague": {"right": 2.0}, "q2-typo": {"wrong": 1.0}}
REWORDED: Run = {"q1-typo": {"right": 2.0}, "q1-vague": {"wrong": 3.0, "right": 2.0}}  # q2-typo finds nothing
# nDCG@10 of q1: ideal 2 + 1/log2(3); first at rank 1: 2, second: 2/log2(3)
IDEAL = 2 + 1 / math.log2(3)


def test_a_shift_is_the_rewording_less_its_original_under_the_same_system() -> None:
    found = robustness.shifts({"system": (REWORDED, FIRST)}, ASKED)
    assert found["system"].to_dict() == pytest.approx(
        {"q1-typo": 0.0, "q1-vague": (2 / math.log2(3) - 2) / IDEAL, "q2-typo": -1.0}
    )


def test_another_measure_may_be_asked_for() -> None:
    found = robustness.shifts({"system": (REWORDED, FIRST)}, ASKED, "RR")
    assert found["system"].to_dict() == pytest.approx({"q1-typo": 0.0, "q1-vague": -0.5, "q2-typo": -1.0})


def test_styles_are_averaged_over_their_own_rewordings_and_few_questions_have_no_interval() -> None:
    table = robustness.by_style(robustness.shifts({"s": (REWORDED, FIRST)}, ASKED), ASKED)
    rows = table.set_index("type")
    assert list(rows.index) == ["all", "typo", "vague"]
    assert rows.loc["typo", "difference"] == pytest.approx(-0.5)  # (0 - 1) / 2
    assert list(rows["n"]) == [3, 2, 1]
    assert rows["low"].isna().all()


def test_intervals_take_the_rewordings_of_a_question_as_one() -> None:
    many = {f"{i}-{style}": style for i in range(30) for style in ("typo", "vague")}
    asked = Collection(
        name="many",
        split="test",
        context="",
        corpus=CORPUS,
        queries=dict.fromkeys(many, "?"),
        qrels={q: {"right": 1} for q in many},
        query_info={q: {"variant_of": q.split("-")[0], "style": style} for q, style in many.items()},
    )
    half: Run = {q: {"right": 1.0} for q in many if int(q.split("-")[0]) < 15}
    pairs = {"s": (half, {q: {"right": 1.0} for q in many})}
    rows = robustness.by_style(robustness.shifts(pairs, asked), asked).set_index("type")
    assert rows.loc["all", "difference"] == pytest.approx(-0.5)
    # two rewordings that fare alike tell no more than one: the interval is that of one style
    assert list(rows.loc["all", ["low", "high"]]) == list(rows.loc["typo", ["low", "high"]])


def test_results_by_style_name_what_was_measured() -> None:
    shifts = robustness.shifts({"s": (REWORDED, REWORDED)}, ASKED, "R@5")
    assert set(robustness.by_style(shifts, ASKED, measure="R@5")["measure"]) == {"R@5"}
    assert set(robustness.by_style(shifts, ASKED)["measure"]) == {"nDCG@10"}


def test_best_and_worst_wording_and_what_their_first_documents_share() -> None:
    found = robustness.wordings(REWORDED, ASKED, k=1)
    assert list(found.index) == ["q1", "q2"]  # without an answer there is no evidence to find
    assert list(found.loc["q1"]) == [0.5, 0.0, 1.0, 0.0]
    assert list(found.loc["q2"])[:3] == [0.0, 0.0, 0.0]
    assert found["overlap"].isna().to_list() == [False, True]  # one wording shares with nothing
    assert robustness.wordings(REWORDED, ASKED, k=2).loc["q1", "overlap"] == 0.5  # "right", of two places


def test_only_the_highest_grade_is_evidence() -> None:
    run: Run = {"q1-typo": {"half": 1.0}, "q1-vague": {"half": 1.0}}
    assert robustness.wordings(run, ASKED).loc["q1", "best"] == 0.0


def test_vocabulary_tells_whose_words_a_rewording_uses() -> None:
    first = {"q1-typo": "lease price", "q1-vague": "lease price", "q2-typo": "other"}
    table = robustness.vocabulary(ASKED, first, lambda text: set(text.lower().split()))
    # first asked: q1 twice (half of "lease price" stands in "the lease of the hall"), q2 once (all of it)
    assert table.loc["first asked"].to_dict() == pytest.approx(
        {"words": 5 / 3, "kept": 1.0, "in evidence": (0.5 + 0.5 + 1) / 3, "new": 0.0}
    )
    # typo: "leese" keeps nothing and is nowhere; "hal lease" neither keeps "other" nor stands in "other"
    assert table.loc["typo"].to_dict() == pytest.approx(
        {"words": 1.5, "kept": 0.0, "in evidence": 0.0, "new": 0.0}
    )


def test_a_word_of_the_evidence_that_the_original_lacks_is_new() -> None:
    first = dict.fromkeys(ASKED.queries, "paper")
    asked = ASKED.queries | {"q1-vague": "that lease paper"}
    told = Collection(
        name="toy", split="test", context="", corpus=CORPUS, queries=asked, qrels=ASKED.qrels,
        query_info=ASKED.query_info,
    )  # fmt: skip
    row = robustness.vocabulary(told, first, lambda text: set(text.split())).loc["vague"]
    assert row.to_dict() == pytest.approx({"words": 3, "kept": 1.0, "in evidence": 1 / 3, "new": 1.0})


def test_intervals_are_those_of_compare() -> None:
    queries = {f"{i}-{style}": "?" for i in range(40) for style in ("typo", "vague")}
    asked = Collection(
        name="many",
        split="test",
        context="",
        corpus=CORPUS,
        queries=queries,
        qrels={q: {"right": 1} for q in queries},
        query_info={
            q: {"variant_of": q.split("-")[0], "style": q.split("-")[1], "type": q.split("-")[1]}
            for q in queries
        },
    )
    full: Run = {q: {"right": 1.0} for q in queries}
    some: Run = {q: {"right": 1.0} for i, q in enumerate(queries) if i % 3}
    compared = evaluate.compare({"first": lambda q: full, "s": lambda q: some}, asked, "first")
    theirs = compared.results.query("system == 's' and measure == 'nDCG@10'").set_index("type")
    mine = robustness.by_style(robustness.shifts({"s": (some, full)}, asked), asked).set_index("type")
    for field in ("difference", "low", "high"):
        assert list(mine[field]) == list(theirs[field].loc[mine.index])
