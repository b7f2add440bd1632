from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit import chunk
from ragkit.types import Queries, RagkitError, Run

CUTS = [chunk.by_words, chunk.by_sentences, chunk.by_headings]


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


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (4, 4), (4, -1)])
def test_a_window_that_does_not_move_is_refused(
    cut: Callable[..., chunk.Cut], size: int, overlap: int
) -> None:
    with pytest.raises(RagkitError, match=rf"chunk\.{cut.__name__}.*0 <= overlap < size"):
        cut({"d": "a"}, size, overlap)


@pytest.mark.parametrize("cut", CUTS)
def test_every_cut_leaves_a_short_and_an_empty_document_whole(cut: Callable[..., chunk.Cut]) -> None:
    assert cut({"short": " A b. C\n", "empty": ""}, 4) == (
        {"short#0": " A b. C\n", "empty#0": ""},
        {"short#0": "short", "empty#0": "empty"},
    )


PIECES = ["a{}", "bb{}.", "Cc{}", "{}.", "## D{}", "|e{}", "\n", "\n\n", "```{}"]  # {}: no word comes twice


@pytest.mark.parametrize("cut", CUTS)
@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=40), size=st.integers(2, 9), overlap=st.integers(0, 8)
)
def test_whatever_the_text_passages_cover_it_in_order_and_none_is_too_long(
    cut: Callable[..., chunk.Cut], pieces: list[str], size: int, overlap: int
) -> None:
    text = " ".join(piece.format(n) for n, piece in enumerate(pieces))
    overlap = min(overlap, size - 1)
    words, spans = text.split(), [(0, 0)]
    for passage in cut({"d": text}, size, overlap)[0].values():
        assert passage in text
        start = next(
            (i for i in range(len(words)) if words[i : i + len(passage.split())] == passage.split()), 0
        )
        spans.append((start, start + len(passage.split())))
        assert len(passage.split()) <= size
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert max(start, end - overlap) <= next_start <= end
        assert next_end > end or not words
    assert spans[-1][1] == len(words)


FIVE = "Aa b cc. Dd ee. Ff gg. Hh i j kk. Ll."  # sentences of 3, 2, 2, 4 and 1 words


def test_sentences_fill_a_passage_and_are_never_torn() -> None:
    chunks, parents = chunk.by_sentences({"d": FIVE}, size=7)
    assert chunks == {"d#0": "Aa b cc. Dd ee. Ff gg.", "d#1": "Hh i j kk. Ll."}
    assert parents == {"d#0": "d", "d#1": "d"}


@pytest.mark.parametrize("overlap", [2, 3, 6])
def test_whole_sentences_are_repeated_as_far_as_overlap_and_size_allow(overlap: int) -> None:
    # 2 or 3 words hold "Ff gg." alone; 6 would hold "Dd ee." too, but then "Hh i j kk." did not fit into 7
    chunks, _ = chunk.by_sentences({"d": FIVE}, 7, overlap)
    assert list(chunks.values()) == ["Aa b cc. Dd ee. Ff gg.", "Ff gg. Hh i j kk. Ll."]


def test_a_sentence_that_is_longer_than_a_passage_is_cut_by_words() -> None:
    chunks, _ = chunk.by_sentences({"d": "Aa bb. Cc d e f gg. Hh."}, size=3)
    assert list(chunks.values()) == ["Aa bb.", "Cc d e", "f gg. Hh."]


def test_sentences_carry_the_title_too() -> None:
    chunks, _ = chunk.by_sentences({"d": "T\nAa bb. Cc dd."}, size=3, prefix={"d": "T"})
    assert list(chunks.values()) == ["T\nAa bb.", "T\nCc dd."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is. Is it? Yes! So… There.", ["It is.", "Is it?", "Yes!", "So…", "There."]),
        (
            'He said "no." (So did I.) Then **stop.** Go',
            ['He said "no."', "(So did I.)", "Then **stop.**", "Go"],
        ),
        (
            "See e.g. Dr. Adler, Larkfield B.V. and J. Doe.",
            ["See e.g. Dr. Adler, Larkfield B.V. and J. Doe."],
        ),
        ("Version 3.5 costs €1.20 more. 14 days.", ["Version 3.5 costs €1.20 more.", "14 days."]),
        ("See no. 31. No. Not that.", ["See no. 31.", "No.", "Not that."]),
        ("by 12 a.m. tomorrow. the end", ["by 12 a.m. tomorrow. the end"]),  # no capital, no end
        ("It ends etc. The next", ["It ends etc. The next"]),  # a limit: it might have been an end
        ("A line\ngoes on. And ends", ["A line\ngoes on.", "And ends"]),
        ("One\n\ntwo\n \nthree", ["One", "two", "three"]),
        ("# H\ntext. More\n## I", ["# H", "text.", "More", "## I"]),
        ("1. Do. Then\n2. Rest\n- x\n  goes on", ["1. Do.", "Then", "2. Rest", "- x\n  goes on"]),
        ("| a. B | c |\n|---|---|\nAfter", ["| a. B | c |", "|---|---|", "After"]),
        ("**Ann** 9:01 hi\n**Bo** 9:02 yes", ["**Ann** 9:01 hi", "**Bo** 9:02 yes"]),
        (" \n", []),
        ("", []),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert chunk.sentences(text) == expected


GUIDE = "Guide\n# One\na b\n## Deep\nc d\n# Two\ne f g h\n"


def test_sections_begin_with_their_headings_and_the_title_goes_with_the_first() -> None:
    chunks, parents = chunk.by_headings({"d": GUIDE}, size=9)
    assert list(chunks.values()) == ["Guide\n# One\na b", "## Deep\nc d", "# Two\ne f g h\n"]
    assert set(parents.values()) == {"d"}


def test_text_before_the_first_heading_is_a_section_and_a_bare_heading_is_not() -> None:
    chunks, _ = chunk.by_headings({"d": "Guide\nIntro.\n# One\n\n### Deep\na"}, size=9)
    assert list(chunks.values()) == ["Guide\nIntro.", "# One\n\n### Deep\na"]


def test_a_long_section_and_a_document_without_headings_are_cut_by_words() -> None:
    chunks, _ = chunk.by_headings({"d": GUIDE, "plain": "a b c d e"}, size=4, overlap=1)
    assert list(chunks.values()) == [
        "Guide\n# One\na", "a b",  # 5 words: 4, and the rest with the last one again
        "## Deep\nc d",
        "# Two\ne f", "f g h",
        "a b c d", "d e",
    ]  # fmt: skip


def test_code_a_hashtag_and_seven_signs_are_no_headings() -> None:
    text = "# One\na\n```\n# comment\n```\n#tag\n####### seven\n~~~\n# never closed"
    assert chunk.by_headings({"d": text}, size=99)[0] == {"d#0": text}


def test_title_and_headings_above_stand_in_front_of_each_passage() -> None:
    corpus = {"d": GUIDE, "plain": "Note\na b"}
    cut = chunk.by_words(corpus, size=3)
    chunks, parents = chunk.in_context(corpus, cut, {"d": "Guide", "plain": "Note"})
    assert chunks == {
        "d#0": "Guide\n# One",
        "d#1": "Guide\nOne\na b\n##",  # cut before the words of "Deep", which is not yet above it
        "d#2": "Guide\nOne > Deep\nDeep\nc d",
        "d#3": "Guide\n# Two\ne",  # begins with its heading, which has ended those before
        "d#4": "Guide\nTwo\nf g h",
        "plain#0": "Note\na b",
    }
    assert parents == cut[1]


def test_a_heading_that_is_the_title_is_not_said_twice() -> None:
    corpus = {"d": "# Guide\na\n## Deep\nb c"}
    chunks, _ = chunk.in_context(corpus, chunk.by_words(corpus, 3), {"d": "Guide"})
    assert list(chunks.values()) == ["Guide\n# Guide\na", "Guide\n## Deep\nb", "Guide\nDeep\nc"]


def test_a_repeated_passage_is_placed_behind_the_one_before() -> None:
    corpus = {"d": "# A\nx y\n# B\nx y"}
    chunks, _ = chunk.in_context(corpus, chunk.by_words(corpus, 2), {})
    assert list(chunks.values()) == ["# A", "A\nx y", "# B", "B\nx y"]


def test_a_passage_that_is_no_piece_of_its_document_is_refused() -> None:
    corpus = {"d": "T\na b c d"}
    cut = chunk.by_words(corpus, 2, prefix={"d": "T"})
    with pytest.raises(RagkitError, match=r"'d#1' is no piece of 'd'.*without a prefix"):
        chunk.in_context(corpus, cut, {"d": "T"})
    assert chunk.in_context({}, ({}, {}), {}) == ({}, {})


def test_the_best_passage_speaks_for_its_document() -> None:
    run: Run = {"q": {"a#0": 1.0, "b#0": 2.0, "a#1": 3.0, "c#0": 2.0}, "none": {}}
    parents = {"a#0": "a", "a#1": "a", "b#0": "b", "c#0": "c"}
    assert chunk.to_parents(run, parents, k=2) == {"q": {"a": 3.0, "c": 2.0}, "none": {}}


def test_the_mean_vector_of_a_document_has_length_1() -> None:
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], np.float32)
    doc_ids, means = chunk.mean_vectors(vectors, {"a#0": "a", "b#0": "b", "a#1": "a"})
    assert doc_ids == ["a", "b"]
    # a: (1, 0) + (0, 1) is (1, 1), of length 1.41421; b has one passage and keeps its vector
    assert means == pytest.approx(np.array([[0.70711, 0.70711], [0.6, 0.8]]), abs=1e-5)
    assert means.dtype == np.float32


def test_vectors_that_cancel_out_have_no_mean_and_no_length() -> None:
    _, means = chunk.mean_vectors(np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32), {"a#0": "a", "a#1": "a"})
    assert means.tolist() == [[0.0, 0.0]]


def test_every_passage_has_its_vector_or_it_is_an_error() -> None:
    with pytest.raises(RagkitError, match="1 vectors, 2 passages"):
        chunk.mean_vectors(np.ones((1, 2), np.float32), {"a#0": "a", "a#1": "a"})


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
