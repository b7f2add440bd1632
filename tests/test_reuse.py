"""Reuse: the cache against its replay, likenesses by hand, and what counts as a true and a false hit."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ragkit import reuse
from ragkit.types import Collection, Queries, RagkitError, Vectors
from tests.toy import BagOfLetters

QUESTIONS = Collection(
    name="toy",
    split="test",
    context="",
    corpus={"d": "text"},
    queries={"a": "how many days off", "b": "who has the key"},
    qrels={"a": {"d": 2}, "b": {"d": 1}},
    answers={"a": ["25 days"], "b": ["Ana"]},
    query_info={"a": {"type": "lookup"}, "b": {"type": "table"}},
)
REWORDINGS = Collection(
    name="toy",
    split="test",
    context="",
    corpus={"d": "text"},
    queries={"a-typo": "how many dyas off"},
    qrels={"a-typo": {"d": 2}},
    answers={"a-typo": ["25 days"]},
    query_info={"a-typo": {"type": "lookup", "variant_of": "a", "style": "typo"}},
)
ONE = reuse.streams(QUESTIONS, REWORDINGS, 1, seed=0)
PLACES = {"a": 0, "a-typo": 1, "b": 2}


def in_order(*query_ids: str) -> Collection:
    """The stream of one order."""
    return replace(ONE, queries={f"0/{q}": ONE.queries[f"0/{q}"] for q in query_ids})


def encode(queries: Queries) -> Vectors:
    return dict(zip(queries, BagOfLetters().queries(list(queries.values())), strict=True)) if queries else {}


def echo(queries: Queries) -> dict[str, str]:
    return {q: f"answer to {text}" for q, text in queries.items()}


def test_a_question_with_the_same_letters_gets_the_answer_of_the_earlier_one() -> None:
    cache = reuse.SemanticCache(encode, echo, 0.99)
    given = cache({"1": "night", "2": "thing", "3": "dog"})
    assert given == {"1": "answer to night", "2": "answer to night", "3": "answer to dog"}
    assert cache.reused == {"1": "", "2": "1", "3": ""}
    assert cache({"4": "god"}) == {"4": "answer to dog"}  # what was stored stays


def test_what_was_asked_in_another_scope_is_not_served() -> None:
    cache = reuse.SemanticCache(encode, echo, 0.99)
    cache({"1": "night"}, "hr")
    assert cache({"2": "thing"}, "legal") == {"2": "answer to thing"}
    assert cache({"3": "thing"}, "hr") == {"3": "answer to night"}


def test_a_served_question_is_not_stored() -> None:
    """cos(abc, abcd) = 3/(sqrt 3 sqrt 4) = 0.87, cos(abcd, abcde) = 0.89, cos(abc, abcde) = 0.77."""
    cache = reuse.SemanticCache(encode, echo, 0.8)
    cache({"1": "abc", "2": "abcd", "3": "abcde"})
    assert cache.reused == {"1": "", "2": "1", "3": ""}  # with "2" stored, it would have served "3"


def test_the_memory_of_a_cache_is_its_vectors_and_answers() -> None:
    cache = reuse.SemanticCache(encode, echo, 0.99)
    assert cache({}) == {}
    assert cache.size_bytes == 0
    cache({"1": "a", "2": "b"})
    assert cache.size_bytes == 2 * 26 * 4 + 2 * len("answer to a")


def test_a_threshold_that_is_no_cosine_is_refused() -> None:
    with pytest.raises(RagkitError, match="threshold 80: expected a cosine"):
        reuse.SemanticCache(encode, echo, 80)


def test_exact_looks_past_case_space_and_punctuation_but_not_past_words() -> None:
    likeness = reuse.exact(["Who has it?", " who  HAS it", "who had it", ""])
    assert likeness.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_jaccard_by_hand() -> None:
    """{x, y} and {y, z}: 1 shared of 3; a term said twice counts once; nothing is like nothing: 0."""
    likeness = reuse.jaccard([["x", "y", "y"], ["y", "z"], []])
    assert np.allclose(likeness, np.array([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]]))


def test_each_stream_holds_every_question_once_in_its_own_order() -> None:
    drawn = reuse.streams(QUESTIONS, REWORDINGS, 8, seed=1)
    orders = {tuple(q[2:] for q in drawn.queries if q.startswith(f"{n}/")) for n in range(8)}
    assert all(sorted(order) == ["a", "a-typo", "b"] for order in orders)
    assert len(orders) > 1
    assert drawn.query_info["3/a-typo"] == {"type": "typo", "variant_of": "a", "style": "typo"}
    assert drawn.query_info["3/b"] == {"type": "original", "variant_of": "b"}
    assert drawn.queries == reuse.streams(QUESTIONS, REWORDINGS, 8, seed=1).queries
    with pytest.raises(RagkitError, match="0 streams"):
        reuse.streams(QUESTIONS, REWORDINGS, 0)


LIKENESS = np.array([[1, 0.9, 0.6], [0.9, 1, 0.7], [0.6, 0.7, 1]], np.float32)


def test_a_true_hit_a_false_one_and_a_miss() -> None:
    """Order a, a-typo, b. At 0.8 the typo is served. At 0.5 b is too, wrongly, by a: no typo is kept."""
    stream = in_order("a", "a-typo", "b")
    careful = reuse.replay(stream.queries, LIKENESS, PLACES, 0.8)
    assert careful == {"0/a": "", "0/a-typo": "0/a", "0/b": ""}
    careless = reuse.replay(stream.queries, LIKENESS, PLACES, 0.5)
    assert careless == {"0/a": "", "0/a-typo": "0/a", "0/b": "0/a"}
    table = reuse.scored(careless, stream).set_index(["query_id", "measure"])["value"]
    assert table["0/a", "decided right"] == 1  # nothing was there that could have been served
    assert table["0/a-typo", "true hit"] == table["0/a-typo", "decided right"] == 1
    assert table["0/b", "false hit"] == 1
    assert table["0/b", "decided right"] == 0
    assert [table[q, "repeated"] for q in stream.queries] == [0, 1, 0]
    assert reuse.scored(careless, stream)["measure"].iloc[0] == "decided right"


def test_a_hit_that_was_missed_is_not_decided_right() -> None:
    stream = in_order("a-typo", "a")
    table = reuse.scored({"0/a-typo": "", "0/a": ""}, stream).query("measure == 'decided right'")
    assert table["value"].tolist() == [1, 0]


def test_streams_do_not_know_of_each_other() -> None:
    stream = {"0/a": "x", "1/a-typo": "x"}
    assert reuse.replay(stream, LIKENESS, PLACES, 0.8) == {"0/a": "", "1/a-typo": ""}
    assert reuse.replay({}, LIKENESS, PLACES, 0.8) == {}


def test_rates_by_hand() -> None:
    stream = in_order("a", "a-typo", "b")
    found = reuse.rates({"0/a": "", "0/a-typo": "0/a", "0/b": "0/a"}, stream)
    assert found == {"true hits": 1 / 3, "false hits": 1 / 3, "precision": 0.5, "excusable": 0.0}
    nothing = reuse.rates(dict.fromkeys(stream.queries, ""), stream)
    assert nothing["true hits"] == 0
    assert math.isnan(nothing["precision"])


def test_another_question_with_the_same_answer_is_a_false_hit_that_can_be_excused() -> None:
    stream = in_order("a", "b")
    stream.answers["0/b"] = ["25 DAYS"]
    assert reuse.rates({"0/a": "", "0/b": "0/a"}, stream)["excusable"] == 1.0


def test_within_counts_true_hits_only_where_false_ones_are_few() -> None:
    stream = in_order("a", "a-typo", "b")
    served = {"0/a": "", "0/a-typo": "0/a", "0/b": "0/a"}
    assert reuse.within(served, stream, most=0.4) == pytest.approx(1 / 3)
    assert reuse.within(served, stream, most=0.3) == 0


def test_the_replay_is_what_the_cache_does() -> None:
    texts = ["night", "thing", "dog", "gods", "think", "nothing", "hog", "knight", "", "goods"]
    queries = {f"0/{n}": text for n, text in enumerate(texts)}
    vectors = np.stack(list(encode(queries).values()))
    places = {str(n): n for n in range(len(texts))}
    for threshold in (0.6, 0.8, 0.9, 1):
        cache = reuse.SemanticCache(encode, echo, threshold)
        cache(queries)
        assert cache.reused == reuse.replay(queries, vectors @ vectors.T, places, threshold)


def test_a_query_id_that_comes_twice_keeps_the_answers_apart() -> None:
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0]}

    def encode(queries: Queries) -> Vectors:
        return {q: np.array(vectors[text], np.float32) for q, text in queries.items()}

    cache = reuse.SemanticCache(encode, lambda q: {i: f"answer to {text}" for i, text in q.items()}, 0.9)
    assert cache({"q": "a"}) == {"q": "answer to a"}
    assert cache({"q": "b"}) == {"q": "answer to b"}
    assert cache({"r": "a"}) == {"r": "answer to a"}
