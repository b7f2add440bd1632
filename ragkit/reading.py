"""What a reader is given of a ranking, and whether an answer stands in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ragkit.types import Answers, Collection, RagkitError, Run, ranking

if TYPE_CHECKING:
    from pandas import DataFrame

HELD = "answer in context"
_WORD = re.compile(r"\S+")
_DASHES = re.compile("[\u2010-\u2015\u2212]")  # hyphens, en and em dashes, minus: all are "-" to a reader


def first_words(run: Run, texts: Mapping[str, str], words: int) -> Answers:
    """The texts of each query in the order of the run, cut off after `words` words in all: a budget.

    `texts` are passages or documents, as the run names them; each keeps its own spacing, and an empty
    line parts it from the next. Raises RagkitError for a budget of no word, KeyError for an unknown text.
    """
    if words < 1:
        raise RagkitError(f"reading.first_words: {words} words: expected at least 1")
    given: Answers = {}
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


def holds_answer(given: Answers, collection: Collection) -> DataFrame:
    """Whether the text of a query holds its accepted answer word for word: query_id, measure, value (0 or 1).

    One of the accepted answers suffices; with `all_of` in its query_info, every one is needed. As whole
    words; case, white space, kinds of dash and Markdown's asterisks aside. A row for each query that has
    accepted answers, also where nothing was given. For `evaluate.compare_answers`.
    """
    import pandas as pd

    rows = []
    for query_id in (q for q in collection.queries if collection.answers.get(q)):
        text = _plain(given.get(query_id, ""))
        found = [_stands(_plain(answer), text) for answer in collection.answers[query_id]]
        needs_all = collection.query_info.get(query_id, {}).get("all_of")
        rows.append((query_id, HELD, float(all(found) if needs_all else any(found))))
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def _plain(text: str) -> str:
    return " ".join(_DASHES.sub("-", text.lower()).replace("*", "").split())


def _stands(answer: str, text: str) -> bool:
    return bool(answer) and re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text) is not None
