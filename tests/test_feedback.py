from collections import Counter

import numpy as np
import pytest

from ragkit import feedback, retrieve
from ragkit.types import RagkitError, Run, Vectors

COUNTS = {"a": {"cat": 3, "mat": 1}, "b": {"cat": 1, "dog": 1}, "c": {"fish": 5}, "bare": {}}
RUN: Run = {"q": {"a": 6.0, "b": 2.0, "c": 1.0}}


def test_terms_that_many_documents_have_are_no_feedback() -> None:
    documents = {"a": ["cat", "cat", "mat"], "b": ["cat"], "c": ["dog", "mat"], "d": []}
    # cat and mat stand in 2 of 4 documents, dog in 1
    assert feedback.feedback_terms(documents, most=0.25) == {
        "a": Counter(),
        "b": Counter(),
        "c": Counter(dog=1),
        "d": Counter(),
    }
    assert feedback.feedback_terms(documents, most=0.5)["a"] == Counter(cat=2, mat=1)
    assert feedback.feedback_terms({}) == {}


def test_rm1_weighs_each_document_by_its_score_and_each_term_by_its_share_of_the_document() -> None:
    # a has 6/8 of the score, b 2/8; cat: 6/8 * 3/4 + 2/8 * 1/2 = 11/16, mat 6/8 * 1/4 = 3/16, dog 2/16
    model = feedback.rm1(RUN, COUNTS, docs=2, terms=10)
    assert model["q"] == pytest.approx({"cat": 11 / 16, "mat": 3 / 16, "dog": 2 / 16})


def test_rm1_keeps_the_likeliest_terms_and_makes_them_sum_to_one() -> None:
    assert feedback.rm1(RUN, COUNTS, docs=2, terms=2)["q"] == pytest.approx({"cat": 11 / 14, "mat": 3 / 14})


def test_rm1_decides_a_tie_of_terms_and_of_documents_as_a_ranking_does() -> None:
    tied: Run = {"q": {"b": 1.0, "a": 1.0}}
    assert feedback.rm1(tied, COUNTS, docs=1, terms=1) == {"q": {"dog": 1.0}}  # document b, then dog over cat


@pytest.mark.parametrize("scores", [{}, {"bare": 2.0}, {"a": 0.0}, {"a": -1.0, "b": -2.0}])
def test_a_query_that_found_nothing_to_learn_from_has_an_empty_model(scores: dict[str, float]) -> None:
    assert feedback.rm1({"q": scores}, COUNTS, docs=3, terms=3) == {"q": {}}


def test_rm3_mixes_the_querys_own_terms_with_the_model() -> None:
    models = {"q": {"cat": 0.75, "mat": 0.25}}
    # own: dog twice and cat once of three words
    mixed = feedback.rm3({"q": ["dog", "cat", "dog"]}, models, weight=0.6)["q"]
    assert mixed == pytest.approx({"cat": 0.4 * 0.75 + 0.6 / 3, "mat": 0.4 * 0.25, "dog": 0.6 * 2 / 3})
    assert models == {"q": {"cat": 0.75, "mat": 0.25}}
    alone = feedback.rm3({"q": ["dog", "cat", "dog"]}, models, weight=1.0)["q"]
    assert {term: p for term, p in alone.items() if p} == pytest.approx({"dog": 2 / 3, "cat": 1 / 3})


def test_rm3_without_a_model_is_the_query_and_without_words_the_model() -> None:
    assert feedback.rm3({"q": ["cat"]}, {"q": {}}, weight=0.0) == {"q": {"cat": 1.0}}
    assert feedback.rm3({"q": []}, {"q": {"cat": 1.0}}, weight=0.5) == {"q": {"cat": 0.5}}
    assert feedback.rm3({}, {}, weight=0.5) == {}


def test_on_bm25_the_query_alone_ranks_as_ever_and_feedback_finds_a_document_without_its_words() -> None:
    corpus = {"mail": "The postman brings letters", "dog": "A dog barks at the postman", "pup": "Dogs bark"}
    index = retrieve.BM25(corpus)
    terms = dict(zip(corpus, retrieve.analyze(list(corpus.values())), strict=True))
    words = {"q": retrieve.analyze(["postman barks"])[0]}
    first = index({"q": "postman barks"}, 3)
    models = feedback.rm1(first, feedback.feedback_terms(terms, most=1.0), docs=1, terms=5)
    assert set(models["q"]) == {"dog", "bark", "postman"}
    alone = index.search_terms(feedback.rm3(words, models, weight=1.0), 3)["q"]
    # two words of weight 1/2: half of each score
    assert alone == pytest.approx({doc_id: score / 2 for doc_id, score in first["q"].items()})

    one_word = {"q": ["postman"]}
    assert "pup" not in index({"q": "postman"}, 3)["q"]
    assert "pup" in index.search_terms(feedback.rm3(one_word, models, weight=0.5), 3)["q"]


def test_rocchio_moves_the_query_towards_the_mean_of_its_first_documents() -> None:
    vectors: Vectors = {"q": np.array([1, 0], np.float32)}
    documents: Vectors = {
        "a": np.array([0, 1], np.float32),
        "b": np.array([0.6, 0.8], np.float32),
        "c": np.array([-1, 0], np.float32),
    }
    moved = feedback.rocchio(vectors, RUN, documents, docs=2, weight=0.4)["q"]
    # 0.4 * (1, 0) + 0.6 * (0.3, 0.9)
    assert moved == pytest.approx([0.58, 0.54])
    assert moved.dtype == np.float32
    assert list(vectors["q"]) == [1, 0]
    assert feedback.rocchio(vectors, RUN, documents, docs=9, weight=0.0)["q"] == pytest.approx(
        [-0.4 / 3, 1.8 / 3]
    )


def test_rocchio_leaves_a_query_that_found_nothing_where_it_is() -> None:
    vectors: Vectors = {"q": np.array([1, 0], np.float32)}
    assert list(feedback.rocchio(vectors, {"q": {}}, {}, docs=3, weight=0.4)["q"]) == [1, 0]
    assert feedback.rocchio({}, {}, {}, docs=3, weight=0.4) == {}


def test_a_documents_centroid_is_the_mean_of_its_passages() -> None:
    vectors: Vectors = {
        "a#0": np.array([1, 0], np.float32),
        "b#0": np.array([0, 1], np.float32),
        "a#1": np.array([0.5, 1], np.float32),
    }
    found = feedback.centroids(vectors, {"a#0": "a", "a#1": "a", "b#0": "b"})
    assert {doc_id: list(vector) for doc_id, vector in found.items()} == {"a": [0.75, 0.5], "b": [0, 1]}
    assert found["a"].dtype == np.float32
    assert feedback.centroids({}, {}) == {}
    with pytest.raises(KeyError, match="c#0"):
        feedback.centroids(vectors, {"c#0": "c"})


def test_bad_settings_missing_queries_and_unknown_documents_are_refused() -> None:
    vectors: Vectors = {"q": np.array([1, 0], np.float32)}
    with pytest.raises(RagkitError, match="0 documents, 5 terms"):
        feedback.rm1(RUN, COUNTS, docs=0, terms=5)
    with pytest.raises(RagkitError, match="2 documents, 0 terms"):
        feedback.rm1(RUN, COUNTS, docs=2, terms=0)
    with pytest.raises(RagkitError, match=r"query 'q' found \['z'\]"):
        feedback.rm1({"q": {"z": 1.0}}, COUNTS, docs=1, terms=5)
    with pytest.raises(RagkitError, match=r"rm3: weight 1\.5"):
        feedback.rm3({"q": ["cat"]}, {"q": {"cat": 1.0}}, weight=1.5)
    with pytest.raises(RagkitError, match="query 'other' has no relevance model"):
        feedback.rm3({"other": ["cat"]}, {"q": {}}, weight=0.5)
    with pytest.raises(RagkitError, match=r"rocchio: weight -0\.1"):
        feedback.rocchio(vectors, RUN, {}, docs=1, weight=-0.1)
    with pytest.raises(RagkitError, match="rocchio: 0 documents"):
        feedback.rocchio(vectors, RUN, {}, docs=0, weight=0.5)
    with pytest.raises(RagkitError, match="query 'q' has no ranking"):
        feedback.rocchio(vectors, {}, {}, docs=1, weight=0.5)
    with pytest.raises(RagkitError, match=r"query 'q' found \['a'\]"):
        feedback.rocchio(vectors, RUN, {}, docs=1, weight=0.5)
