"""Who may read what: filters before and after retrieval, and what gets through them all the same.

A document's `audience` is "all" or the one group that may read it; a person is a set of groups.
Every filter closes: a document without an audience is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Collection as Some
from dataclasses import replace
from typing import Any, TypeVar

from ragkit.types import Collection, Queries, RagkitError, Run, Unavailable, best, ranking

EVERYBODY = "all"
NO_GROUP = "no group"
Q = TypeVar("Q")  # a query: its text, its vector, its terms
Documents = Mapping[str, Mapping[str, Any]]  # doc_id -> title, audience, ...


def groups(documents: Documents) -> list[str]:
    """The groups that some document is for, in alphabetical order. Raises Unavailable where there is none."""
    found = sorted(
        {str(info["audience"]) for info in documents.values() if info.get("audience")} - {EVERYBODY}
    )
    if not found:
        raise Unavailable(
            f'needs documents whose "audience" names one group: none of {len(documents)} has; take a '
            "collection that has them (larkfield)"
        )
    return found


def allowed(documents: Documents, person: Some[str]) -> set[str]:
    """The doc_ids that a person in these groups may read: for all, or for a group of the person's.

    Raises RagkitError where a text stands for the groups, which would be read as its letters.
    """
    if isinstance(person, str):
        raise RagkitError(
            f"access.allowed: the groups {person!r}: expected several, such as [{person!r}], or none, []"
        )
    open_to = {EVERYBODY, *filter(None, person)}  # "" is no group: documents without an audience stay shut
    audiences = {doc_id: info.get("audience") for doc_id, info in documents.items()}
    return {doc_id for doc_id, name in audiences.items() if isinstance(name, str) and name in open_to}


def only(run: Run, readable: Some[str], k: int | None = None) -> Run:
    """The filter after retrieval: what may be read of each ranking, cut to k if more than that is left."""
    return {q: best({d: s for d, s in scores.items() if d in readable}, k) for q, scores in run.items()}


def masked(
    retrieve: Callable[[dict[str, Q], int], Run], readable: Some[str], total: int
) -> Callable[[dict[str, Q], int], Run]:
    """The filter before retrieval, on an index of `total` documents that holds all: only `readable` come out.

    It asks so deep that k readable ones must be among what comes, however many others stand above them, and
    hands on nothing else: the ranking of the readable ones alone, to the last place. Their scores are those
    of the shared index. `retrieve` may search by texts, vectors or terms.
    """

    def search(queries: dict[str, Q], k: int) -> Run:
        deep = min(k + total - len(readable), total)
        return only(retrieve(queries, max(deep, 1)), readable, k)

    return search


def links(pairs: Iterable[tuple[str, str]], readable: Some[str]) -> list[tuple[str, str]]:
    """The pairs whose documents may both be read: all that a search may follow to other documents."""
    return [pair for pair in pairs if all(doc_id in readable for doc_id in pair)]


def leaks(run: Run, readable: Some[str], k: int = 10) -> dict[str, list[str]]:
    """The documents in the first k of each query that may not be read, best first; no entry for none."""
    found = {q: [d for d in ranking(scores, k) if d not in readable] for q, scores in run.items()}
    return {query_id: doc_ids for query_id, doc_ids in found.items() if doc_ids}


def persons(collection: Collection, people: Mapping[str, Some[str]]) -> Collection:
    """Each question asked by each person (`people`: name -> groups), under "name/query_id".

    Judged are only documents that the person may read, so that a question is answerable to whom it is. The
    name takes the place of the type of question, for results by person; the persons who ask the same are
    one cluster. Raises RagkitError for a name with "/", at which `by_person` cuts.
    """
    if odd := [name for name in people if "/" in name]:
        raise RagkitError(
            f"access.persons: the name {odd[0]!r}: expected one without /: give this person another name"
        )
    readable = {name: allowed(collection.documents, of) for name, of in people.items()}
    asked = {f"{name}/{q}": name for name in people for q in collection.queries}
    copies = collection.again({a: a.removeprefix(f"{name}/") for a, name in asked.items()})
    return replace(
        copies,
        qrels={
            a: {d: grade for d, grade in judged.items() if d in readable[asked[a]]}
            for a, judged in copies.qrels.items()
        },
        query_info={
            a: {field: value for field, value in info.items() if field != "parts"} | {"type": asked[a]}
            for a, info in copies.query_info.items()
        },
    )


def by_person(queries: Queries, ask: Callable[[str, Queries], Run]) -> Run:
    """`ask(name, queries)` for each person's own questions, as `persons` names them, in one run."""
    own: dict[str, Queries] = {}
    for asked, text in queries.items():
        name, _, query_id = asked.partition("/")
        own.setdefault(name, {})[query_id] = text
    runs = {name: ask(name, of_person) for name, of_person in own.items()}
    return {asked: runs[asked.partition("/")[0]][asked.partition("/")[2]] for asked in queries}


def unspoken(terms: Mapping[str, Some[str]], readable: Some[str]) -> set[str]:
    """The terms that no document says which may be read, only others; `terms`: doc_id -> its terms."""
    heard = {term for doc_id, own in terms.items() if doc_id in readable for term in own}
    return {term for own in terms.values() for term in own} - heard
