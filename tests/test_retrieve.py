import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit import retrieve
from ragkit.types import RagkitError, ranking
from tests.toy import CORPUS, QUERIES, BagOfLetters

WORDS = st.lists(
    st.sampled_from(["apple", "berry", "cherry", "damson", "elder", "fig", "grape"]), min_size=1, max_size=8
)


def retrievers() -> dict[str, retrieve.BM25 | retrieve.RankBM25 | retrieve.Dense]:
    return {
        "lucene": retrieve.BM25(CORPUS),
        "robertson": retrieve.BM25(CORPUS, method="robertson"),
        "rank-bm25": retrieve.RankBM25(CORPUS),
        "dense": retrieve.Dense(CORPUS, BagOfLetters()),
    }


@pytest.mark.parametrize("name", ["lucene", "robertson", "rank-bm25", "dense"])
def test_contract_of_every_retriever(name: str) -> None:
    search = retrievers()[name]
    run = search(QUERIES, 2)
    assert list(run) == list(QUERIES)  # every query has its place, whatever it found
    assert all(len(scores) <= 2 and set(scores) <= set(CORPUS) for scores in run.values())
    alone = search({"q-cat": QUERIES["q-cat"]}, 2)["q-cat"]
    assert alone == pytest.approx(run["q-cat"])  # other queries in the batch change nothing
    assert search({}, 2) == {}
    deep = search(QUERIES, 1_000)
    for query_id, scores in run.items():  # a deeper search begins with the shallow one, ties too
        assert ranking(deep[query_id], 2) == ranking(scores)
    with pytest.raises(RagkitError, match="k is 0"):
        search(QUERIES, 0)
    assert search.size_bytes > 0
    assert search.build_seconds >= 0


def test_bm25_score_by_hand() -> None:
    # three documents of 2, 1 and 3 words, 2 on average; "cat" stands in two of them
    search = retrieve.BM25({"a": "cat dog", "b": "cat", "c": "bird fish frog"}, k1=1.5, b=0.75)
    idf = np.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    expected = {"a": idf / (1 + 1.5), "b": idf / (1 + 1.5 * (0.25 + 0.75 * 0.5))}
    assert search({"q": "Cats?"}, 10)["q"] == pytest.approx(expected)


def test_documents_without_a_word_of_the_query_are_not_found() -> None:
    run = retrieve.BM25({"a": "cat", "b": "dog"})(
        {"known": "cat", "unknown": "zebra", "empty": "", "stop": "the of"}, 5
    )
    assert {q: list(scores) for q, scores in run.items()} == {
        "known": ["a"],
        "unknown": [],
        "empty": [],
        "stop": [],
    }


def test_a_tie_at_the_cut_is_decided_by_doc_id_in_every_engine() -> None:
    same = {f"d{n}": "same words here" for n in (3, 1, 4, 2, 5)}
    corpus = same | {f"z{n}": "quite different thing" for n in range(6)}  # more of them: no idf is 0
    lucene, robertson = retrieve.BM25(corpus), retrieve.BM25(corpus, method="robertson", b=0.1)
    for search in (lucene, robertson, retrieve.RankBM25(corpus), retrieve.Dense(corpus, BagOfLetters())):
        assert ranking(search({"q": "words"}, 2)["q"]) == ["d5", "d4"]


def test_another_setting_of_the_same_index_equals_a_new_index() -> None:
    tuned = retrieve.BM25(CORPUS).at(k1=0.9, b=0.3)
    assert tuned(QUERIES, 3) == retrieve.BM25(CORPUS, k1=0.9, b=0.3)(QUERIES, 3)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=3, max_size=12), WORDS)
def test_robertson_on_bm25s_ranks_as_rank_bm25(documents: list[list[str]], query: list[str]) -> None:
    corpus = {f"d{n:02d}": " ".join(words) for n, words in enumerate(documents)}
    question = {"q": " ".join(query)}
    ours = retrieve.BM25(corpus, method="robertson")(question, len(corpus))["q"]
    reference = retrieve.RankBM25(corpus)(question, len(corpus))["q"]
    assert set(ours) == set(reference)
    # scores differ by the constant factor k1 + 1, and by float32
    assert {d: s * 2.5 for d, s in ours.items()} == pytest.approx(reference, rel=1e-5)


def test_dense_finds_the_nearest_by_inner_product() -> None:
    dense = retrieve.Dense({"a": "aaa", "ab": "ab", "b": "bbb"}, BagOfLetters())
    run = dense({"q": "a"}, 3)["q"]
    assert run == pytest.approx({"a": 1.0, "ab": np.sqrt(0.5), "b": 0.0}, abs=1e-6)
    assert dense.search({"v": np.eye(26, dtype=np.float32)[1]}, 1)["v"] == pytest.approx({"b": 1.0})


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(RagkitError, match=r"'bm52'.*lucene, robertson, atire"):
        retrieve.BM25(CORPUS, method="bm52")


@pytest.mark.parametrize("method", retrieve.METHODS)
def test_terms_of_weight_one_find_what_their_text_finds(method: str) -> None:
    index = retrieve.BM25(CORPUS, method=method)
    words = dict(zip(QUERIES, retrieve.analyze(list(QUERIES.values())), strict=True))
    ones = {query_id: dict.fromkeys(terms, 1.0) for query_id, terms in words.items()}
    for k in (1, 2, 100):  # equal, not near: the same sums in the same order
        assert index.search_terms(ones, k) == index(QUERIES, k)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=3, max_size=12), WORDS)
def test_a_terms_weight_is_how_often_it_is_said(documents: list[list[str]], query: list[str]) -> None:
    index = retrieve.BM25({f"d{n:02d}": " ".join(words) for n, words in enumerate(documents)})
    (words,) = retrieve.analyze([" ".join(query)])
    weights = {"q": {word: float(words.count(word)) for word in words}}
    said = index({"q": " ".join(query)}, len(documents))["q"]
    assert index.search_terms(weights, len(documents))["q"] == pytest.approx(said, rel=1e-5)


def test_a_terms_weight_multiplies_its_score_by_hand() -> None:
    index = retrieve.BM25({"a": "cat dog", "b": "cat", "c": "bird fish frog"}, k1=1.5, b=0.75)
    idf_cat, idf_dog = np.log(1 + (3 - 2 + 0.5) / (2 + 0.5)), np.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    # a has 2 words, as the documents have on average; b has 1
    expected = {"a": (0.25 * idf_cat + 3 * idf_dog) / 2.5, "b": 0.25 * idf_cat / (1 + 1.5 * (0.25 + 0.375))}
    weights = {"q": {"cat": 0.25, "dog": 3.0, "zebra": 9.0}}
    assert index.search_terms(weights, 5)["q"] == pytest.approx(expected)


def test_weighted_terms_keep_the_contract() -> None:
    corpus = {f"d{n}": "same words here" for n in (3, 1, 4, 2, 5)} | {"z": "another"}
    index = retrieve.BM25(corpus)
    tied = index.search_terms({"q": {"word": 0.5}}, 2)["q"]
    assert ranking(tied) == ["d5", "d4"]
    assert len(set(tied.values())) == 1
    weights = {"empty": dict[str, float](), "unknown": {"zebra": 1.0}, "minus": {"anoth": -1.0}}
    assert index.search_terms(weights, 2) == {"empty": {}, "unknown": {}, "minus": {}}
    assert index.search_terms({}, 2) == {}
    with pytest.raises(RagkitError, match="k is 0"):
        index.search_terms({"q": {"word": 1.0}}, 0)


def test_the_weights_of_a_querys_terms_sum_up_to_the_score() -> None:
    index = retrieve.BM25(CORPUS)
    found = index({"q": "cold water, warm mat"}, 10)["q"]
    assert set(found) == {"cat", "cat-copy", "fish"}
    for doc_id in CORPUS:
        weights = [index.weight(term, doc_id) for term in ("cold", "water", "warm", "mat", "zymurgi")]
        assert sum(weights) == pytest.approx(found.get(doc_id, 0.0))
