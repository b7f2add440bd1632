import pytest

from ragkit import chunk
from ragkit.types import Queries, RagkitError, Run


def test_windows_overlap_and_the_last_one_reaches_the_end() -> None:
    chunks, parents = chunk.by_words({"d": "a b c d e f g"}, size=4, overlap=1)
    assert chunks == {"d#0": "a b c d", "d#1": "d e f g"}
    assert parents == {"d#0": "d", "d#1": "d"}


def test_a_rest_of_a_document_is_a_passage_of_its_own() -> None:
    chunks, _ = chunk.by_words({"d": "a b c d e f"}, size=4, overlap=1)
    assert list(chunks.values()) == ["a b c d", "d e f"]


def test_a_short_and_an_empty_document_are_one_passage_each() -> None:
    chunks, _ = chunk.by_words({"short": " a  b\n", "empty": ""}, size=4)
    assert chunks == {"short#0": " a  b\n", "empty#0": ""}


def test_the_title_stands_in_front_of_every_passage_once() -> None:
    chunks, _ = chunk.by_words({"d": "My title\na b c d"}, size=4, prefix={"d": "My title"})
    assert list(chunks.values()) == ["My title\na b", "My title\nc d"]


def test_the_spacing_of_the_document_is_kept() -> None:
    chunks, _ = chunk.by_words({"d": "| a |\n| b |\n\nc d"}, size=6)
    assert list(chunks.values()) == ["| a |\n| b |", "c d"]


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (4, 4), (4, -1)])
def test_a_window_that_does_not_move_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(RagkitError, match="0 <= overlap < size"):
        chunk.by_words({"d": "a"}, size, overlap)


def test_the_best_passage_speaks_for_its_document() -> None:
    run: Run = {"q": {"a#0": 1.0, "b#0": 2.0, "a#1": 3.0, "c#0": 2.0}, "none": {}}
    parents = {"a#0": "a", "a#1": "a", "b#0": "b", "c#0": "c"}
    assert chunk.to_parents(run, parents, k=2) == {"q": {"a": 3.0, "c": 2.0}, "none": {}}


def test_the_retriever_of_documents_deepens_until_it_has_k() -> None:
    asked: list[int] = []
    # eight passages of one document stand before the only passage of the other
    scores = {f"a#{n}": 10.0 - n for n in range(8)} | {"b#0": 1.0}

    def passages(queries: Queries, k: int) -> Run:
        asked.append(k)
        return {query_id: dict(list(scores.items())[:k]) for query_id in queries}

    parents = {chunk_id: chunk_id[0] for chunk_id in scores}
    run = chunk.parent_retriever(passages, parents)({"q": "?"}, 2)
    assert run == {"q": {"a": 10.0, "b": 1.0}}
    assert asked == [4, 8, 16]


def test_a_query_with_too_few_passages_ends_the_search() -> None:
    def nothing(queries: Queries, k: int) -> Run:
        return {query_id: {} for query_id in queries}

    assert chunk.parent_retriever(nothing, {"a#0": "a", "b#0": "b"})({"q": "?"}, 2) == {"q": {}}
