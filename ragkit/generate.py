"""Readers: what answers a question from the documents that retrieval found, or without any."""

from __future__ import annotations

from collections.abc import Mapping

from ragkit.types import LLM, Answers, Corpus, Queries, Run, Unavailable, ranking

CLOSED_BOOK = """{context}
Answer the question in at most 25 words, from what you know. If you do not know, answer exactly: I don't know.
Question: {query}"""  # word for word what the recordings answer
ANSWER = """Answer the question in as few words as you can, from the documents below and from nothing else. After each statement cite the document that it comes from by its id, in square brackets, as it stands before the document. If the documents do not hold the answer, say exactly: I don't know.

{documents}

Question: {query}"""  # noqa: E501
DECLINED = "I don't know."


def closed_book(queries: Queries, llm: LLM, context: str) -> Answers:
    """What a language model says without any document; `context` is one line about the collection."""
    prompts = [CLOSED_BOOK.format(context=context, query=text) for text in queries.values()]
    return dict(zip(queries, (answer.strip() for answer in llm(prompts)), strict=True))


def answer(queries: Queries, run: Run, corpus: Corpus, llm: LLM, k: int) -> Answers:
    """What a language model says with the first k documents before it; it is to cite them as [doc_id].

    Retrieve-then-read (Lewis et al. 2020, Retrieval-Augmented Generation, section 2) with the documents in
    the prompt, as Ram et al. 2023 (In-Context Retrieval-Augmented Language Models, section 3). What the
    model raises comes through: Unavailable for a prompt that nobody recorded, or without a key.
    """
    prompts = []
    for query_id, text in queries.items():
        found = ranking(run.get(query_id, {}), k)
        documents = "\n\n".join(f"[{doc_id}]\n{corpus[doc_id]}" for doc_id in found)
        prompts.append(ANSWER.format(documents=documents, query=text))
    return dict(zip(queries, (said.strip() for said in llm(prompts)), strict=True))


def best_sentence(
    scored: Run, sentences: Mapping[str, str], parents: Mapping[str, str], threshold: float = 0.0
) -> Answers:
    """The best sentence of each question, word for word, and its document as [doc_id]; a reader, no model.

    `scored`: query_id -> {sentence_id: score}. Declines with "I don't know." where no sentence reaches
    `threshold`. This is answer sentence selection (Yu et al. 2014, Deep Learning for Answer Sentence
    Selection), with a score that is given instead of trained.
    """
    answers: Answers = {}
    for query_id, scores in scored.items():
        best = next(iter(ranking(scores, 1)), None)
        known = best is not None and scores[best] >= threshold
        answers[query_id] = f"{sentences[best]} [{parents[best]}]" if best and known else DECLINED
    return answers


def missing(what: str) -> LLM:
    """Stands where a language model would: whoever asks it gets Unavailable("needs <what>")."""

    def ask(prompts: list[str]) -> list[str]:
        raise Unavailable(f"needs {what}")

    return ask
