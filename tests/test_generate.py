import pytest

from ragkit import generate
from ragkit.answers import cited, declined
from ragkit.types import RagkitError, Unavailable
from tests.toy import Saying

QUERIES = {"q1": "How long is leave?", "q2": "Who pays?"}
CORPUS = {"a": "Leave is 25 days.", "b": "The firm pays.", "c": "Lunch is at noon."}


def test_closed_book_asks_once_for_each_question_with_the_context_line() -> None:
    llm = Saying(" 25 days.\n", "I don't know.")
    assert generate.closed_book(QUERIES, llm, "A firm's papers.") == {"q1": "25 days.", "q2": "I don't know."}
    assert llm.prompts[0].startswith("A firm's papers.\n")
    assert llm.prompts[0].endswith("Question: How long is leave?")


def test_answer_shows_the_first_k_documents_by_their_ids_best_first() -> None:
    llm = Saying("25 days [a].", "The firm [b].")
    run = {"q1": {"c": 0.1, "a": 0.9, "b": 0.5}, "q2": {"b": 1.0}}
    assert generate.answer(QUERIES, run, CORPUS, llm, k=2) == {"q1": "25 days [a].", "q2": "The firm [b]."}
    assert "\n\n[a]\nLeave is 25 days.\n\n[b]\nThe firm pays.\n\nQuestion: How long" in llm.prompts[0]
    assert "Lunch" not in llm.prompts[0]
    assert "I don't know." in llm.prompts[0]


def test_answer_takes_ties_in_the_one_order_and_a_question_that_found_nothing() -> None:
    llm = Saying("x", "y")
    generate.answer(QUERIES, {"q1": {"a": 1.0, "b": 1.0}}, CORPUS, llm, k=1)
    assert "[b]" in llm.prompts[0]  # descending doc_id
    assert "[a]" not in llm.prompts[0]
    assert "below and from nothing else" in llm.prompts[1]  # asked all the same, with no document


def test_braces_in_a_document_are_text() -> None:
    llm = Saying("x")
    generate.answer({"q": "{query}?"}, {"q": {"d": 1.0}}, {"d": "{documents} {0}"}, llm, k=1)
    assert "[d]\n{documents} {0}\n\nQuestion: {query}?" in llm.prompts[0]


def test_a_missing_model_is_not_available_and_a_budget_that_is_used_up_stays_an_error() -> None:
    def poor(prompts: list[str]) -> list[str]:
        raise RagkitError("the budget of $1.00 is used up")

    with pytest.raises(Unavailable, match=r"^needs a live model$"):
        generate.answer(QUERIES, {}, CORPUS, generate.missing("a live model"), k=1)
    with pytest.raises(RagkitError, match=r"^the budget of \$1\.00 is used up$") as error:
        generate.answer(QUERIES, {}, CORPUS, poor, k=1)
    assert not isinstance(error.value, Unavailable)  # else compare would take it for a row that did not run


def test_an_answer_for_each_prompt_or_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        generate.answer(QUERIES, {}, CORPUS, Saying("one answer for two"), k=1)


def test_best_sentence_quotes_the_best_and_cites_its_document() -> None:
    sentences, parents = {"a#0": "Leave is 25 days.", "b#0": "The firm pays."}, {"a#0": "a", "b#0": "b"}
    scored = {"q1": {"a#0": 0.9, "b#0": 0.3}, "q2": {"a#0": 0.4, "b#0": 0.4}, "q3": {}}
    said = generate.best_sentence(scored, sentences, parents, threshold=0.4)
    assert said["q1"] == "Leave is 25 days. [a]"
    assert said["q2"] == "The firm pays. [b]"  # a tie, by descending id; the threshold itself is enough
    assert said["q3"] == "I don't know."
    assert (cited(said["q1"]), declined(said["q1"]), declined(said["q3"])) == (["a"], False, True)


def test_best_sentence_declines_below_the_threshold() -> None:
    said = generate.best_sentence({"q": {"a#0": 0.39}}, {"a#0": "Leave."}, {"a#0": "a"}, threshold=0.4)
    assert said == {"q": "I don't know."}
    assert generate.best_sentence({}, {}, {}) == {}
