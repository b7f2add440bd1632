"""What a reader is given: documents in an order, up to a number of tokens, the evidence at a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ragkit.types import Collection, Run, Unavailable, ranking

PLACES = ("start", "middle", "end")


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
