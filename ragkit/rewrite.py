"""The question in other words: rewordings, invented passages, broader and smaller questions."""

from __future__ import annotations

import re

from ragkit.types import LLM, Queries

MULTI_QUERY = """{context}
Someone searches these documents with the question below. Write {n} other ways to ask it that could find documents the first wording misses: change the vocabulary and the angle, keep the meaning. One per line, nothing else.
Question: {query}"""  # noqa: E501  (word for word what the recordings answer)
HYDE = """{context}
Write the passage of 60 to 100 words, in the style of such a document, that would answer the question. Invent plausible details where you do not know them. Nothing but the passage.
Question: {query}"""  # noqa: E501
STEP_BACK = """{context}
Write one broader question whose answer gives the background needed to answer the question below. Nothing but that question.
Question: {query}"""  # noqa: E501
DECOMPOSE = """{context}
Split the question into the simpler questions, at most four, that have to be answered one after the other to answer it. One per line, nothing else. If it is already simple, repeat it unchanged.
Question: {query}"""  # noqa: E501
VARIATIONS = 4  # wordings that are always asked for, and paid for


def hyde(queries: Queries, llm: LLM, context: str) -> Queries:
    """An invented passage for each question, to be encoded in its place or beside it.

    Gao et al. 2022 (Precise Zero-Shot Dense Retrieval without Relevance Labels, section 3.2), with one
    passage a question where they sample several.
    """
    prompts = [HYDE.format(context=context, query=text) for text in queries.values()]
    return dict(zip(queries, (answer.strip() for answer in llm(prompts)), strict=True))


def query2doc(queries: Queries, passages: Queries, repeat: int = 5) -> Queries:
    """The question `repeat` times and then its invented passage, for BM25.

    Wang, Yang and Wei 2023 (Query2doc, section 2, equation 1; repeat = 5 is theirs).
    """
    return {query_id: f"{f'{text} ' * repeat}{passages[query_id]}" for query_id, text in queries.items()}


def shared_words(passages: Queries, queries: Queries) -> Queries:
    """Of each passage only the words that its question has too: what is left once no vocabulary is added."""
    kept = {}
    for query_id, passage in passages.items():
        known = set(_words(queries[query_id]))
        kept[query_id] = " ".join(word for word in _words(passage) if word in known)
    return kept


def multi_query(queries: Queries, llm: LLM, context: str, n: int = VARIATIONS) -> list[Queries]:
    """`n` other wordings of each question (1 to 4), as n sets of queries; four are always asked for.

    The generation step of RAG-Fusion (Rackauckas 2024, section 2). A question whose answer has fewer
    lines stands again in its own words.
    """
    prompts = [MULTI_QUERY.format(context=context, query=text, n=VARIATIONS) for text in queries.values()]
    answers = dict(zip(queries, map(_lines, llm(prompts)), strict=True))
    return [{q: (answers[q][i : i + 1] or [queries[q]])[0] for q in queries} for i in range(n)]


def step_back(queries: Queries, llm: LLM, context: str) -> Queries:
    """A broader question behind each question (Zheng et al. 2023, Take a Step Back, section 2)."""
    prompts = [STEP_BACK.format(context=context, query=text) for text in queries.values()]
    return dict(zip(queries, (answer.strip() for answer in llm(prompts)), strict=True))


def decompose(queries: Queries, llm: LLM, context: str) -> dict[str, list[str]]:
    """The simpler questions, one to four, that each question consists of; itself where it is simple.

    Least-to-most prompting (Zhou et al. 2022, section 2), its first stage, with no example shown.
    """
    prompts = [DECOMPOSE.format(context=context, query=text) for text in queries.values()]
    answers = zip(queries.items(), llm(prompts), strict=True)
    return {query_id: _lines(answer)[:4] or [text] for (query_id, text), answer in answers}


def _lines(answer: str) -> list[str]:
    """The lines of an answer, without the numbers or bullets that some models put in front."""
    bare = (re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", line).strip() for line in answer.splitlines())
    return [line for line in bare if line]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
