"""Collections: documents, questions and judgments, from a folder or from ir_datasets.

Built in are larkfield, a folder, and pydocs, whose documents `pydocs` collects from installed packages.
A folder holds its documents as corpus.jsonl (BEIR), or as Markdown, text and HTML files under corpus/ or
in the folder itself; beside them, where there are questions, queries.jsonl and qrels/<split>.tsv (BEIR).
"""

from __future__ import annotations

import hashlib
import json
import random
import warnings
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ragkit import formats, recordings
from ragkit.types import Collection, RagkitError, Run, Unavailable

PART_TYPES = ("multi_hop", "aggregate", "bridge", "comparison")  # questions answered by several documents
LATER = "second_round.tsv"  # the pairs of the qrels that were not judged at first
MOST_PROBLEMS = 20  # what `check` lists before it stops


def load(name: str, split: str = "test", max_queries: int = 0, seed: int = 0) -> Collection:
    """Read a collection: a built-in one, a folder or an ir_datasets id, tried in this order.

    `max_queries` draws that many questions of the split with `seed`; 0 takes all. The documents are
    always all there. A folder without judgments has no splits, and comes with all the questions it has.
    An ir_datasets id that has judgments is one split, the one that it names ("beir/scifact/test", and
    "test" where it names none, as "vaswani"); its parent ("beir/scifact") has them all.
    Raises RagkitError, with file and line, at the first thing that cannot be read.
    """
    if max_queries < 0:
        raise RagkitError(f"max_queries is {max_queries}; expected 0, for all questions, or more.")
    available = splits(name)
    if available and split not in available:
        hint = (
            ""
            if formats.folder(name)
            else " An ir_datasets id that has judgments is one split; try its parent."
        )
        raise RagkitError(f"{name} has no split {split!r}; it has {', '.join(available)}.{hint}")
    content = formats.read(name, [split] if available else [], formats.raise_it)
    if content.differs:
        _warn_once(
            f"{name}: {content.differs}; figures are not those of the judged documents, and judgments of "
            f"documents that are gone are left out (python -m ragkit data check {name} names them)."
        )
    chosen = content.questions(split) if available else list(content.queries)
    if 0 < max_queries < len(chosen):
        drawn = set(random.Random(seed).sample(sorted(chosen), max_queries))
        chosen = [q for q in chosen if q in drawn]
    qrels = {q: content.qrels[split].get(q, {}) for q in chosen} if available else {}
    info = {q: content.info[q] | _parts(content.info[q], qrels.get(q, {})) for q in chosen}
    return Collection(
        name=name,
        split=split,
        context=_context(name),
        corpus=content.corpus,
        queries={q: content.queries[q] for q in chosen},
        qrels=qrels,
        answers={
            q: [a] if isinstance(a, str) else list(a) for q, i in info.items() if (a := i.get("answers"))
        },
        documents=content.documents,
        query_info=info,
        fingerprint=fingerprint(name),
    )


def variants(collection: Collection) -> Collection:
    """The collection asked in other words: the rewordings of its questions, from variants.jsonl.

    A rewording has the judgments, the answers and the `query_info` of its original; the latter with
    `variant_of` and `style`. Raises Unavailable where there are no rewordings.
    """
    path = formats.beside(collection.name) / "variants.jsonl"
    if not path.is_file():
        raise Unavailable(f"needs rewordings of the questions of {collection.name}: expected {path}")
    rows = formats.read_variants(path, formats.raise_it)
    original = {v: q for v, row in rows.items() if (q := row.metadata["variant_of"]) in collection.queries}
    copies = collection.again(original)
    return replace(
        copies,
        queries={v: rows[v].text for v in original},
        query_info={v: info | rows[v].metadata for v, info in copies.query_info.items()},
    )


def messages(collection: Collection) -> Collection:
    """The collection with, instead of its questions, the messages of its split, from messages.jsonl.

    `query_info` holds the route that is right for a message as `label`, its category and difficulty;
    messages have no judgments and no answers. All of the split, however many questions were drawn. Raises
    Unavailable where there are no messages, RagkitError where one has no label.
    """
    path = formats.beside(collection.name) / "messages.jsonl"
    if not path.is_file():
        raise Unavailable(f"needs messages to {collection.name} that are to be routed: expected {path}")
    lines = formats.read_lines(path, formats.raise_it)
    rows = {q: row for q, row in lines.items() if row.metadata.get("split") == collection.split}
    if bare := [row.line for row in rows.values() if "label" not in row.metadata]:
        raise RagkitError(f"{path}, line {bare[0]}: no 'label' in its metadata; expected a route. Add it.")
    return replace(
        collection,
        queries={q: row.text for q, row in rows.items()},
        qrels={},
        answers={},
        query_info={q: row.metadata for q, row in rows.items()},
    )


def apart(collection: Collection, other: Collection) -> Collection:
    """The collection without the questions whose evidence is also evidence of a question of `other`.

    Evidence is what is judged above 0. What learns from questions is trained on what is left: else it may
    know the documents that it is asked for. A question without evidence stays.
    """
    taken = {d for judged in other.qrels.values() for d, grade in judged.items() if grade > 0}
    kept = {
        q: text
        for q, text in collection.queries.items()
        if not any(grade > 0 and d in taken for d, grade in collection.qrels.get(q, {}).items())
    }
    return replace(
        collection,
        queries=kept,
        qrels={q: judged for q, judged in collection.qrels.items() if q in kept},
        answers={q: given for q, given in collection.answers.items() if q in kept},
        query_info={q: info for q, info in collection.query_info.items() if q in kept},
    )


def contexts(collection: Collection) -> dict[str, Run]:
    """What readers were given when answers were recorded: name of a context -> a run of its documents.

    The documents of a question are in the order in which its prompt held them (scores -1, -2, ...), so
    that `generate.answer` over such a run makes the prompt that was recorded. Only questions of the
    collection; no contexts where nothing was recorded (readings.jsonl).
    """
    found: dict[str, Run] = {}
    for reading in recordings.readings(formats.beside(collection.name)):
        if reading.query_id in collection.queries:
            ranks = {doc_id: float(-rank) for rank, doc_id in enumerate(reading.documents, start=1)}
            found.setdefault(reading.context, {})[reading.query_id] = ranks
    return found


def readings(collection: Collection) -> dict[tuple[str, str], str]:
    """(query_id, answer) -> what somebody who compared a recorded answer with the accepted ones called it.

    "right", "incomplete", "outdated", "wrong", ...: only of the answers that were read, those that a rule
    could not tell (readings.jsonl). By the answer's own words: another answer, of another model or to
    another prompt, has no reading.
    """
    found = recordings.readings(formats.beside(collection.name))
    return {
        (r.query_id, r.answer.strip()): r.read for r in found if r.read and r.query_id in collection.queries
    }


def splits(name: str) -> list[str]:
    """The splits that have judgments, in alphabetical order; none for documents without judgments."""
    where = formats.folder(name)
    if where is None:
        return sorted(formats.split_ids(name))
    return sorted(path.stem for path in where.glob("qrels/*.tsv"))


def first_round(collection: Collection) -> Collection:
    """The collection as it was judged at first: without the pairs of second_round.tsv, which qrels hold too.

    What a ranking gains by more judging is seen by measuring it on both. Raises Unavailable where there
    was no second round.
    """
    path = formats.beside(collection.name) / LATER
    if not path.is_file():
        raise Unavailable(
            f"needs a second round of judgments of {collection.name}: expected its pairs in {path}, in the "
            "form of qrels"
        )
    later = {(q, doc_id) for _, q, doc_id, _ in formats.read_judgments(path, formats.raise_it)}
    qrels = {
        q: {doc_id: grade for doc_id, grade in judged.items() if (q, doc_id) not in later}
        for q, judged in collection.qrels.items()
    }
    info = {
        q: {name: value for name, value in known.items() if name != "parts"} | _parts(known, qrels.get(q, {}))
        for q, known in collection.query_info.items()
    }
    return replace(collection, qrels=qrels, query_info=info)


def load_tuning(name: str, reported: str, max_queries: int = 0, seed: int = 0) -> Collection | None:
    """The questions to tune on: those of dev, else of train; never those of the split that is reported.

    None where a collection has no such split: nothing is tuned then. Raises RagkitError where a question is
    judged in both.
    """
    available = [split for split in ("dev", "train") if split in splits(name) and split != reported]
    if not available:
        return None
    tuned, path = load(name, available[0], max_queries, seed), formats.beside(name) / f"qrels/{reported}.tsv"
    told = formats.read_judgments(path, formats.raise_it) if path.is_file() else []
    if shared := sorted({q for _, q, _, _ in told} & tuned.queries.keys()):
        raise RagkitError(
            f"{path} judges {len(shared)} questions that {available[0]}.tsv judges, too ({shared[0]!r} "
            "is the first): expected questions of one split each, or what is tuned has seen what is reported"
        )
    return tuned


def fingerprint(name: str) -> str:
    """SHA-256 over names and bytes of what a run can depend on, wherever the folder stands; 64 hex digits.

    That is documents, queries, judgments and which of them came later, rewordings, messages, prompts and
    readings; not recordings.jsonl, whose hash a run that replays it names on its own, and not what people
    read about the collection. Nothing is parsed. Of an ir_datasets id, which is immutable, it is the
    SHA-256 of the id and the version of ir_datasets.
    """
    where = formats.folder(name)
    if where is None:
        from importlib.metadata import version

        return hashlib.sha256(f"ir_datasets {version('ir_datasets')} {name}".encode()).hexdigest()
    corpus = formats.corpus_file(where)
    named = ["queries.jsonl", "variants.jsonl", "messages.jsonl", "prompts.json", recordings.READINGS, LATER]
    files = [corpus, *(where / file for file in named), *sorted(where.glob("qrels/*.tsv"))]
    if not corpus.is_file():
        files += formats.document_files(where)
    whole = hashlib.sha256()
    for path in files:
        if path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            label = "corpus.jsonl" if path == corpus else path.relative_to(where).as_posix()
            whole.update(f"{label}\0{digest}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def check(name: str) -> str:
    """What was found in a collection, a few lines; raises RagkitError with all problems (20 at most)."""
    problems: list[str] = []

    def collect(problem: str) -> None:
        problems.append(problem)
        if len(problems) == MOST_PROBLEMS:
            raise RagkitError(_listed(name, problems) + "\nThere may be more: mend these and check again.")

    where, rows = formats.folder(name), {}
    content = formats.read(name, splits(name), collect)
    if content.gone:
        collect(f"{content.differs}; judged and no longer there: {', '.join(sorted(content.gone))}")
    if where and (rewordings := where / "variants.jsonl").is_file():
        rows = formats.read_variants(rewordings, collect)
        named = [(row.line, row.metadata["variant_of"]) for row in rows.values()]
        strays = [(line, query_id) for line, query_id in named if query_id not in content.queries]
        formats.fail_once(
            rewordings, strays, "rewords query {!r}, which queries.jsonl does not have", collect
        )
    if where and (messages := where / "messages.jsonl").is_file():
        formats.read_lines(messages, collect)
    if problems:
        raise RagkitError(_listed(name, problems))
    by_path = where is not None and Path(name).expanduser().is_dir()
    found = str(where) if by_path else f"{name}: {where or 'from ir_datasets'}"
    return "\n".join([found, *_summary(content, len(rows)), *filter(None, [content.differs])])


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=3)  # the line that called `load`


def _listed(name: str, problems: list[str]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"{name} has {count}:\n" + "\n".join(f"- {problem}" for problem in problems)


def _summary(content: formats.Content, reworded: int) -> list[str]:
    texts, titles = content.corpus, {d: info.get("title", "") for d, info in content.documents.items()}
    empty = sum(text.strip() in ("", titles[d]) for d, text in texts.items())
    words = sum(len(text.split()) for text in texts.values())
    lines = [
        f"{len(texts):,} documents, {words:,} words with the titles; {empty} without text, "
        f"{len(texts) - len(set(texts.values()))} with the text of another one",
    ]
    for split, qrels in content.qrels.items():
        questions = content.questions(split)
        unanswered = sum(max(qrels.get(q, {}).values(), default=0) <= 0 for q in questions)
        grades = Counter(grade for judged in qrels.values() for grade in judged.values())
        counts = ", ".join(f"{count:,} of grade {grade}" for grade, count in sorted(grades.items()))
        lines.append(
            f"split {split}: {len(questions):,} questions, {unanswered} of them with no positive judgment; "
            f"{grades.total():,} judgments: {counts}"
        )
    if not content.qrels:
        lines.append(f"{len(content.queries):,} questions, no judgments: nothing to measure quality with")
    if reworded:
        lines.append(f"{reworded:,} rewordings")
    return lines


def _context(name: str) -> str:
    """The line about the collection that begins each prompt: that of prompts.json where there is one."""
    where = formats.folder(name)
    path = where / "prompts.json" if where else None
    if path is None or not path.is_file():
        return f"The documents are the collection {where.name if where else name}."
    try:
        return str(json.loads(formats.decoded(path, formats.raise_it))["context"])
    except (ValueError, KeyError, TypeError) as error:
        raise RagkitError(
            f'{path}: found {error!r}; expected JSON with a "context" line. Mend it.'
        ) from error


def _parts(info: dict[str, Any], judged: dict[str, int]) -> dict[str, list[str]]:
    """All documents that a question of several parts needs: those of its highest grade."""
    best = max(judged.values(), default=0)
    needed = [doc_id for doc_id, grade in judged.items() if grade == best > 0]
    return {"parts": needed} if info.get("type") in PART_TYPES and len(needed) > 1 else {}
