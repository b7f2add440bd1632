"""What a reader is given: documents in an order, up to a number of tokens, the evidence at a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragkit.types import Collection, RagkitError, Run, Unavailable, ranking

PLACES = ("start", "middle", "end")


def haystack(
    evidence: Mapping[str, Sequence[str]],
    others: Sequence[str],
    lengths: Mapping[str, float],
    budget: float,
) -> list[str]:
    """doc_ids of a context: the evidence at its places ("start", "middle", "end"), others around it.

    Others are taken in their order, best first, as long as one fits into what is left of the budget, and
    keep that order; evidence is always in. `lengths`: doc_id -> tokens, like `budget`. The middle is where
    half of the others' tokens stand before it. After Liu et al. 2024 (Lost in the Middle, section 2.2), where
    the others are passages that retrieval found and that hold no answer. Raises RagkitError for another
    place, or evidence that is larger than the budget.
    """
    if unknown := [place for place in evidence if place not in PLACES]:
        raise RagkitError(f"context.haystack: place {unknown[0]!r}: expected one of {', '.join(PLACES)}")
    inside = {doc_id for part in evidence.values() for doc_id in part}
    hay = _filled([doc_id for doc_id in others if doc_id not in inside], inside, lengths, budget)
    tokens = [lengths[doc_id] for doc_id in hay]
    centres = [sum(tokens[:n]) + tokens[n] / 2 for n in range(len(hay))]
    half = sum(centre <= sum(tokens) / 2 for centre in centres)
    start, middle, end = (evidence.get(place, ()) for place in PLACES)
    return list(dict.fromkeys([*start, *hay[:half], *middle, *hay[half:], *end]))


def _filled(
    others: Sequence[str], inside: set[str], lengths: Mapping[str, float], budget: float
) -> list[str]:
    """The others that fit beside what is inside."""
    left = budget - sum(lengths[doc_id] for doc_id in inside)
    if left < 0:
        raise RagkitError(
            f"context.haystack: the evidence has {budget - left:.0f} tokens: expected at most the budget of "
            f"{budget:.0f}; take a larger one"
        )
    hay = []
    for doc_id in others:
        if lengths[doc_id] <= left:
            hay.append(doc_id)
            left -= lengths[doc_id]
    return hay


def first(run: Run, lengths: Mapping[str, float], budget: float) -> dict[str, list[str]]:
    """The best documents of each question, whole, until the next one is longer than what is left."""
    filled = {}
    for query_id, scores in run.items():
        filled[query_id], left = list[str](), budget
        for doc_id in ranking(scores):
            left -= lengths[doc_id]
            if left < 0:
                break
            filled[query_id].append(doc_id)
    return filled


def repeated(collection: Collection, names: Sequence[str]) -> Collection:
    """The collection with each question asked once under every name, as "query_id@name".

    The copies of a question are one cluster (`variant_of`), so that a comparison does not take them for
    more questions than there are.
    """
    return collection.again({f"{q}@{name}": q for q in collection.queries for name in names})


def at_places(contexts: Mapping[str, Run], name: str) -> Run:
    """The contexts of that name for the questions of `repeated(collection, PLACES)`.

    "<name> start" holds those with the evidence at the start, and so on; a question that was asked of one
    place alone, or of a context without places ("<name>"), has it three times. Raises Unavailable where
    nothing of that name was recorded.
    """
    own = {place: contexts.get(f"{name} {place}", {}) for place in PLACES}
    anywhere = {**contexts.get(name, {}), **own["end"], **own["middle"], **own["start"]}
    if not anywhere:
        raise Unavailable(
            f"needs answers that were recorded with the context {name!r} (there are: "
            f"{', '.join(sorted(contexts)) or 'none'}): expected in readings.jsonl; larkfield has them, for "
            "its test questions"
        )
    return {f"{q}@{place}": own[place].get(q, known) for q, known in anywhere.items() for place in PLACES}
