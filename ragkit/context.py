"""What a reader is given: documents in an order, up to a number of tokens, the evidence at a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragkit.types import RagkitError

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
    left = budget - sum(lengths[doc_id] for doc_id in inside)
    if left < 0:
        raise RagkitError(
            f"context.haystack: the evidence has {budget - left:.0f} tokens: expected at most the budget of "
            f"{budget:.0f}; take a larger one"
        )
    hay = []
    for doc_id in others:
        if doc_id not in inside and lengths[doc_id] <= left:
            hay.append(doc_id)
            left -= lengths[doc_id]
    half, before, middle = sum(lengths[doc_id] for doc_id in hay) / 2, 0.0, 0
    while middle < len(hay) and before + lengths[hay[middle]] / 2 <= half:
        before += lengths[hay[middle]]
        middle += 1
    parts = [
        evidence.get("start", ()),
        hay[:middle],
        evidence.get("middle", ()),
        hay[middle:],
        evidence.get("end", ()),
    ]
    return list(dict.fromkeys(doc_id for part in parts for doc_id in part))
