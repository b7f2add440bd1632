"""Where questions get lost: each one goes to the first stage of a system that lost it, or to none.

After Barnett et al. 2024 (Seven Failure Points When Engineering a Retrieval Augmented Generation System,
section 5). They collected failure points from three systems in use; here every question of a collection is
given to one of them, from judgments and accepted answers, so that the stages add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection as Container
from collections.abc import Mapping

from ragkit.types import Answers, Collection, RagkitError

RIGHT = "right"
CONTENT = "content"  # no document answers it, and it was answered all the same
RETRIEVAL = ("candidates", "ranking", "context")  # evidence was not found, not in the first k, not passed on
READING = ("not extracted", "wrong format", "wrong specificity", "incomplete", "outdated")
STAGES = (RIGHT, CONTENT, *RETRIEVAL, *READING)
POINTS = {
    CONTENT: "FP1", "candidates": "FP2", "ranking": "FP2", "context": "FP3", "not extracted": "FP4",
    "wrong format": "FP5", "wrong specificity": "FP6", "incomplete": "FP7",
}  # fmt: skip


def holds(doc_ids: Container[str], query_id: str, collection: Collection) -> bool:
    """Whether the evidence of a question is among these documents.

    Evidence is any document of its highest grade; for a question of several parts, all of them (`parts`).
    False for a question without a positive judgment.
    """
    parts = collection.query_info.get(query_id, {}).get("parts")
    if parts:
        return all(doc_id in doc_ids for doc_id in parts)
    return any(doc_id in doc_ids for doc_id in collection.evidence.get(query_id, ()))


def attribute(
    right: Mapping[str, float],
    passed: Mapping[str, Mapping[str, Container[str]]],
    read: Mapping[str, str],
    collection: Collection,
) -> dict[str, str]:
    """query_id -> one of STAGES, for every question of the collection exactly one.

    `right`: query_id -> 1 where it was handled right, whatever the documents were. `passed`: some of
    RETRIEVAL, in the order in which they come -> query_id -> the documents that were left after it; a
    question that one lacks had none. `read`: query_id -> what a reader called an answer: of READING, or
    "wrong". A question whose evidence passed all stages was lost in reading: where `read` has one of
    READING, there, else it is "not extracted". Raises RagkitError for a question that is neither judged
    nor marked unanswerable, one that `right` lacks, and an unknown stage or reading.
    """
    if unknown := [name for name in passed if name not in RETRIEVAL]:
        raise RagkitError(f"failure: stage {unknown[0]!r}: expected some of {', '.join(RETRIEVAL)}")
    if odd := sorted({said for said in read.values() if said not in (RIGHT, *READING, "wrong")}):
        raise RagkitError(
            f"failure: an answer was read as {odd[0]!r}: expected {', '.join(READING)} or wrong"
        )
    if missing := [query_id for query_id in collection.queries if query_id not in right]:
        raise RagkitError(
            f"failure: nothing says whether {len(missing)} questions were handled right, {missing[:3]}: "
            "give every question of the collection a value"
        )
    return {
        q: RIGHT if right[q] > 0 else first_lost(q, passed, read.get(q, ""), collection)
        for q in collection.queries
    }


def first_lost(
    query_id: str, passed: Mapping[str, Mapping[str, Container[str]]], read: str, collection: Collection
) -> str:
    """The first stage that lost a question that was not handled right; arguments as for `attribute`."""
    if collection.query_info.get(query_id, {}).get("answerable") is False:
        return CONTENT
    if not collection.evidence.get(query_id):
        raise RagkitError(
            f"failure: question {query_id!r} of {collection.name!r} has no document judged relevant and is "
            "not marked unanswerable: expected one of the two (qrels, or answerable: false in queries.jsonl)"
        )
    for stage, left in passed.items():
        if not holds(left.get(query_id, ()), query_id, collection):
            return stage
    return read if read in READING else READING[0]


def counts(stages: Mapping[str, str]) -> dict[str, int]:
    """How many questions each stage has, in the order of STAGES, with those that lost none."""
    found = Counter(stages.values())
    return {stage: found[stage] for stage in STAGES}


def perfect(collection: Collection) -> Answers:
    """What an oracle says: the accepted answers, all of them; "" (declined) where there is none."""
    return {query_id: "; ".join(collection.answers.get(query_id, ())) for query_id in collection.queries}


def repaired(given: Answers, oracle: Answers, where: Mapping[str, str], stages: Container[str]) -> Answers:
    """The answers given, and the oracle's instead of them where one of these stages lost the question."""
    return {q: oracle[q] if where[q] in stages else text for q, text in given.items()}
