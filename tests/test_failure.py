from dataclasses import replace

import pytest

from ragkit import answers, data, failure
from ragkit.types import Collection, RagkitError
from tests.larkfield import larkfield

LEAVE = Collection(
    name="toy",
    split="test",
    context="",
    corpus={name: name for name in ("now", "old", "how", "more", "noise")},
    queries={"days": "How much leave?", "both": "How much, and how do I ask?", "dental": "Which crown?"},
    qrels={"days": {"now": 2, "old": 0, "more": 1}, "both": {"now": 2, "how": 2}, "dental": {"noise": 0}},
    answers={"days": ["25 days", "five weeks"], "both": ["25 days", "Beehive"]},
    query_info={
        "days": {"type": "lookup", "answerable": True},
        "both": {"type": "multi_hop", "answerable": True, "all_of": True, "parts": ["now", "how"]},
        "dental": {"type": "unanswerable", "answerable": False},
    },
)
WRONG = dict.fromkeys(LEAVE.queries, 0.0)
ALL = {query_id: list(LEAVE.corpus) for query_id in LEAVE.queries}
FOUND = {"candidates": ALL, "ranking": ALL, "context": ALL}


def test_evidence_is_one_document_of_the_highest_grade_or_all_the_parts() -> None:
    assert failure.holds(["noise", "now"], "days", LEAVE)
    assert not failure.holds(["more", "old"], "days", LEAVE)  # helpful is not enough
    assert failure.holds({"how": 0.5, "now": 0.1}, "both", LEAVE)  # a run's documents
    assert not failure.holds(["now"], "both", LEAVE)  # half of an answer
    assert not failure.holds(["noise"], "dental", LEAVE)
    assert not failure.holds([], "days", LEAVE)


@pytest.mark.parametrize(
    ("passed", "read", "expected"),
    [
        (FOUND | {"candidates": {}}, {}, "candidates"),
        (FOUND | {"ranking": {"days": ["more"], "both": ["how"]}}, {}, "ranking"),
        # the first gap counts, though there is a second one, and though the answer was read as incomplete
        (FOUND | {"ranking": {}, "context": {}}, dict.fromkeys(ALL, "incomplete"), "ranking"),
        (FOUND | {"context": {}}, {}, "context"),
        ({}, {}, "not extracted"),  # no stage is known to have lost anything
        (FOUND, {}, "not extracted"),  # nobody read what the answer is
        (FOUND, dict.fromkeys(ALL, "wrong"), "not extracted"),
        (FOUND, dict.fromkeys(ALL, "outdated"), "outdated"),
        (FOUND, dict.fromkeys(ALL, "wrong format"), "wrong format"),
        (FOUND, dict.fromkeys(ALL, "wrong specificity"), "wrong specificity"),
    ],
)
def test_a_question_goes_to_the_first_stage_that_lost_it(
    passed: dict[str, dict[str, list[str]]], read: dict[str, str], expected: str
) -> None:
    lost = failure.attribute(WRONG, passed, read, LEAVE)
    assert lost == {"days": expected, "both": expected, "dental": "content"}


def test_what_is_right_was_lost_nowhere_whatever_was_found() -> None:
    right = {"days": 1.0, "both": 0.0, "dental": 1.0}
    assert failure.attribute(right, {"candidates": {}}, {}, LEAVE) == {
        "days": "right",
        "both": "candidates",
        "dental": "right",
    }


def test_a_question_without_evidence_that_is_not_marked_unanswerable_is_refused() -> None:
    unjudged = replace(LEAVE, qrels={})
    with pytest.raises(RagkitError, match="'days' of 'toy' has no document judged relevant"):
        failure.attribute(WRONG, FOUND, {}, unjudged)
    assert failure.attribute(WRONG | {"days": 1.0, "both": 1.0}, FOUND, {}, unjudged)["dental"] == "content"


def test_unknown_stages_readings_and_missing_questions_are_named() -> None:
    with pytest.raises(RagkitError, match="stage 'fusion': expected some of candidates, ranking, context"):
        failure.attribute(WRONG, {"fusion": ALL}, {}, LEAVE)
    with pytest.raises(RagkitError, match="read as 'meh': expected not extracted"):
        failure.attribute(WRONG, FOUND, {"days": "meh"}, LEAVE)
    with pytest.raises(RagkitError, match=r"2 questions were handled right, \['both', 'dental'\]"):
        failure.attribute({"days": 1.0}, FOUND, {}, LEAVE)


def test_counts_name_every_stage_and_add_up() -> None:
    lost = failure.attribute(WRONG | {"days": 1.0}, FOUND, {"both": "incomplete"}, LEAVE)
    counts = failure.counts(lost)
    assert list(counts) == list(failure.STAGES)
    assert counts["right"] == counts["content"] == counts["incomplete"] == 1
    assert sum(counts.values()) == len(LEAVE.queries)
    assert failure.counts({}) == dict.fromkeys(failure.STAGES, 0)


def test_every_failure_point_of_the_paper_has_a_stage_and_every_stage_but_one_a_point() -> None:
    assert set(failure.POINTS.values()) == {f"FP{n}" for n in range(1, 8)}
    assert set(failure.STAGES) - set(failure.POINTS) == {"right", "outdated"}


def test_an_oracle_says_what_the_rule_calls_right() -> None:
    ideal = failure.perfect(LEAVE)
    assert ideal == {"days": "25 days; five weeks", "both": "25 days; Beehive", "dental": ""}
    assert answers.right(ideal, LEAVE) == 1.0


def test_repaired_takes_the_oracle_for_what_these_stages_lost_and_for_nothing_else() -> None:
    given = {"days": "20 days", "both": "Beehive", "dental": "A gold one"}
    where = {"days": "outdated", "both": "ranking", "dental": "content"}
    ideal = failure.perfect(LEAVE)
    assert failure.repaired(given, ideal, where, failure.READING) == given | {"days": "25 days; five weeks"}
    assert failure.repaired(given, ideal, where, failure.STAGES) == ideal
    assert failure.repaired(given, ideal, where, []) == given


def test_each_question_of_larkfield_has_one_stage_and_the_stages_add_up_to_the_gap_to_a_perfect_system() -> (
    None
):
    test = larkfield()
    given = data.contexts(test)["top 5"]
    read = data.readings(test)
    # an answer to every third question, nothing to the others: the stages have to come from the documents
    ideal = failure.perfect(test)
    said = {q: ideal[q] if n % 3 == 0 else "no idea" for n, q in enumerate(test.queries)}
    marks = answers.handled(read)(said, test).query("measure == 'right'")
    right = dict(zip(marks["query_id"], marks["value"], strict=True))
    stages = failure.attribute(right, {"candidates": test.qrels, "ranking": given}, {}, test)
    assert stages.keys() == test.queries.keys()
    counts, share = failure.counts(stages), {}
    assert sum(counts.values()) == len(test.queries)
    for n in range(len(failure.STAGES) + 1):  # repair one stage after the other, from the last to the first
        mended = failure.repaired(said, ideal, stages, failure.STAGES[n:])
        share[n] = round(answers.right(mended, test) * len(test.queries))
        assert share[n] == counts["right"] + sum(counts[s] for s in failure.STAGES[max(n, 1) :])
    assert share[0] == len(test.queries)
    assert share[len(failure.STAGES)] == counts["right"] == sum(right.values())
    assert counts["candidates"] == 0  # every judged document was taken for a candidate
    assert counts["content"] > 0
    assert counts["ranking"] > 0
