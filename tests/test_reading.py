from typing import Any

import pytest

from ragkit import evaluate, reading
from ragkit.types import Collection, RagkitError, Run

TEXTS = {"a": "one two\nthree", "b": " four  five ", "empty": "  "}


def collection(answers: dict[str, list[str]], info: dict[str, dict[str, Any]] | None = None) -> Collection:
    return Collection("toy", "test", "", {}, dict.fromkeys(answers, "?"), {}, answers, query_info=info or {})


def held_in(
    given: dict[str, str], answers: dict[str, list[str]], info: dict[str, dict[str, Any]] | None = None
) -> dict[str, float]:
    table = reading.holds_answer(given, collection(answers, info))
    return dict(zip(table["query_id"], table["value"], strict=True))


def test_a_reader_gets_the_texts_in_their_order_up_to_the_budget() -> None:
    run: Run = {"q": {"a": 1.0, "b": 2.0}}
    assert reading.first_words(run, TEXTS, 3) == {"q": "four  five\n\none"}
    assert reading.first_words(run, TEXTS, 4) == {"q": "four  five\n\none two"}
    assert reading.first_words(run, TEXTS, 99) == {"q": "four  five\n\none two\nthree"}


def test_a_budget_that_a_text_fills_takes_nothing_of_the_next() -> None:
    assert reading.first_words({"q": {"a": 1.0, "b": 2.0}}, TEXTS, 2) == {"q": "four  five"}


def test_ties_go_by_the_order_of_rankings() -> None:
    assert reading.first_words({"q": {"a": 1.0, "b": 1.0}}, TEXTS, 2) == {"q": "four  five"}  # b before a


def test_an_empty_text_and_an_empty_run_give_nothing() -> None:
    run: Run = {"q": {"empty": 2.0, "b": 1.0}, "none": {}}
    assert reading.first_words(run, TEXTS, 9) == {"q": "four  five", "none": ""}
    assert reading.first_words({}, TEXTS, 9) == {}


def test_no_budget_is_refused_and_an_unknown_text_is_an_error() -> None:
    with pytest.raises(RagkitError, match="0 words: expected at least 1"):
        reading.first_words({"q": {"a": 1.0}}, TEXTS, 0)
    with pytest.raises(KeyError):
        reading.first_words({"q": {"unknown": 1.0}}, TEXTS, 1)


@pytest.mark.parametrize(
    ("text", "answer", "held"),
    [
        ("Leave is **25\ndays** a year", "25 Days", 1.0),  # asterisks, white space, case
        ("from 9\u201317 h", "9-17 h", 1.0),  # an en dash
        ("it costs 1250 euros", "250 euros", 0.0),  # whole words only
        ("costs €5,000.", "€5,000", 1.0),  # an answer may begin and end with a sign
        ("costs €5,000", "€5,00", 0.0),
        ("anything", "*", 0.0),  # an answer of which nothing is left is no answer
    ],
)
def test_an_answer_is_found_word_for_word(text: str, answer: str, held: float) -> None:
    assert held_in({"q": text}, {"q": [answer]}) == {"q": held}


def test_one_of_several_answers_suffices_unless_all_are_needed() -> None:
    answers = {"q": ["8 weeks", "eight weeks"]}
    assert held_in({"q": "eight weeks"}, answers) == {"q": 1.0}
    assert held_in({"q": "eight weeks"}, answers, {"q": {"all_of": True}}) == {"q": 0.0}
    assert held_in({"q": "eight weeks, 8 weeks"}, answers, {"q": {"all_of": True}}) == {"q": 1.0}


def test_each_question_with_answers_has_its_row_and_no_other_has() -> None:
    given = {"not asked": "eight weeks", "no answer": "eight weeks"}
    assert held_in(given, {"lost": ["eight weeks"], "no answer": []}) == {"lost": 0.0}
    assert held_in({}, {}) == {}


def test_a_comparison_can_be_made_of_it() -> None:
    asked = collection({"q1": ["a"], "q2": ["b"]})
    readers = {
        "none": lambda queries: dict.fromkeys(queries, ""),
        "all": lambda queries: dict.fromkeys(queries, "a b"),
    }
    compared = evaluate.compare_answers(readers, asked, "none", reading.holds_answer)
    row = compared.results.query("system == 'all' and type == 'all'").iloc[0]
    assert (row["measure"], row["value"], row["difference"]) == ("answer in context", 1.0, 1.0)
