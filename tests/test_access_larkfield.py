"""Every restricted document of larkfield, sought by its own title by people who may not read it, everywhere.

The same search without the filter finds it, so that this test can fail.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest

from ragkit import (
    access,
    answers,
    chunk,
    compress,
    diversify,
    feedback,
    freshness,
    fuse,
    generate,
    models,
    rerank,
    retrieve,
    reuse,
    rewrite,
    spelling,
)
from ragkit.types import LLM, Queries, Run, Scorer, System, Vectors
from tests.larkfield import larkfield
from tests.toy import BagOfLetters

K = 10
View = Callable[[Callable[[dict[str, Any], int], Run], int], Callable[[dict[str, Any], int], Run]]


@cache
def restricted() -> dict[str, str]:
    """doc_id -> the only group that may read it."""
    return {d: i["audience"] for d, i in larkfield().documents.items() if i["audience"] != "all"}


@cache
def outsiders() -> dict[str, list[str]]:
    """People: in no group; and for each group one who is in all the others."""
    names = access.groups(larkfield().documents)
    return {"nobody": []} | {f"not {name}": [other for other in names if other != name] for name in names}


@cache
def readable_by(person: str) -> set[str]:
    return access.allowed(larkfield().documents, outsiders()[person])


@cache
def titles(person: str) -> Queries:
    """query_id, which is the doc_id sought -> its title, of what a person may not read."""
    held, readable = larkfield().titles, readable_by(person)
    return {doc_id: held[doc_id] for doc_id in restricted() if doc_id not in readable}


@cache
def bm25() -> retrieve.BM25:
    return retrieve.BM25(larkfield().corpus)


@cache
def rank_bm25() -> retrieve.RankBM25:
    return retrieve.RankBM25(larkfield().corpus)


@cache
def cut() -> chunk.Cut:
    return chunk.by_words(larkfield().corpus, 120, 30, larkfield().titles)


@cache
def passages() -> tuple[retrieve.Dense, dict[str, str]]:
    texts, parents = cut()
    return retrieve.Dense(texts, models.encoder()), parents


@cache
def encoded(text: str) -> Any:
    return passages()[0].encode({"": text})[""]


def encode(queries: Queries) -> Vectors:
    """The titles are asked again and again: each is encoded once."""
    return {query_id: encoded(text) for query_id, text in queries.items()}


@cache
def parts_and_scorer() -> tuple[Mapping[str, list[str]], Scorer]:
    return rerank.by_document(*cut()), rerank.remembered(models.maxsim())


@cache
def vectors() -> Vectors:
    index, parents = passages()
    return diversify.document_vectors(index.doc_ids, index.vectors, parents)


@cache
def near_copies() -> diversify.Groups:
    return diversify.near_copies(vectors(), 0.8)


def analyzed(texts: Mapping[str, str]) -> dict[str, list[str]]:
    return dict(zip(texts, retrieve.analyze(list(texts.values())), strict=True))


@cache
def term_counts() -> dict[str, Counter[str]]:
    return feedback.feedback_terms(analyzed(larkfield().corpus))


def echoing(said: Callable[[str], str]) -> LLM:
    """A model that answers with what it makes of the question, the last line of a prompt."""
    return lambda prompts: [said(prompt.rpartition("Question: ")[2]) for prompt in prompts]


@cache
def beginnings() -> dict[str, str]:
    """Title -> how that document begins: the worst that a model could invent is the restricted document."""
    corpus = larkfield().corpus
    return {title: " ".join(corpus[doc_id].split()[:40]) for doc_id, title in larkfield().titles.items()}


@cache
def speller() -> spelling.Speller:
    return spelling.Speller(larkfield().corpus)


def systems(view: View, readable: set[str]) -> dict[str, System]:
    """Whatever finds documents in this project, over retrievers that `view` has filtered, or not."""
    links = [(d, i["supersedes"]) for d, i in larkfield().documents.items() if i.get("supersedes")]
    versions = diversify.linked(access.links(links, readable))
    dates = {d: i["date"] for d, i in larkfield().documents.items()}
    index, parents = passages()
    total = len(larkfield().corpus)
    words, terms = view(bm25(), total), view(bm25().search_terms, total)
    by_vector = view(chunk.parent_retriever(index.search, parents), total)
    by_letter = view(rank_bm25(), total)
    parts, scorer = parts_and_scorer()
    rewording = echoing(lambda title: f"{title}\n{title.lower()}\nthe paper {title}\nwhere is {title}")
    inventing = echoing(beginnings().__getitem__)

    def dense(queries: Queries, k: int) -> Run:
        return by_vector(encode(queries), k)

    def hybrid(queries: Queries) -> Run:
        return fuse.minmax([words(queries, 50), dense(queries, 50)], [0.5, 0.5])

    def rm3(queries: Queries) -> Run:
        expansion = feedback.rm1(words(queries, 10), term_counts(), 10, 20)
        return terms(feedback.rm3(analyzed(queries), expansion, 0.5), K)

    def rocchio(queries: Queries) -> Run:
        asked = encode(queries)
        return by_vector(feedback.rocchio(asked, by_vector(asked, 5), vectors(), 5, 0.4), K)

    def hyde(queries: Queries) -> Run:
        invented = rewrite.hyde(queries, inventing, "")
        return by_vector(retrieve.mean([encode(queries), encode(invented)]), K)

    def newest(queries: Queries) -> Run:
        return freshness.newest(hybrid(queries), versions, dates, dict.fromkeys(queries, "2026-06-30"))

    def prior(queries: Queries) -> Run:
        today = dict.fromkeys(queries, "2026-06-30")
        return freshness.prior(hybrid(queries), dates, today, 0.2, 365)

    def smaller(queries: Queries) -> Run:
        split = rewrite.decompose(queries, rewording, "")
        return fuse.rrf([hybrid({q: split[q][n % len(split[q])] for q in queries}) for n in range(2)])

    return {
        "bm25": lambda q: words(q, K),
        "rank-bm25": lambda q: by_letter(q, K),
        "dense": lambda q: dense(q, K),
        "hybrid": hybrid,
        "rrf": lambda q: fuse.rrf([words(q, 50), dense(q, 50)]),
        "union": lambda q: fuse.union([words(q, 50), dense(q, 50)]),
        "rm3": rm3,
        "rocchio": rocchio,
        "maxsim": lambda q: rerank.max_passage(q, hybrid(q), parts, scorer, 20),
        "mmr": lambda q: diversify.mmr(hybrid(q), vectors(), K, 0.5),
        "collapse": lambda q: diversify.collapse(hybrid(q), near_copies()),
        "multi-query": lambda q: fuse.rrf([hybrid(w) for w in rewrite.multi_query(q, rewording, "")]),
        "hyde": hyde,
        "query2doc": lambda q: words(rewrite.query2doc(q, rewrite.hyde(q, inventing, "")), K),
        "step-back": lambda q: hybrid(rewrite.step_back(q, rewording, "")),
        "decomposition": smaller,
        "newest version": newest,
        "date prior": prior,
        "spelling": lambda q: hybrid(speller()(q)),
    }


def filtered(person: str) -> View:
    readable = readable_by(person)
    return lambda search, total: access.masked(search, readable, total)


NAMES = [
    "bm25", "rank-bm25", "dense", "hybrid", "rrf", "union", "rm3", "rocchio", "maxsim", "mmr", "collapse",
    "multi-query", "hyde", "query2doc", "step-back", "decomposition", "newest version", "date prior",
    "spelling",
]  # fmt: skip


@cache
def of(person: str) -> dict[str, System]:
    if not person:
        return systems(lambda search, total: search, set(larkfield().corpus))
    return systems(filtered(person), readable_by(person))


def test_the_list_of_systems_is_whole() -> None:
    assert list(of("")) == NAMES


def test_there_are_restricted_documents_and_every_one_is_sought_by_somebody_twice() -> None:
    sought = [doc_id for person in outsiders() for doc_id in titles(person)]
    assert len(restricted()) > 50
    assert sorted(sought) == sorted([*restricted(), *restricted()])


@pytest.mark.parametrize("name", NAMES)
def test_with_the_filter_before_no_restricted_document_is_found_by_its_title(name: str) -> None:
    for person in outsiders():
        found = of(person)[name](titles(person))
        assert found.keys() == titles(person).keys()
        assert all(found.values()), "a filter that lets nothing through would pass as well"
        assert access.leaks(found, readable_by(person), len(larkfield().corpus)) == {}


@pytest.mark.parametrize("name", NAMES)
def test_without_the_filter_the_same_search_leaks(name: str) -> None:
    leaking = access.leaks(of("")[name](titles("nobody")), readable_by("nobody"), K)
    own = [doc_id for doc_id, found in leaking.items() if doc_id in found]
    assert len(own) > len(restricted()) / 2


def quoting(found: Run, queries: Queries) -> dict[str, str]:
    """The reader without a model: the sentence nearest to the question."""
    named = {d: larkfield().corpus[d] for scores in found.values() for d in scores}
    letters = BagOfLetters()  # quick; which sentence it likes is of no interest
    sentences = compress.Sentences(named, chunk.sentences, larkfield().titles, letters)
    asked = dict(zip(queries, letters.queries(list(queries.values())), strict=True))
    return generate.best_sentence(sentences.score(asked, found, 5), sentences.texts, sentences.parents)


def cites_forbidden(said: Mapping[str, str], readable: set[str]) -> list[str]:
    return [q for q, text in said.items() if set(answers.cited(text)) - readable]


def test_a_reader_quotes_only_what_may_be_read() -> None:
    for person in outsiders():
        said = quoting(of(person)["bm25"](titles(person)), titles(person))
        assert all(answers.cited(text) for text in said.values())
        assert cites_forbidden(said, readable_by(person)) == []
    said = quoting(of("")["bm25"](titles("nobody")), titles("nobody"))
    assert cites_forbidden(said, readable_by("nobody"))


def test_a_prompt_holds_only_what_may_be_read() -> None:
    def prompts_of(person: str) -> list[str]:
        seen: list[str] = []

        def model(prompts: list[str]) -> list[str]:
            seen.extend(prompts)
            return [""] * len(prompts)

        queries = titles(person or "nobody")
        generate.answer(queries, of(person)["bm25"](queries), larkfield().corpus, model, 5)
        return seen

    for person in outsiders():
        prompts = prompts_of(person)
        assert prompts
        assert not [d for d in titles(person) for p in prompts if f"[{d}]" in p or larkfield().corpus[d] in p]
    assert [d for d in titles("nobody") for p in prompts_of("") if larkfield().corpus[d] in p]


@pytest.mark.parametrize("apart", [True, False])
def test_a_cache_serves_an_insiders_answer_to_an_outsider_only_where_groups_are_not_in_its_key(
    apart: bool,
) -> None:
    """Each paper is first sought by its own group, then by somebody else, in the same words."""
    asking = ""  # an insider, whom no filter stands before

    def answer(queries: Queries) -> dict[str, str]:
        return {q: f"[{next(iter(scores))}]" for q, scores in of(asking)["bm25"](queries).items()}

    cached = reuse.SemanticCache(encode, answer, 0.9)
    queries = titles("nobody")
    for group in sorted(set(restricted().values())):
        own = {f"insider {d}": t for d, t in queries.items() if restricted()[d] == group}
        cached(own, group if apart else "")
    asking = "nobody"
    said = cached(queries, "nobody" if apart else "")
    assert (cites_forbidden(said, readable_by("nobody")) == []) is apart


def test_what_completes_a_list_leaks_where_its_links_are_not_filtered_too() -> None:
    """freshness.newest brings in versions that no search has found, so a filter before is not enough."""
    documents = larkfield().documents
    open_, closed = next(d for d in documents if documents[d]["audience"] == "all"), next(iter(restricted()))
    links, dates = [(closed, open_)], {open_: "2020-01-01", closed: "2026-01-01"}
    readable = readable_by("nobody")
    for kept, leak in [(links, {"q": [closed]}), (access.links(links, readable), {})]:
        versions = diversify.linked(kept)
        found = freshness.newest({"q": {open_: 1.0}}, versions, dates, {"q": "2026-06-30"})
        assert access.leaks(found, readable, K) == leak
