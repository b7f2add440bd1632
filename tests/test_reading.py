import pytest

from ragkit import reading
from ragkit.types import RagkitError, Run

TEXTS = {"a": "one two\nthree", "b": " four  five ", "empty": "  "}


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
    assert reading.holds_answer({"q": text}, {"q": [answer]}) == {"q": held}


def test_one_of_several_answers_suffices_and_a_missing_query_holds_none() -> None:
    given = {"q": "eight weeks", "not asked": "eight weeks"}
    answers = {"q": ["8 weeks", "eight weeks"], "lost": ["eight weeks"], "unanswerable": []}
    assert reading.holds_answer(given, answers) == {"q": 1.0, "lost": 0.0, "unanswerable": 0.0}
    assert reading.holds_answer({}, {}) == {}
