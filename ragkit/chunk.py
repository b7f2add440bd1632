"""Cutting documents into passages, and speaking of documents again once passages are found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ragkit.types import Corpus, RagkitError, Run, best, ranking

Q = TypeVar("Q")  # a query: its text, or its vector
Cut = tuple[dict[str, str], dict[str, str]]  # passages: chunk_id -> text; their parents: chunk_id -> doc_id
Span = tuple[int, int]  # from, to: places in a text

_WORD = re.compile(r"\S+")
_LINE = re.compile(r"\S(?:.*\S)?")
_FENCE = re.compile(r"^ {0,3}(```|~~~).*?(?:^ {0,3}\1|\Z)", re.M | re.S)
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t#]*$", re.M)
_ALONE = re.compile(r"\||#{1,6}[ \t]")  # a table row, a heading: one line, whatever follows
_OPENS = re.compile(r"[-+*>][ \t]|\*\*|\d+[.)][ \t]")  # a list item, a quotation, a line that begins in bold
_STOP = re.compile(r"[.!?…]+[^\w\s]*(?=(\s+)[^\w\s]*(\w))")  # and what follows: space, letter or digit
_ABBREVIATION = re.compile(
    r"(?:mr|mrs|ms|dr|prof|st|jr|sr|vs|cf|viz|ca|approx|incl|excl|etc|al|inc|ltd|co|corp|dept"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|(?:[^\W\d]\.)+[^\W\d]|[^\W\di])\."  # e.g. and A., not I.
)
_BEFORE_A_NUMBER = re.compile(r"(?:nos?|nr|art|fig|sec|ch|vol|pp|min|max|tel)\.")


def by_words(corpus: Corpus, size: int, overlap: int = 0, prefix: Mapping[str, str] | None = None) -> Cut:
    """Passages of `size` words, each sharing `overlap` words with the one before.

    `prefix` (doc_id -> text, a title as a rule) is put in front of every passage that does not
    begin with it already. Returns the passages (chunk_id -> text, the document's own spacing kept)
    and their parents (chunk_id -> doc_id). A document of up to `size` words is one passage, also
    an empty one. Raises RagkitError unless 0 <= overlap < size.
    """
    _check("by_words", size, overlap)
    return _cut(corpus, lambda text: _windows(text, (0, len(text)), size, overlap), prefix)


def by_sentences(corpus: Corpus, size: int, overlap: int = 0, prefix: Mapping[str, str] | None = None) -> Cut:
    """Passages of whole `sentences`, as many as fit into `size` words.

    Each begins with those last sentences of the one before that fit into `overlap` words. A sentence of
    more than `size` words is cut by words. Otherwise as `by_words`.
    """
    _check("by_sentences", size, overlap)
    return _cut(corpus, lambda text: _packed(text, size, overlap), prefix)


def by_headings(corpus: Corpus, size: int, overlap: int = 0, prefix: Mapping[str, str] | None = None) -> Cut:
    """Passages that are sections: from a Markdown heading (# to ######) to the next one of any level.

    A section of more than `size` words is cut by words, and so is a document without headings. A heading
    with nothing under it, and a first line (the title) with nothing after it, go with the section that
    follows. Headings that are underlined instead are not seen. Otherwise as `by_words`.
    """
    _check("by_headings", size, overlap)

    def spans(text: str) -> list[Span]:
        return [span for section in _sections(text) for span in _windows(text, section, size, overlap)]

    return _cut(corpus, spans, prefix)


def in_context(corpus: Corpus, cut: Cut, titles: Mapping[str, str]) -> Cut:
    """The passages of a cut, each with its document's title and the path of headings above it in front.

    The title is a line, the path ("Rights > Who grants") another; neither repeats what the passage begins
    with. Words that stand twice in a document are taken for the first that lie behind the passage before.
    Raises RagkitError for a passage that is no piece of its document: it must be cut without a prefix.
    """
    chunks, parents = cut
    places: dict[str, int] = {}  # doc_id -> where its latest passage begins
    placed: dict[str, str] = {}
    for chunk_id, passage in chunks.items():
        doc_id = parents[chunk_id]
        text, title = corpus[doc_id], titles.get(doc_id, "")
        places[doc_id] = text.find(passage, places.get(doc_id, -1) + 1)
        if places[doc_id] < 0:
            raise RagkitError(
                f"chunk.in_context: passage {chunk_id!r} is no piece of {doc_id!r}, or not behind the one "
                "before: expected the passages of this corpus in their order, cut without a prefix"
            )
        path = " > ".join(h for h in _headings_above(text, places[doc_id]) if h != title)
        front = [line for line in (title, path) if line and not passage.startswith(line)]
        placed[chunk_id] = "\n".join([*front, passage])
    return placed, parents


def sentences(text: str) -> list[str]:
    """The sentences of an English text; of Markdown also each heading, table row and list item.

    A rule, no model: a sentence ends at . ! ? or … before white space and anything but a small letter,
    unless that is the stop of a listed abbreviation, of an initial, of a list's number, or of "no." before a
    figure. Its limits: an abbreviation that ends a sentence joins it to the next, one that is not listed
    cuts it, and code is read as prose.
    """
    return [text[start:end] for start, end in _sentences(text)]


def to_parents(run: Run, parents: dict[str, str], k: int) -> Run:
    """Documents instead of passages: the best passage speaks for its document; the k best of them.

    MaxP of Dai and Callan 2019 (Deeper Text Understanding for IR, section 3).
    Raises KeyError for a passage without a parent.
    """
    documents: Run = {}
    for query_id, scores in run.items():
        highest: dict[str, float] = {}
        for chunk_id in ranking(scores):
            highest.setdefault(parents[chunk_id], scores[chunk_id])
        documents[query_id] = best(highest, k)
    return documents


def mean_vectors(
    vectors: NDArray[np.float32], parents: Mapping[str, str]
) -> tuple[list[str], NDArray[np.float32]]:
    """One unit vector a document, the mean of its passages' vectors: the counterpart of the best passage.

    `vectors`: (passages, dim), in the order of `parents`. Returns the doc_ids and (documents, dim).
    Raises RagkitError for another number of vectors than of passages.
    """
    if len(vectors) != len(parents):
        raise RagkitError(
            f"chunk.mean_vectors: {len(vectors)} vectors, {len(parents)} passages: expected equal numbers"
        )
    places = {doc_id: n for n, doc_id in enumerate(dict.fromkeys(parents.values()))}
    sums = np.zeros((len(places), vectors.shape[1]), np.float32)
    np.add.at(sums, [places[doc_id] for doc_id in parents.values()], vectors)
    # the length of a mean falls with the number of passages: without this, long documents would lose
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return list(places), np.divide(sums, lengths, out=sums, where=lengths > 0)


def parent_retriever(
    retrieve: Callable[[dict[str, Q], int], Run], parents: dict[str, str]
) -> Callable[[dict[str, Q], int], Run]:
    """A retriever of documents over one of passages: asks deeper until each query has k documents.

    Queries are texts, or vectors for `Dense.search`. A query that has fewer passages than asked for
    has no more to give and keeps what it has.
    """
    available = len(set(parents.values()))

    def search(queries: dict[str, Q], k: int) -> Run:
        documents: Run = {}
        waiting, depth = dict(queries), 2 * k
        while waiting:
            passages = retrieve(waiting, depth)
            documents |= to_parents(passages, parents, k)
            waiting = {
                query_id: query
                for query_id, query in waiting.items()
                if len(documents[query_id]) < min(k, available) and len(passages[query_id]) == depth
            }
            depth *= 2
        return {query_id: documents[query_id] for query_id in queries}

    return search


def _check(name: str, size: int, overlap: int) -> None:
    if not 0 <= overlap < size:
        raise RagkitError(f"chunk.{name}: size {size} words, overlap {overlap}: expected 0 <= overlap < size")


def _cut(corpus: Corpus, spans: Callable[[str], list[Span]], prefix: Mapping[str, str] | None) -> Cut:
    chunks: dict[str, str] = {}
    parents: dict[str, str] = {}
    for doc_id, text in corpus.items():
        title = (prefix or {}).get(doc_id, "")
        for n, (start, end) in enumerate(spans(text)):
            chunk_id, passage = f"{doc_id}#{n}", text[start:end]
            chunks[chunk_id] = passage if passage.startswith(title) else f"{title}\n{passage}"
            parents[chunk_id] = doc_id
    return chunks, parents


def _windows(text: str, span: Span, size: int, overlap: int) -> list[Span]:
    words = [match.span() for match in _WORD.finditer(text, *span)]
    if len(words) <= size:
        return [span]
    step = size - overlap
    # the last window is the first one that reaches the end: no passage that another contains
    starts = range(0, len(words) - size + step, step)
    return [(words[start][0], words[min(start + size, len(words)) - 1][1]) for start in starts]


def _packed(text: str, size: int, overlap: int) -> list[Span]:
    if len(text.split()) <= size:
        return [(0, len(text))]
    pieces = [piece for sentence in _sentences(text) for piece in _windows(text, sentence, size, 0)]
    words = [len(text[start:end].split()) for start, end in pieces]
    spans: list[Span] = []
    first = last = 0  # pieces of the passage in the making: first up to, not including, last
    while last < len(pieces):
        shared = 0
        # back over what is repeated, but never so far that the next piece would not fit
        while first and shared + words[first - 1] <= min(overlap, size - words[last]):
            first -= 1
            shared += words[first]
        while last < len(pieces) and sum(words[first : last + 1]) <= size:
            last += 1
        spans.append((pieces[first][0], pieces[last - 1][1]))
        first = last
    return spans


def _sentences(text: str) -> list[Span]:
    spans: list[Span] = []
    for start, end in _blocks(text):
        if not _ALONE.match(text, start):
            for stop in _STOP.finditer(text, start, end):
                if _ends(text[start : stop.start() + 1], stop[2]):
                    spans.append((start, stop.end()))
                    start = stop.end() + len(stop[1])
        spans.append((start, end))
    return spans


def _blocks(text: str) -> list[Span]:
    """Paragraphs, headings, table rows and list items; a line that goes on with one of them belongs to it."""
    spans: list[Span] = []
    for line in _LINE.finditer(text):
        start, end = line.span()
        new = _ALONE.match(text, start) or _OPENS.match(text, start)
        if new or not spans or _ALONE.match(text, spans[-1][0]) or text.count("\n", spans[-1][1], start) > 1:
            spans.append((start, end))
        else:
            spans[-1] = (spans[-1][0], end)
    return spans


def _ends(sentence: str, following: str) -> bool:
    """Whether the stop at the end of this text, before this letter or digit, ends a sentence."""
    word = re.sub(r"^\W+", "", sentence.split()[-1]).lower()
    if following.islower():
        return False
    listed = word[:-1].isdigit() and word == sentence.lower()
    before_a_number = following.isdigit() and _BEFORE_A_NUMBER.fullmatch(word)
    return not (listed or before_a_number or _ABBREVIATION.fullmatch(word))


def _headings(text: str) -> list[re.Match[str]]:
    """The headings outside of code fences, at their places in the text."""
    return list(_HEADING.finditer(_FENCE.sub(lambda fence: "." * len(fence[0]), text)))


def _sections(text: str) -> list[Span]:
    starts = [0]
    for heading in _headings(text):
        under_the_first_line = text[starts[-1] : heading.start(1)].split("\n")[1:]
        if any(line.strip() and not _HEADING.match(line) for line in under_the_first_line):
            starts.append(heading.start(1))
    ends = [starts[i] + len(text[starts[i] : end].rstrip()) for i, end in enumerate(starts[1:])]
    return list(zip(starts, [*ends, len(text)], strict=True))


def _headings_above(text: str, place: int) -> list[str]:
    """The headings that a place stands under, outermost first, without one that begins there."""
    path: list[tuple[int, str]] = []
    for heading in _headings(text):
        if heading.start(1) > place:
            break
        level = len(heading[1])
        path = [above for above in path if above[0] < level]
        path += [(level, heading[2])] * (heading.start(1) < place)
    return [words for _, words in path]
