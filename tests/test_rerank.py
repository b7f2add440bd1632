import pytest

from ragkit import rerank
from ragkit.types import Queries, RagkitError, Run, ranking

CORPUS = {"a": "one", "b": "three", "c": "eleven", "d": "four"}
QUERIES: Queries = {"q1": "first", "q2": "second"}
RUN: Run = {"q1": {"a": 9.0, "b": 8.0, "c": 7.0, "d": 6.0}, "q2": {"d": 0.2, "b": 0.1}}


class Lengths:
    """A scorer by the number of letters of the text, that keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[tuple[str, str]]] = []

    def __call__(self, pairs: list[tuple[str, str]]) -> list[float]:
        self.calls.append(pairs)
        return [float(len(text)) for _, text in pairs]


def test_pointwise_orders_the_first_and_leaves_the_rest_below_them() -> None:
    scorer = Lengths()
    reranked = rerank.pointwise(QUERIES, RUN, CORPUS, scorer, depth=2)
    # "three" has 5 letters, "one" 3; below them c and d as they were, at 3 - 1 and 3 - 2
    assert reranked == {"q1": {"b": 5.0, "a": 3.0, "c": 2.0, "d": 1.0}, "q2": {"b": 5.0, "d": 4.0}}
    assert scorer.calls == [
        [("first", "one"), ("first", "three"), ("second", "four"), ("second", "three")]
    ]  # all in one


def test_a_depth_beyond_the_candidates_scores_them_all() -> None:
    reranked = rerank.pointwise(QUERIES, RUN, CORPUS, Lengths(), depth=100)
    assert ranking(reranked["q1"]) == ["c", "b", "d", "a"]
    assert rerank.pointwise(QUERIES, RUN, CORPUS, Lengths(), depth=4) == reranked


def test_texts_that_score_alike_are_ordered_by_doc_id() -> None:
    same: Run = {"q1": {"a": 2.0, "b": 1.0}}
    reranked = rerank.pointwise(QUERIES, same, {"a": "x", "b": "y"}, Lengths(), depth=2)
    assert ranking(reranked["q1"]) == ["b", "a"]


def test_a_query_without_candidates_stays_and_finds_nothing() -> None:
    assert rerank.pointwise({}, {}, CORPUS, Lengths(), depth=5) == {}
    found = rerank.pointwise(QUERIES, {"q1": {}}, CORPUS, Lengths(), depth=5)  # q2 is not in the run
    assert found == {"q1": {}, "q2": {}}


def test_the_best_passage_speaks_for_its_document() -> None:
    texts = {"a#0": "xx", "a#1": "xxxxxxx", "b#0": "xxxxx"}
    passages = rerank.by_document(texts, {"a#0": "a", "a#1": "a", "b#0": "b"})
    assert passages == {"a": ["xx", "xxxxxxx"], "b": ["xxxxx"]}
    scorer = Lengths()
    run: Run = {"q1": {"b": 2.0, "a": 1.0}}
    assert rerank.max_passage({"q1": "?"}, run, passages, scorer, 2) == {"q1": {"b": 5.0, "a": 7.0}}
    assert [text for _, text in scorer.calls[0]] == ["xxxxx", "xx", "xxxxxxx"]


def test_the_oracle_puts_grades_in_order_and_keeps_the_order_of_equals() -> None:
    run: Run = {"q1": {"a": 9.0, "b": 8.0, "c": 7.0, "d": 6.0}, "q2": {"a": 1.0}}
    best = rerank.oracle(run, {"q1": {"b": 1, "c": 2, "d": 2, "a": 0}}, depth=3)
    assert ranking(best["q1"]) == ["c", "b", "a", "d"]  # d lies too deep to be helped
    unjudged = rerank.oracle(run, {}, depth=3)
    assert [ranking(scores) for scores in unjudged.values()] == [["a", "b", "c", "d"], ["a"]]
    equal: Run = {"q1": {"a": 1.0, "b": 1.0}}
    assert ranking(rerank.oracle(equal, {}, 2)["q1"]) == ["b", "a"]  # as types.ranking has them


def test_first_keeps_scores_and_cuts_by_the_order_of_a_ranking() -> None:
    assert rerank.first({"q": {"a": 1.0, "b": 1.0, "c": 3.0}, "r": {}}, 2) == {
        "q": {"c": 3.0, "b": 1.0},
        "r": {},
    }


def test_a_remembered_scorer_asks_once_for_a_pair() -> None:
    scorer = Lengths()
    score = rerank.remembered(scorer)
    assert score([("q", "xx"), ("q", "x"), ("q", "xx")]) == [2.0, 1.0, 2.0]
    assert score([("q", "xxx"), ("q", "x")]) == [3.0, 1.0]
    assert scorer.calls == [[("q", "xx"), ("q", "x")], [("q", "xxx")]]
    with pytest.raises(ValueError, match="zip"):
        rerank.remembered(lambda pairs: [])([("q", "x")])


def test_inputs_are_not_changed() -> None:
    run: Run = {"q1": {"a": 2.0, "b": 1.0}}
    rerank.pointwise(QUERIES, run, CORPUS, Lengths(), 1)
    rerank.oracle(run, {"q1": {"b": 1}}, 2)
    assert run == {"q1": {"a": 2.0, "b": 1.0}}


def test_what_cannot_be_reranked_is_named() -> None:
    with pytest.raises(RagkitError, match=r"1 candidates of query 'q1' have no text, \['z'\]"):
        rerank.pointwise(QUERIES, {"q1": {"z": 1.0, "a": 0.5}}, CORPUS, Lengths(), 2)
    with pytest.raises(RagkitError, match="have no text"):
        rerank.max_passage(QUERIES, {"q1": {"a": 1.0}}, {"a": []}, Lengths(), 2)
    with pytest.raises(RagkitError, match="1 scores for 6 pairs"):
        rerank.pointwise(QUERIES, RUN, CORPUS, lambda pairs: [0.0], 4)
    with pytest.raises(RagkitError, match="depth is 0"):
        rerank.pointwise(QUERIES, RUN, CORPUS, Lengths(), 0)
    with pytest.raises(RagkitError, match="depth is 0"):
        rerank.oracle(RUN, {}, 0)
