import pytest

from ragkit import rewrite
from ragkit.types import Queries
from tests.toy import Saying

QUERIES: Queries = {"q1": "How long is leave?", "q2": "Who pays?"}


def test_hyde_asks_once_for_each_question_and_returns_the_passages() -> None:
    llm = Saying(" Leave is 25 days.\n", "The firm pays.")
    assert rewrite.hyde(QUERIES, llm, "A firm's papers.") == {
        "q1": "Leave is 25 days.",
        "q2": "The firm pays.",
    }
    assert [prompt.splitlines()[0] for prompt in llm.prompts] == ["A firm's papers."] * 2
    assert llm.prompts[0].endswith("Question: How long is leave?")


def test_query2doc_repeats_the_question_before_the_passage() -> None:
    expanded = rewrite.query2doc({"q": "who pays"}, {"q": "The firm pays."}, repeat=2)
    assert expanded == {"q": "who pays who pays The firm pays."}


def test_shared_words_keeps_what_the_question_has_already() -> None:
    assert rewrite.shared_words({"q": "The firm PAYS what it pays."}, {"q": "Who pays, firm?"}) == {
        "q": "firm pays pays"
    }


def test_multi_query_keeps_the_first_n_of_four() -> None:
    llm = Saying("1. a\n2) b\n- c\n\n* d\n", "only one")
    assert rewrite.multi_query(QUERIES, llm, "", n=2) == [
        {"q1": "a", "q2": "only one"},
        {"q1": "b", "q2": "Who pays?"},  # too few lines: the question itself
    ]
    assert "Write 4 other ways" in llm.prompts[0]  # whatever n is: four are asked for, and paid for


def test_a_number_that_belongs_to_the_question_is_not_taken_for_a_bullet() -> None:
    (wording,) = rewrite.multi_query({"q": "?"}, Saying("2026 budget of Tartu"), "", n=1)
    assert wording == {"q": "2026 budget of Tartu"}


def test_step_back_and_decompose() -> None:
    assert rewrite.step_back(QUERIES, Saying("What is leave? \n", "b"), "")["q1"] == "What is leave?"
    parts = rewrite.decompose(QUERIES, Saying("a?\nb?\nc?\nd?\ne?", ""), "")
    assert parts == {"q1": ["a?", "b?", "c?", "d?"], "q2": ["Who pays?"]}


@pytest.mark.parametrize("rewriting", [rewrite.hyde, rewrite.step_back])
def test_an_answer_for_each_prompt_or_an_error(rewriting: object) -> None:
    with pytest.raises(ValueError, match="zip"):
        rewriting(QUERIES, Saying("one answer for two prompts"), "")  # type: ignore[operator]
