"""Access: who may read what, by hand; the mask against an index that never held the rest."""

import numpy as np
import pytest

from ragkit import access
from ragkit.retrieve import BM25, Dense
from ragkit.types import Collection, RagkitError, Run, Unavailable
from tests.toy import CORPUS, QUERIES, BagOfLetters

DOCUMENTS = {
    "open": {"audience": "all"},
    "pay": {"audience": "hr"},
    "breach": {"audience": "security"},
    "lost": {},
}
RUN: Run = {"q": {"pay": 3.0, "open": 2.0, "lost": 1.0, "breach": 0.5}, "nothing": {}}


def test_a_person_may_read_what_is_for_all_and_for_the_own_groups() -> None:
    assert access.allowed(DOCUMENTS, []) == {"open"}
    assert access.allowed(DOCUMENTS, ["hr"]) == {"open", "pay"}
    assert access.allowed(DOCUMENTS, ["hr", "security", "cooking"]) == {"open", "pay", "breach"}
    assert access.allowed({}, ["hr"]) == set()


def test_a_document_without_an_audience_is_nobodys() -> None:
    everybody = [*access.groups(DOCUMENTS), "", "None"]
    assert "lost" not in access.allowed(DOCUMENTS, everybody)


def test_the_groups_are_those_of_the_documents() -> None:
    assert access.groups(DOCUMENTS) == ["hr", "security"]
    with pytest.raises(Unavailable, match=r"^needs documents whose .audience. names one group: none of 1"):
        access.groups({"open": {"audience": "all"}})


def test_the_filter_afterwards_keeps_order_and_scores_and_leaves_less() -> None:
    assert access.only(RUN, {"open", "breach"}) == {"q": {"open": 2.0, "breach": 0.5}, "nothing": {}}
    assert access.only(RUN, {"open", "breach"}, 1) == {"q": {"open": 2.0}, "nothing": {}}
    assert access.only(RUN, {"open", "unknown"})["q"] == {"open": 2.0}
    assert access.only(RUN, set()) == {"q": {}, "nothing": {}}
    assert access.only({"q": {"a": 1.0, "b": 1.0, "c": 1.0}}, {"a", "b"}, 1) == {
        "q": {"b": 1.0}
    }  # tie: doc_id


def test_of_links_those_stay_whose_documents_may_both_be_read() -> None:
    pairs = [("open", "pay"), ("pay", "breach"), ("lost", "open")]
    assert access.links(pairs, {"open", "pay"}) == [("open", "pay")]
    assert access.links(pairs, {"open"}) == access.links([], {"open"}) == []


def test_leaks_are_counted_in_the_first_k_and_an_unknown_document_is_one() -> None:
    assert access.leaks(RUN, {"open"}) == {"q": ["pay", "lost", "breach"]}
    assert access.leaks(RUN, {"open"}, 1) == {"q": ["pay"]}
    assert access.leaks(RUN, set(DOCUMENTS)) == {}


@pytest.mark.parametrize("k", [1, 2, 6])
@pytest.mark.parametrize("readable", [{"dog", "fish"}, {"empty"}, set(CORPUS), set[str]()])
def test_a_masked_index_ranks_as_one_that_never_held_the_rest(readable: set[str], k: int) -> None:
    own = {doc_id: text for doc_id, text in CORPUS.items() if doc_id in readable}
    encoder = BagOfLetters()
    masked = access.masked(Dense(CORPUS, encoder), readable, len(CORPUS))(QUERIES, k)
    expected = Dense(own, encoder)(QUERIES, k) if own else {q: dict[str, float]() for q in QUERIES}
    assert {q: list(s) for q, s in masked.items()} == {q: list(s) for q, s in expected.items()}
    for query_id, scores in expected.items():
        assert np.allclose(list(masked[query_id].values()), list(scores.values()))


def test_a_masked_retriever_finds_k_however_many_forbidden_ones_are_better() -> None:
    readable = {"dog"}
    found = access.masked(BM25(CORPUS), readable, len(CORPUS))({"q": "cat mat dog barks"}, 1)
    assert list(found["q"]) == ["dog"]


QUESTIONS = Collection(
    name="toy",
    split="test",
    context="",
    corpus={"open": "", "pay": ""},
    queries={"q": "what is the pay", "r": "who"},
    qrels={"q": {"pay": 2, "open": 0}, "r": {"open": 1}},
    answers={"q": ["5"]},
    documents={"open": {"audience": "all"}, "pay": {"audience": "hr"}},
    query_info={"q": {"type": "lookup", "parts": ["pay", "open"]}},
)


def test_a_question_is_answerable_to_whom_may_read_its_answer() -> None:
    asked = access.persons(QUESTIONS, {"no group": [], "hr": ["hr"]})
    assert list(asked.queries) == ["no group/q", "no group/r", "hr/q", "hr/r"]
    assert list(asked.answerable) == ["no group/r", "hr/q", "hr/r"]
    assert asked.qrels["no group/q"] == {"open": 0}
    assert asked.query_info["hr/q"] == {"type": "hr", "variant_of": "q"}


def test_a_name_at_which_an_id_would_be_cut_is_refused() -> None:
    with pytest.raises(RagkitError, match="the name 'hr/payroll': expected one without /"):
        access.persons(QUESTIONS, {"hr/payroll": ["hr/payroll"]})


def test_each_person_is_asked_with_the_own_questions() -> None:
    asked = access.persons(QUESTIONS, {"no group": [], "hr": ["hr"]})
    run = access.by_person(
        asked.queries, lambda name, own: {q: {f"{name} {text}": 1.0} for q, text in own.items()}
    )
    assert run["hr/r"] == {"hr who": 1.0}
    assert run["no group/q"] == {"no group what is the pay": 1.0}
    assert list(run) == list(asked.queries)


def test_unspoken_are_words_of_closed_documents_that_no_open_one_has() -> None:
    terms = {"open": ["pay", "day"], "pay": ["pay", "38500"], "breach": ["38500", "leak"]}
    assert access.unspoken(terms, {"open"}) == {"38500", "leak"}
    assert access.unspoken(terms, {"open", "pay"}) == {"leak"}
    assert access.unspoken(terms, set(terms)) == set()


def test_no_group_opens_what_has_no_audience_and_a_text_is_not_several_groups() -> None:
    documents: dict[str, dict[str, object]] = {"a": {"audience": ""}, "b": {}, "c": {"audience": ["hr"]}}
    documents["d"] = {"audience": "all"}
    assert access.allowed(documents, ["", "hr"]) == {"d"}
    with pytest.raises(RagkitError, match=r"the groups 'hr': expected several, such as \['hr'\]"):
        access.allowed(documents, "hr")
