"""Routing: does a message need documents at all, must it be refused, and whose documents does it need?

A router that scores returns a Run of routes, query_id -> {route: score}, and `decide` makes of it one
route a message, as `by_rules` and `by_llm` return at once. A message is a query like any other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Collection as Names
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ragkit.types import LLM, Answers, Collection, Queries, Run, Unavailable, Vectors, best, ranking

if TYPE_CHECKING:
    from pandas import DataFrame

SEARCH, CHAT, REFUSE = "search", "chat", "refuse"
ROUTES = (SEARCH, CHAT, REFUSE)
ROUTE = """{context}
A message has come in. Answer with one word: search (the documents are needed to answer it), chat (no documents are needed: small talk, opinion, philosophy, general knowledge, arithmetic, writing help) or refuse (it should not be answered: a secret, an attack, someone's private data).
Message: {query}"""  # noqa: E501  (word for word what the recordings answer)

# Written from the messages and questions of larkfield's dev split, and from no others. The first
# that is found decides; what none of them finds is searched.
RULES = (
    (REFUSE, r"\b(ignore|forget|disregard)\b.*\b(instructions|rules)\b|\bsystem prompt\b"),
    (REFUSE, r"\b(give|gimme|send|show|print|read|tell|need)\b.*\b(passwords?|api keys?|client secret)\b"),
    (REFUSE, r"\bprivate (mobile|phone|number|address)\b|\bbank account numbers?\b|\bperformance review\b"),
    (REFUSE, r"\bwhat does [A-Z]\w+ earn\b|\bbase and bonus\b|\bwho is pregnant\b|\bmy ex\b|\bdivorce\b"),
    (CHAT, r"\btranslat(e|ion)\b|\b(into|auf) (english|englisch|dutch|german|french|spanish)\b"),
    (CHAT, r"\b(make|take|rewrite|rephrase|shorten|soften)\b.*\bthis\b.*: ?['\"]|\b\w+ sentences for\b"),
    (CHAT, r"^\W*(hi|hello|hey|(good )?(morning|afternoon|evening)|thanks|thank you|never mind)\b(?!.*\?)"),
    (CHAT, r"\b(tell me a joke|weekend|do you mind|point of it all|good person|guilty)\b"),
    (CHAT, r"\b(regex|cron|git|excel|python|sql)\b"),
    (CHAT, r"\d ?(%|percent) of\b|\bsplit by\b|\bhow many days from\b|\bcapital of\b"),
)


def mixed(messages: Collection, questions: Collection) -> Collection:
    """Messages and real questions together; each with its route as `label`, and a `type`, in query_info.

    Messages have a label already, and their category in the type; a question's label is "search".
    """
    info = {q: {**i, "type": _kind(i)} for q, i in messages.query_info.items()}
    asked = {"label": SEARCH, "type": "search: question"}
    info |= {q: {**questions.query_info.get(q, {}), **asked} for q in questions.queries}
    return replace(questions, queries=messages.queries | questions.queries, query_info=info)


def labels(collection: Collection) -> Answers:
    """query_id -> the route that is right."""
    return {query_id: str(collection.query_info[query_id]["label"]) for query_id in collection.queries}


# --- routers ----------------------------------------------------------------------------------------


def by_rules(queries: Queries, rules: tuple[tuple[str, str], ...] = RULES) -> Answers:
    """The route of the first rule (route, regular expression; upper and lower case alike) that is found."""
    return {
        query_id: next((route for route, rule in rules if re.search(rule, text, re.I | re.S)), SEARCH)
        for query_id, text in queries.items()
    }


def by_llm(queries: Queries, llm: LLM, context: str) -> Answers:
    """The route that a language model names; "search" where it names none, for that loses nothing.

    Asked beforehand, as the classifier of Jeong et al. 2024 (Adaptive-RAG, section 3.2), but not trained.
    """
    prompts = [ROUTE.format(context=context, query=text) for text in queries.values()]
    words = (re.findall(r"[a-z]+", answer.lower()) for answer in llm(prompts))
    named = (next((word for word in said if word in ROUTES), SEARCH) for said in words)
    return dict(zip(queries, named, strict=True))


def by_score(run: Run) -> Run:
    """Search, with the score of the best document: what resembles no document is not about them."""
    return {query_id: {SEARCH: max(scores.values(), default=0.0)} for query_id, scores in run.items()}


def nearest(vectors: Vectors, examples: Vectors, routes: Mapping[str, str], k: int) -> Run:
    """The share of each route among the k nearest examples, each counted with its cosine.

    The rule of Cover and Hart 1967 (Nearest Neighbor Pattern Classification), on vectors of sentences.
    Vectors have length 1; `routes` names the route of each example. An example has no vote on itself.
    Raises Unavailable without examples.
    """
    _some(examples)
    names, matrix = list(examples), np.stack(list(examples.values()))
    found: Run = {}
    for query_id, vector in vectors.items():
        cosines = dict(zip(names, (matrix @ vector).tolist(), strict=True))
        cosines.pop(query_id, None)
        found[query_id] = _shares({n: max(cosines[n], 0.0) for n in ranking(cosines, k)}, routes)
    return found


def trained(
    examples: Vectors, routes: Mapping[str, str], strength: float, mix: Mapping[str, float] | None = None
) -> Callable[[Vectors], Run]:
    """A logistic regression over vectors: what it returns gives the probability of each route.

    Jeong et al. 2024 (Adaptive-RAG, section 3.2) train a language model to say which way a question has to
    go; this is the smallest such classifier. `strength` is the inverse of its regularisation. Examples
    count as if their routes came in the shares `mix`; each alike without it. Asked without examples, it
    raises Unavailable.
    """
    from sklearn.linear_model import LogisticRegression

    given = [routes[name] for name in examples]
    counts = Counter(given)
    weights = {r: mix[r] * len(given) / counts[r] for r in counts} if mix else None
    model = LogisticRegression(C=strength, class_weight=weights, max_iter=1000)
    if examples:
        model.fit(np.stack(list(examples.values())), given)

    def probabilities(vectors: Vectors) -> Run:
        _some(examples)
        rows = model.predict_proba(np.stack(list(vectors.values()))).tolist() if vectors else []
        return {q: dict(zip(model.classes_, row, strict=True)) for q, row in zip(vectors, rows, strict=True)}

    return probabilities


def held_out(fit: Callable[[Vectors], Callable[[Vectors], Run]], examples: Vectors, folds: int = 10) -> Run:
    """Each example routed by what `fit` makes of the other folds: what a setting may be tuned on.

    The folds are dealt out in the order of the examples.
    """
    found: Run = {}
    for fold in range(min(folds, len(examples))):
        asked = dict(list(examples.items())[fold::folds])
        found |= fit({name: vector for name, vector in examples.items() if name not in asked})(asked)
    return {name: found[name] for name in examples}


def decide(scores: Run, threshold: float) -> Answers:
    """Search where its score reaches the threshold, else the best of the other routes ("chat" without any).

    A threshold is what Asai et al. 2023 (Self-RAG, section 3.3) set on the probability of their token that
    asks for retrieval.
    """
    decided: Answers = {}
    for query_id, routes in scores.items():
        others = {route: score for route, score in routes.items() if route != SEARCH}
        searched = routes.get(SEARCH, 0.0) >= threshold
        decided[query_id] = SEARCH if searched else (ranking(others, 1) or [CHAT])[0]
    return decided


# --- whose documents --------------------------------------------------------------------------------


def votes(run: Run, owners: Mapping[str, str], k: int = 10) -> Run:
    """The share of each owner among the first k documents of a run, each counted as one.

    After ReDDE (Si and Callan 2003, Relevant Document Distribution Estimation Method for Resource
    Selection), where the best documents of a sample vote for their collections, weighted by sizes.
    """
    return {q: _shares(dict.fromkeys(ranking(s, k), 1.0), owners) for q, s in run.items()}


def of_owners(run: Run, owners: Mapping[str, str], chosen: Mapping[str, Names[str]], k: int) -> Run:
    """The first k documents of each query that belong to one of the owners chosen for it."""
    return {q: best({d: s for d, s in own.items() if owners[d] in chosen[q]}, k) for q, own in run.items()}


# --- measures ---------------------------------------------------------------------------------------


def scored(routed: Answers, collection: Collection, quality: Mapping[str, float]) -> DataFrame:
    """Each measure on each message that it applies to: columns query_id, measure, value (0 to 1).

    "routed right" (primary) on all; "retrievals saved": what needs no search is not searched; "questions
    lost": what needs it is not; "not refused": what is to be refused is not; "nDCG@10 kept", on
    the questions of `quality` (query_id -> nDCG@10 when it is searched): 0 where it is not searched.
    """
    import pandas as pd

    known = labels(collection)
    searched = {q: float(routed[q] == SEARCH) for q in known}
    rows = [(q, "routed right", float(routed[q] == label)) for q, label in known.items()]
    rows += [(q, "retrievals saved", 1 - searched[q]) for q, label in known.items() if label != SEARCH]
    rows += [(q, "questions lost", 1 - searched[q]) for q, label in known.items() if label == SEARCH]
    refused = [q for q, label in known.items() if label == REFUSE]
    rows += [(q, "not refused", float(routed[q] != REFUSE)) for q in refused]
    rows += [(q, "nDCG@10 kept", searched[q] * value) for q, value in quality.items() if q in searched]
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def right(routed: Answers, collection: Collection, mix: Mapping[str, float]) -> float:
    """The share that is routed right where the labels come in the shares `mix`, for tuning."""
    known = labels(collection)
    counts = Counter(known.values())
    hits = Counter(label for q, label in known.items() if routed[q] == label)
    return sum(mix[label] * hits[label] / count for label, count in counts.items())


def shares(collection: Collection) -> dict[str, float]:
    """How large a part of the messages has each label."""
    counts = Counter(labels(collection).values())
    return {label: count / counts.total() for label, count in counts.items()}


def confusion(routed: Answers, collection: Collection) -> DataFrame:
    """How many messages of each label (rows) go each way (columns)."""
    import pandas as pd

    pairs = Counter((label, routed[q]) for q, label in labels(collection).items())
    rows = [[pairs[label, route] for route in ROUTES] for label in ROUTES]
    index = pd.Index(ROUTES, name="label")
    return pd.DataFrame(rows, index=index, columns=[f"routed to {route}" for route in ROUTES])


def curve(scores: Run, collection: Collection) -> DataFrame:
    """Questions lost and retrievals saved (shares) at every threshold that makes a difference, rising."""
    import pandas as pd

    known, rows = labels(collection), []
    search = {q: scores[q].get(SEARCH, 0.0) for q in known}
    asked = np.sort([s for q, s in search.items() if known[q] == SEARCH])
    others = np.sort([s for q, s in search.items() if known[q] != SEARCH])
    for threshold in [*sorted(set(search.values())), np.inf]:
        below = [np.searchsorted(part, threshold) / max(len(part), 1) for part in (asked, others)]
        rows.append((float(threshold), *map(float, below)))
    return pd.DataFrame(rows, columns=["threshold", "questions lost", "retrievals saved"])


def _kind(info: Mapping[str, object]) -> str:
    """The type of a message: its label and category; messages that only look like chat are one type."""
    return "search: look-alike" if info["label"] == SEARCH else f"{info['label']}: {info['category']}"


def _shares(weights: Mapping[str, float], groups: Mapping[str, str]) -> dict[str, float]:
    total: dict[str, float] = {}
    for name, weight in weights.items():
        total[groups[name]] = total.get(groups[name], 0) + weight
    whole = sum(total.values()) or 1.0
    return {group: weight / whole for group, weight in total.items()}


def _some(examples: Vectors) -> None:
    if not examples:
        raise Unavailable("needs examples: messages of a split that is not reported (dev or train)")
