"""What a reader is given of a ranking, and whether an answer stands in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ragkit.types import RagkitError, Run, ranking

_WORD = re.compile(r"\S+")
_DASHES = re.compile("[\u2010-\u2015\u2212]")  # hyphens, en and em dashes, minus: all are "-" to a reader


def first_words(run: Run, texts: Mapping[str, str], words: int) -> dict[str, str]:
    """The texts of each query in the order of the run, cut off after `words` words in all: a budget.

    `texts` are passages or documents, as the run names them; each keeps its own spacing, and an empty
    line parts it from the next. Raises RagkitError for a budget of no word, KeyError for an unknown text.
    """
    if words < 1:
        raise RagkitError(f"reading.first_words: {words} words: expected at least 1")
    given: dict[str, str] = {}
    for query_id, scores in run.items():
        pages: list[str] = []
        left = words
        for name in ranking(scores):
            spans = [match.span() for match in _WORD.finditer(texts[name])][:left]
            if spans:
                pages.append(texts[name][spans[0][0] : spans[-1][1]])
                left -= len(spans)
            if not left:
                break
        given[query_id] = "\n\n".join(pages)
    return given


def holds_answer(given: Mapping[str, str], answers: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """1.0 where the text of a query holds one of its accepted answers, word for word, else 0.0; by query_id.

    As whole words; case, white space, kinds of dash and Markdown's asterisks aside. A query that was given
    nothing holds nothing. Exact in what it finds, blind to an answer in other words.
    """
    plain = {query_id: _plain(text) for query_id, text in given.items()}
    return {
        query_id: float(any(_stands(_plain(answer), plain.get(query_id, "")) for answer in accepted))
        for query_id, accepted in answers.items()
    }


def _plain(text: str) -> str:
    return " ".join(_DASHES.sub("-", text.lower()).replace("*", "").split())


def _stands(answer: str, text: str) -> bool:
    return bool(answer) and re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text) is not None
