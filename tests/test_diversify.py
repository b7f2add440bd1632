import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit import diversify
from ragkit.types import RagkitError, Run, Vectors, ranking
from tests import toy

# The cosines: a and b 1.0, a and c 0.6, a and d 0.0, c and d 0.8.
UNIT: Vectors = {
    "a": np.array([1, 0], np.float32),
    "b": np.array([1, 0], np.float32),
    "c": np.array([0.6, 0.8], np.float32),
    "d": np.array([0, 1], np.float32),
}
RUN: Run = {"q": {"a": 30.0, "b": 28.0, "c": 20.0, "d": 10.0}}  # scaled: a 1, b 0.9, c 0.5, d 0


def test_document_vectors_are_the_mean_of_the_passages_at_length_one() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    found = diversify.document_vectors(["x#0", "y#0", "x#1"], vectors, {"x#0": "x", "x#1": "x", "y#0": "y"})
    # x: (1 + 0.6, 0 + 0.8) = (1.6, 0.8), of length sqrt(2.56 + 0.64) = 1.7889
    assert found["x"] == pytest.approx([0.8944, 0.4472], abs=1e-4)
    assert found["y"] == pytest.approx([0, 1])


def test_document_vectors_need_a_parent_for_each_passage_and_a_vector_for_each() -> None:
    with pytest.raises(KeyError, match="x#0"):
        diversify.document_vectors(["x#0"], np.ones((1, 2), np.float32), {})
    with pytest.raises(ValueError, match="zip"):
        diversify.document_vectors(["x#0"], np.ones((2, 2), np.float32), {"x#0": "x"})


def test_mmr_weighs_the_score_against_what_is_already_said() -> None:
    # trade 0.5. First pick: a 0.5 * 1 = 0.5. Then b 0.5 * 0.9 - 0.5 * 1 = -0.05,
    # c 0.25 - 0.5 * 0.6 = -0.05, d 0 - 0 = 0: d. Then b -0.05 still, c 0.25 - 0.5 * 0.8 = -0.15: b, c.
    picked = diversify.mmr(RUN, UNIT, 4, 0.5)["q"]
    assert picked == pytest.approx({"a": 0.5, "d": 0.0, "b": -0.05, "c": -0.15})
    assert ranking(picked) == ["a", "d", "b", "c"]


def test_mmr_with_trade_one_leaves_the_order_and_keeps_k() -> None:
    assert ranking(diversify.mmr(RUN, UNIT, 4, 1.0)["q"]) == ["a", "b", "c", "d"]
    assert list(diversify.mmr(RUN, UNIT, 2, 1.0)["q"]) == ["a", "b"]


def test_mmr_of_equal_scores_prefers_the_higher_doc_id_as_every_ranking_does() -> None:
    # all scaled 1: d first, 0.5. Then a 0.5 - 0, b the same, c 0.5 - 0.4: of a and b the higher is b.
    picked = diversify.mmr({"q": dict.fromkeys("abcd", 7.0)}, UNIT, 2, 0.5)["q"]
    assert picked == {"d": 0.5, "b": 0.5}


def test_mmr_counts_an_opposite_document_as_unrelated_and_no_better() -> None:
    opposite: Vectors = {"x": np.array([1, 0], np.float32), "y": np.array([-1, 0], np.float32)}
    assert diversify.mmr({"q": {"x": 1.0, "y": 0.0}}, opposite, 2, 0.5)["q"] == {"x": 0.5, "y": 0.0}


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=12),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_the_order_of_the_scores_is_the_order_of_the_picks(
    scores: list[float], trade: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(len(scores), 3)).astype(np.float32)
    vectors = {f"d{i}": v / np.linalg.norm(v) for i, v in enumerate(drawn)}
    picked = diversify.mmr({"q": dict(zip(vectors, scores, strict=True))}, vectors, len(scores), trade)["q"]
    assert ranking(picked) == list(picked)  # a dict keeps the order of the picks
    assert picked.keys() == vectors.keys()


def test_mmr_of_nothing_and_of_what_it_cannot_do() -> None:
    assert diversify.mmr({}, UNIT, 3, 0.5) == {}
    assert diversify.mmr({"q": {}}, UNIT, 3, 0.5) == {"q": {}}
    with pytest.raises(RagkitError, match=r"1 documents of query 'q'.*\['new'\]"):
        diversify.mmr({"q": {"new": 1.0}}, UNIT, 3, 0.5)
    with pytest.raises(RagkitError, match=r"trade 1\.5"):
        diversify.mmr(RUN, UNIT, 3, 1.5)
    with pytest.raises(RagkitError, match="k 0"):
        diversify.mmr(RUN, UNIT, 0, 0.5)


def test_near_copies_are_grouped_by_cosine_and_the_rest_left_out() -> None:
    assert diversify.near_copies(UNIT, 1.0) == {"a": "a", "b": "a"}
    assert diversify.near_copies(UNIT, 0.8) == {"a": "a", "b": "a", "c": "c", "d": "c"}


def test_near_copies_are_chained() -> None:
    # a and d share nothing, but a is near c (0.6) and c is near d (0.8)
    assert diversify.near_copies(UNIT, 0.6) == {"a": "a", "b": "a", "c": "a", "d": "a"}


def test_near_copies_in_blocks_are_those_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    vectors = {f"d{i}": v / np.linalg.norm(v) for i, v in enumerate(drawn)}
    pairs = [(i, j) for i in vectors for j in vectors if i < j and vectors[i] @ vectors[j] >= 0.95]
    expected = diversify.linked(pairs)
    assert 0 < len(expected) < 60
    monkeypatch.setattr(diversify, "BLOCK", 7)
    assert diversify.near_copies(vectors, 0.95) == expected


def test_resembling_is_shared_sequences_by_all_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = {"x": "One two three, four five", "y": "one two three four SIX", "z": "two one four three"}
    # of two words: x has 12 23 34 45, y has 12 23 34 46: 3 of 5 are shared; z (21 14 43) shares none
    assert diversify.resembling(corpus, 0.6, words=2) == {"x": "x", "y": "x"}
    assert diversify.resembling(corpus, 0.61, words=2) == {}
    # of one word: x and y share 4 of 6 (0.67), z and each of them 4 of 5 (0.8)
    assert diversify.resembling(corpus, 0.8, words=1) == {"x": "x", "y": "x", "z": "x"}
    monkeypatch.setattr(diversify, "BLOCK", 1)
    assert diversify.resembling(corpus, 0.6, words=2) == {"x": "x", "y": "x"}


def test_resembling_of_short_texts_and_of_none() -> None:
    assert diversify.resembling(toy.CORPUS, 1.0) == {"cat": "cat", "cat-copy": "cat"}
    assert diversify.resembling({"a": "yes", "b": "Yes.", "c": "", "d": " "}, 0.5) == {"a": "a", "b": "a"}
    assert diversify.resembling({}, 0.5) == {} == diversify.near_copies({}, 0.5)


@pytest.mark.parametrize("threshold", [0.0, 1.01])
def test_a_threshold_is_a_share(threshold: float) -> None:
    with pytest.raises(RagkitError, match="more than 0 and up to 1"):
        diversify.near_copies(UNIT, threshold)
    with pytest.raises(RagkitError, match="more than 0 and up to 1"):
        diversify.resembling(toy.CORPUS, threshold)


def test_a_sequence_has_words() -> None:
    with pytest.raises(RagkitError, match="words 0"):
        diversify.resembling(toy.CORPUS, 0.5, words=0)


def test_linked_follows_pairs_in_any_order_and_names_a_group_after_its_first() -> None:
    pairs = [("v3", "v2"), ("x", "y"), ("v2", "v1"), ("v4", "v3")]
    assert diversify.linked(pairs) == dict.fromkeys(["v1", "v2", "v3", "v4"], "v1") | {"x": "x", "y": "x"}
    assert diversify.linked([]) == {}


GROUPS = {"a": "a", "c": "a", "d": "a"}


def test_collapse_sends_all_but_the_best_of_a_group_to_the_end_in_their_order() -> None:
    collapsed = diversify.collapse(RUN, GROUPS)["q"]
    # scores span 30 - 10 = 20, so that those at the end are lowered by 21
    assert collapsed == {"a": 30.0, "b": 28.0, "c": -1.0, "d": -11.0}
    assert ranking(collapsed) == ["a", "b", "c", "d"]
    assert ranking(diversify.collapse({"q": {"a": 1.0, "d": 0.9, "b": 0.5}}, GROUPS)["q"]) == ["a", "b", "d"]


def test_collapse_lets_the_higher_doc_id_speak_in_a_tie_and_spares_whom_it_is_told() -> None:
    assert ranking(diversify.collapse({"q": {"a": 1.0, "d": 1.0, "b": 0.0}}, GROUPS)["q"]) == ["d", "b", "a"]
    spared = diversify.collapse(RUN, GROUPS, {"q": {"d"}})["q"]
    assert ranking(spared) == ["a", "b", "d", "c"]
    assert spared["d"] == 10.0


def test_collapse_of_nothing_and_without_groups_changes_nothing() -> None:
    assert diversify.collapse({"q": {}}, GROUPS) == {"q": {}}
    assert diversify.collapse(RUN, {}) == RUN == {"q": {"a": 30.0, "b": 28.0, "c": 20.0, "d": 10.0}}


def test_repeats_are_the_documents_whose_group_stands_above() -> None:
    assert diversify.repeats(RUN, GROUPS, 4) == {"q": ["c", "d"]}
    assert diversify.repeats(RUN, GROUPS, 2) == {"q": []}
    assert diversify.repeats({"q": {"a": 1.0, "c": 1.0}, "r": {}}, GROUPS, 9) == {
        "q": ["a"],
        "r": [],
    }  # a tie


def test_redundancy_is_the_share_whose_group_stands_above() -> None:
    # a, b, c, d: c and d repeat a's group
    assert diversify.redundancy(RUN, GROUPS, 4) == {"q": 0.5}
    assert diversify.redundancy(RUN, GROUPS, 3) == pytest.approx({"q": 1 / 3})
    assert diversify.redundancy(RUN, GROUPS, 10) == {"q": 0.5}  # of the four that are there
    assert diversify.redundancy(diversify.collapse(RUN, GROUPS), GROUPS, 2) == {"q": 0.0}
    assert diversify.redundancy({"q": {}}, GROUPS, 10) == {"q": 0.0}


def test_first_ranks_count_from_one_in_the_order_of_every_ranking() -> None:
    run: Run = {"q1": {"old": 2.0, "new": 1.0}, "q2": {"x": 9.0, "old": 1.0, "new": 1.0}, "q3": {}}
    wanted = {
        "q1": {"new", "other"},
        "q2": {"new", "old"},
        "q3": {"new"},
        "missing": {"new"},
        "none": set[str](),
    }
    # q2: old and new tie for 2 and 3, and the higher doc_id, old, stands first
    expected = {"q1": 2.0, "q2": 2.0, "q3": np.inf, "missing": np.inf, "none": np.inf}
    assert diversify.first_ranks(run, wanted) == expected
    assert diversify.first_ranks(run, {"q2": {"new"}}) == {"q2": 3.0}
    assert diversify.first_ranks(run, {}) == {}
