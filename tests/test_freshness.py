import pytest

from ragkit import freshness
from ragkit.types import RagkitError, Run, Unavailable, ranking

TODAY = "2026-06-30"
DATES = {"rule-24": "2024-03-01", "rule-25": "2025-06-30", "rule-26": "2026-06-30", "mail": "2025-06-30"}
RULES = {"rule-24": "rule-24", "rule-25": "rule-24", "rule-26": "rule-24"}  # three versions of one document


@pytest.mark.parametrize(
    ("question", "stands"),
    [
        ("How many days off do I get?", TODAY),
        ("What was the limit in January 2025?", "2025-01-31"),
        ("What was the limit on 7 January 2025?", "2025-01-07"),
        ("How long was it kept in the summer of 2024?", "2024-08-31"),
        ("What did the council pick back in 2024?", "2024-12-31"),
        ("Last year, how long was it reserved?", "2025-12-31"),
        ("February 2024 was a leap month", "2024-02-29"),
        ("from January 2025 to march 2025", "2025-03-31"),  # of several times the latest
        ("Back in June 2024: who signed what runs until 2027?", TODAY),  # the latest is yet to come
        ("Which holidays are there in 2026?", TODAY),  # a time that has not ended
        ("What does INC-2025-019 say of part 2025-7?", TODAY),  # numbers of papers are no years
        ("How long does a 2000 W heater or lot 20251 last?", "2000-12-31"),  # and this is what a rule costs
        ("On 31 June 2024?", "2024-06-30"),  # no such day: the last one there is
    ],
)
def test_a_question_stands_at_the_end_of_the_past_time_it_names_or_today(question: str, stands: str) -> None:
    assert freshness.asked_at({"q": question}, TODAY) == {"q": stands}


def test_today_must_be_a_date() -> None:
    with pytest.raises(RagkitError, match="today: found 'now', expected a date such as 2026-06-30"):
        freshness.asked_at({}, "now")


def test_the_prior_adds_its_weight_to_the_young_and_half_of_it_after_a_half_life() -> None:
    run = {"q": {"rule-24": 0.9, "rule-25": 0.8, "rule-26": 0.5, "undated": 0.7}}
    aged = freshness.prior(run, DATES, {"q": TODAY}, 0.4, 365.0)["q"]
    # rule-26 is 0 days old: + 0.4; rule-25 365: + 0.2; rule-24 851 days: 0.4 * 2^(-851/365) = 0.0795
    assert aged == pytest.approx(
        {"rule-24": 0.9795, "rule-25": 1.0, "rule-26": 0.9, "undated": 0.7}, abs=1e-4
    )
    assert ranking(aged) == ["rule-25", "rule-24", "rule-26", "undated"]


def test_the_prior_gives_nothing_to_what_was_written_after_the_asked_date() -> None:
    aged = freshness.prior({"q": {"rule-25": 0.1, "rule-26": 0.1}}, DATES, {"q": "2025-06-30"}, 1.0, 30.0)
    assert aged == {"q": {"rule-25": 1.1, "rule-26": 0.1}}


def test_a_prior_of_weight_zero_changes_nothing_and_an_empty_run_stays_empty() -> None:
    run: Run = {"q": {"rule-24": 0.9, "mail": 0.3}, "empty": {}}
    assert freshness.prior(run, DATES, dict.fromkeys(run, TODAY), 0.0, 365.0) == run
    assert freshness.prior({}, DATES, {}, 1.0, 365.0) == {}


def test_the_prior_says_what_it_cannot_use() -> None:
    run = {"q": {"mail": 1.0}}
    for weight, half_life in ((-0.1, 365.0), (0.1, 0.0)):
        with pytest.raises(RagkitError, match="expected 0 or more, and more than 0"):
            freshness.prior(run, DATES, {"q": TODAY}, weight, half_life)
    with pytest.raises(RagkitError, match="mail: found 'spring', expected a date"):
        freshness.prior(run, {"mail": "spring"}, {"q": TODAY}, 0.1, 365.0)
    with pytest.raises(RagkitError, match="no date for query 'q'"):
        freshness.prior(run, DATES, {}, 0.1, 365.0)


def test_the_newest_version_takes_the_place_of_the_best_one_and_the_others_go_to_the_end() -> None:
    run = {"q": {"rule-24": 9.0, "mail": 7.0, "rule-25": 5.0, "rule-26": 3.0, "other": 1.0}}
    fresh = freshness.newest(run, RULES, DATES, {"q": TODAY})["q"]
    assert fresh["rule-26"] == 9.0  # drop: 9 - 1 + 1 = 9
    assert fresh == {"rule-24": 0.0, "mail": 7.0, "rule-25": -4.0, "rule-26": 9.0, "other": 1.0}
    assert run["q"]["rule-24"] == 9.0  # the run that came in is as it was


def test_the_newest_version_is_that_of_the_asked_date() -> None:
    run = {"q": {"rule-26": 9.0, "mail": 7.0, "rule-25": 5.0, "rule-24": 3.0}}
    found = [freshness.newest(run, RULES, DATES, {"q": day})["q"] for day in ("2026-06-29", "2025-06-29")]
    assert [ranking(scores)[:2] for scores in found] == [["rule-25", "mail"], ["rule-24", "mail"]]


def test_the_newest_version_comes_in_where_the_search_did_not_find_it() -> None:
    fresh = freshness.newest({"q": {"rule-24": 2.0, "mail": 1.0}}, RULES, DATES, {"q": TODAY})["q"]
    assert ranking(fresh) == ["rule-26", "mail", "rule-24"]
    assert fresh["rule-26"] == 2.0


def test_versions_that_did_not_exist_at_the_asked_date_stay_as_they_are() -> None:
    run = {"q": {"rule-25": 2.0, "mail": 1.0}, "empty": {}}
    assert freshness.newest(run, RULES, DATES, {"q": "2020-01-01", "empty": TODAY}) == run


def test_a_version_without_a_date_is_left_alone() -> None:
    run = {"q": {"undated": 5.0, "rule-25": 4.0, "rule-24": 3.0}}
    groups = {"undated": "g", "rule-24": "g", "rule-25": "g"}
    assert ranking(freshness.newest(run, groups, DATES, {"q": TODAY})["q"]) == [
        "undated",
        "rule-25",
        "rule-24",
    ]
    alone = {"q": {"undated": 5.0}}
    assert freshness.newest(alone, {"undated": "g"}, DATES, {"q": TODAY}) == alone
    assert freshness.newest(alone, groups, DATES, {"q": TODAY}) == alone  # nor does it bring in the dated


def test_of_two_versions_of_one_day_the_higher_doc_id_counts_as_the_newer() -> None:
    dates = {"a": "2025-01-01", "b": "2025-01-01"}
    fresh = freshness.newest({"q": {"a": 2.0, "b": 1.0}}, {"a": "a", "b": "a"}, dates, {"q": TODAY})
    assert ranking(fresh["q"]) == ["b", "a"]


def test_newest_needs_a_date_for_each_question() -> None:
    with pytest.raises(RagkitError, match="no date for query 'q'"):
        freshness.newest({"q": {"mail": 1.0}}, RULES, DATES, {})


def test_written_by_drops_what_is_dated_later_and_keeps_the_undated() -> None:
    run = {"q": {"rule-24": 3.0, "rule-25": 2.0, "rule-26": 1.0, "undated": 0.5}}
    assert freshness.written_by(run, DATES, {"q": "2025-06-30"}) == {
        "q": {"rule-24": 3.0, "rule-25": 2.0, "undated": 0.5}
    }
    with pytest.raises(RagkitError, match="no date for query 'q'"):
        freshness.written_by(run, DATES, {})


@pytest.mark.parametrize("odd", ["01.02.2025", "20250201", "today"])
def test_newest_takes_only_dates_that_sort(odd: str) -> None:
    groups, run = {"a": "a", "b": "a"}, {"q": {"a": 1.0}}
    with pytest.raises(RagkitError, match="expected a date such as 2026-06-30"):
        freshness.newest(run, groups, {"a": odd, "b": "2026-01-01"}, {"q": "2026-06-30"})
    with pytest.raises(RagkitError, match="expected a date such as 2026-06-30"):
        freshness.newest(run, groups, {"a": "2025-01-01", "b": "2026-01-01"}, {"q": odd})


def test_a_weight_that_is_no_number_is_refused() -> None:
    with pytest.raises(RagkitError, match="weight nan"):
        freshness.prior({"q": {"a": 1.0}}, {"a": "2025-01-01"}, {"q": "2026-06-30"}, float("nan"), 365)


def test_documents_without_a_date_are_left_out_and_some_must_have_one() -> None:
    papers = {"old": {"date": "2024-01-31"}, "undated": {"title": "Notes"}, "blank": {"date": ""}}
    assert freshness.dated(papers) == {"old": "2024-01-31"}
    with pytest.raises(Unavailable, match=r'^needs documents with a "date": none of 1 has'):
        freshness.dated({"undated": papers["undated"]})
