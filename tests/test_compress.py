import numpy as np
import pytest

from ragkit import compress
from ragkit.compress import Sentences, among, within
from ragkit.types import RagkitError, Run, ranking
from tests.toy import BagOfLetters

CORPUS = {
    "leave": "Leave\nA year has 25 days. |---| Ask in Beehive.",
    "pay": "Pay\nOn the 25th. By bank.",
    "title": "Alone",
    "empty": "",
}
TITLES = {"leave": "Leave", "pay": "Pay", "title": "Alone"}
RUN: Run = {"q": {"pay": 0.5, "leave": 1.0, "title": 0.25}, "none": {}}


def stops(text: str) -> list[str]:
    """A splitter for texts like these."""
    pieces = text.replace("|---|", ".---.").split(".")
    return [piece.strip() + "." for piece in pieces if piece.strip()]


def words(text: str) -> float:
    return float(len(text.split()))


@pytest.fixture
def index() -> Sentences:
    return Sentences(CORPUS, stops, TITLES, BagOfLetters())


def test_titles_are_no_sentences_and_neither_is_what_has_no_letter_or_digit(index: Sentences) -> None:
    assert index.texts == {
        "leave#0": "A year has 25 days.",
        "leave#1": "Ask in Beehive.",
        "pay#0": "On the 25th.",
        "pay#1": "By bank.",
    }
    assert index.parents == {"leave#0": "leave", "leave#1": "leave", "pay#0": "pay", "pay#1": "pay"}
    assert index.size_bytes == 4 * 26 * 4  # sentences x letters x float32


def test_the_vector_of_a_sentence_is_the_mean_of_its_own_and_its_titles(index: Sentences) -> None:
    title, sentence = BagOfLetters().queries(["Pay", "By bank."])
    assert index.vectors[3] == pytest.approx((title + sentence) / np.linalg.norm(title + sentence))
    bare = Sentences({"d": "By bank."}, stops, {}, BagOfLetters())  # no title: its own alone
    assert bare.vectors[0] == pytest.approx(sentence)
    assert bare.titles == {"d": ""}


def test_a_document_without_sentences_has_none_to_score(index: Sentences) -> None:
    found: Run = {"q": {"title": 1.0, "empty": 0.5}}
    assert index.score({"q": index.vectors[0]}, found, k=2) == {"q": {}}
    assert index.in_order(found, k=2) == {"q": {}}


def test_score_is_the_cosine_plus_the_weighted_score_of_the_document(index: Sentences) -> None:
    vectors = {"q": index.vectors[3], "none": index.vectors[0]}  # the question is the last sentence
    bare = index.score(vectors, RUN, k=2)
    assert list(bare) == ["q", "none"]
    assert set(bare["q"]) == set(index.texts)  # leave and pay are the first two of three documents
    assert bare["q"]["pay#1"] == pytest.approx(1)
    assert bare["q"]["leave#0"] == pytest.approx(float(index.vectors[0] @ index.vectors[3]))
    assert bare["none"] == {}
    weighted = index.score(vectors, RUN, k=2, weight=0.5)["q"]
    added = {s: weighted[s] - bare["q"][s] for s in weighted}
    assert added == pytest.approx({"leave#0": 0.5, "leave#1": 0.5, "pay#0": 0.25, "pay#1": 0.25})


def test_only_the_first_k_documents_have_their_sentences_scored(index: Sentences) -> None:
    vectors = {"q": index.vectors[3], "none": index.vectors[0]}
    assert set(index.score(vectors, RUN, k=1)["q"]) == {"leave#0", "leave#1"}
    assert index.score({"q": index.vectors[0]}, {"q": {"title": 1.0, "empty": 0.5}}, k=2) == {"q": {}}


def test_in_order_ranks_sentences_as_they_would_be_read(index: Sentences) -> None:
    ordered = index.in_order(RUN, k=3)
    assert ranking(ordered["q"]) == ["leave#0", "leave#1", "pay#0", "pay#1"]
    assert ordered["none"] == {}
    with pytest.raises(KeyError, match="unknown"):
        index.in_order({"q": {"unknown": 1.0}}, k=1)


def test_write_names_each_document_once_and_keeps_the_order_inside_it(index: Sentences) -> None:
    chosen: Run = {"q": {"pay#1": 0.9, "leave#0": 0.8, "pay#0": 0.7}, "none": {}}
    assert index.write(chosen) == {
        "q": "[pay] Pay\nOn the 25th.\nBy bank.\n[leave] Leave\nA year has 25 days.\n",
        "none": "",
    }
    assert index.head("empty") == "[empty]\n"  # no title


def test_within_takes_the_best_that_fit_and_passes_over_what_is_too_long(index: Sentences) -> None:
    # with its document's line: leave#0 2 + 5 words, leave#1 3 more, pay#0 2 + 3, pay#1 2 more
    ranked: Run = {"q": {"pay#0": 4.0, "leave#0": 3.0, "pay#1": 2.0, "leave#1": 1.0}, "none": {}}
    assert set(within(ranked, index, 5, words)["q"]) == {"pay#0"}
    assert set(within(ranked, index, 7, words)["q"]) == {"pay#0", "pay#1"}  # leave#0 would need 7 more
    assert set(within(ranked, index, 12, words)["q"]) == {"pay#0", "leave#0"}
    assert set(within(ranked, index, 4, words)["q"]) == {"pay#1"}
    assert within(ranked, index, 3, words) == {"q": {}, "none": {}}
    assert within(ranked, index, 100, words) == ranked


def test_what_is_written_of_it_never_exceeds_the_budget(index: Sentences) -> None:
    ranked = index.score({"q": index.vectors[1], "none": index.vectors[0]}, RUN, k=3, weight=0.1)
    for budget in range(5, 20):
        written = index.write(within(ranked, index, budget, words))
        assert words(written["q"]) <= budget
    assert words(index.write(ranked)["q"]) == 2 + 5 + 3 + 2 + 3 + 2


def test_a_budget_of_nothing_is_refused(index: Sentences) -> None:
    with pytest.raises(RagkitError, match="budget of 0 tokens"):
        within(RUN, index, 0, words)


def test_among_gives_the_same_sentences_other_scores() -> None:
    run: Run = {"q": {"pay#0": 7.0, "leave#0": 5.0}}
    assert among(run, {"q": {"pay#0": 0.1, "pay#1": 0.2}, "none": {"pay#1": 1.0}}) == {
        "q": {"pay#0": 7.0, "pay#1": 0.0},
        "none": {"pay#1": 0.0},
    }
    assert among(run, {}) == {}


PAGES = {"a": "one two\nthree", "b": " four  five ", "empty": "  "}


def test_a_reader_gets_the_texts_in_their_order_up_to_the_budget() -> None:
    run: Run = {"q": {"a": 1.0, "b": 2.0}}
    assert compress.first_words(run, PAGES, 3) == {"q": "four  five\n\none"}
    assert compress.first_words(run, PAGES, 4) == {"q": "four  five\n\none two"}
    assert compress.first_words(run, PAGES, 99) == {"q": "four  five\n\none two\nthree"}


def test_a_budget_that_a_text_fills_takes_nothing_of_the_next() -> None:
    assert compress.first_words({"q": {"a": 1.0, "b": 2.0}}, PAGES, 2) == {"q": "four  five"}


def test_ties_go_by_the_order_of_rankings() -> None:
    assert compress.first_words({"q": {"a": 1.0, "b": 1.0}}, PAGES, 2) == {"q": "four  five"}  # b before a


def test_an_empty_text_and_an_empty_run_give_nothing() -> None:
    run: Run = {"q": {"empty": 2.0, "b": 1.0}, "none": {}}
    assert compress.first_words(run, PAGES, 9) == {"q": "four  five", "none": ""}
    assert compress.first_words({}, PAGES, 9) == {}


def test_no_budget_is_refused_and_an_unknown_text_is_an_error() -> None:
    with pytest.raises(RagkitError, match="0 words: expected at least 1"):
        compress.first_words({"q": {"a": 1.0}}, PAGES, 0)
    with pytest.raises(KeyError):
        compress.first_words({"q": {"unknown": 1.0}}, PAGES, 1)
