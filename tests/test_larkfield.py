"""The integrity of data/larkfield: read here line by line and held to its data card."""

import hashlib
import json
import re
from collections import Counter
from functools import cache
from typing import Any

import pytest
import yaml

from ragkit import answers, generate
from tests.larkfield import HOME, card, larkfield

FIELDS = ["id", "title", "department", "kind", "date", "status", "supersedes", "audience", "author"]
STATUSES = ["current", "superseded", "draft"]
GROUPS = {"engineering", "exec", "security", "hr", "finance", "legal"}
SPLITS = ["dev", "test"]
STYLES = ["typo", "keywords", "vague", "verbose", "layman"]
ONE_PASSAGE = {"lookup", "paraphrase", "table", "temporal"}
QUESTION_TASKS = {"multi_query", "hyde", "step_back", "decompose", "route", "closed_book"}
VARIANT_TASKS = {"multi_query", "hyde", "route"}
MESSAGE_TASKS = {"route"}
PLACES = ("start", "middle", "end")
READ = ("right", "incomplete", "wrong specificity", "wrong format", "outdated", "wrong")

Row = dict[str, Any]


@cache
def documents() -> dict[str, Row]:
    found = {}
    for path in sorted((HOME / "corpus").rglob("*.md")):
        _, header, body = path.read_text(encoding="utf-8").split("---\n", 2)
        found[path.stem] = yaml.safe_load(header) | {"body": body, "path": path}
    return found


@cache
def rows(name: str) -> list[Row]:
    return [json.loads(line) for line in (HOME / name).read_text(encoding="utf-8").split("\n") if line]


def by_id(name: str) -> dict[str, Row]:
    return {row["_id"]: row["metadata"] | {"text": row["text"]} for row in rows(name)}


@cache
def judgments(split: str) -> list[tuple[str, str, int]]:
    lines = (HOME / "qrels" / f"{split}.tsv").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert lines[0] == "query-id\tcorpus-id\tscore"
    cells = [line.split("\t") for line in lines[1:]]
    return [(query_id, doc_id, int(grade)) for query_id, doc_id, grade in cells]


@cache
def qrels() -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        for query_id, doc_id, grade in judgments(split):
            judged.setdefault(query_id, {})[doc_id] = grade
    return judged


def normalised(text: str) -> str:
    return " ".join(re.sub("[\u2010-\u2015\u2212]", "-", text.lower()).replace("*", "").split())


@cache
def evidence(doc_id: str) -> str:
    return normalised(documents()[doc_id]["title"] + "\n" + documents()[doc_id]["body"])


def stands_in_evidence(query_id: str, question: Row) -> bool:
    texts = [evidence(doc_id) for doc_id, grade in qrels()[query_id].items() if grade > 0]
    found = [
        any(re.search(rf"(?<!\w){re.escape(normalised(answer))}(?!\w)", text) for text in texts)
        for answer in question["answers"]
    ]
    return all(found) if question.get("all_of") else any(found)


def test_every_file_is_utf8_without_bom_control_or_replacement_characters() -> None:
    files = [path for path in HOME.rglob("*") if path.is_file()]
    assert len(files) == 785 + 12
    odd = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028\u2029\ufeff\ufffd]"
    assert [path for path in files if re.search(odd, path.read_text(encoding="utf-8"))] == []


def test_every_document_has_its_file_name_as_id_its_folder_as_department_and_all_fields() -> None:
    for name, document in documents().items():
        assert document["id"] == name
        assert document["path"].parent == HOME / "corpus" / document["department"]
        fields = [key for key in document if key not in ("body", "path")]
        assert fields == [key for key in FIELDS if key in document]
        assert set(FIELDS) - set(fields) <= {"supersedes"}
        assert document["status"] in STATUSES
        assert document["audience"] in GROUPS | {"all"}
        assert document["date"].isoformat() <= "2026-06-30"
        assert document["body"].strip()
        assert all(isinstance(document[key], str) for key in fields if key != "date")


def test_no_two_documents_share_an_id_or_a_text() -> None:
    assert len(documents()) == len(list((HOME / "corpus").rglob("*.md")))
    assert len({document["body"] for document in documents().values()}) == len(documents())


def test_what_a_document_supersedes_exists_and_is_older() -> None:
    pairs = [(d, documents()[d["supersedes"]]) for d in documents().values() if "supersedes" in d]
    assert len(pairs) == 124
    assert [new["id"] for new, old in pairs if old["date"] > new["date"]] == []


def test_ids_and_texts_of_questions_rewordings_and_messages_are_unique() -> None:
    everything = [row for name in ("queries", "variants", "messages") for row in rows(f"{name}.jsonl")]
    assert len({row["_id"] for row in everything}) == len(everything) == 711 + 510 + 180
    assert len({row["text"] for row in everything}) == len(everything)


def test_a_question_is_judged_in_its_own_split_only() -> None:
    queries = by_id("queries.jsonl")
    for split in SPLITS:
        assert {q for q, _, _ in judgments(split)} == {
            q for q, info in queries.items() if info["split"] == split
        }


def test_a_rewording_has_the_split_of_its_question_and_every_style_once() -> None:
    queries = by_id("queries.jsonl")
    styles: dict[str, list[str]] = {}
    for variant in by_id("variants.jsonl").values():
        assert variant["split"] == queries[variant["variant_of"]]["split"]
        styles.setdefault(variant["variant_of"], []).append(variant["style"])
    assert all(sorted(found) == sorted(STYLES) for found in styles.values())


def test_no_pair_is_judged_twice_and_all_of_them_exist() -> None:
    pairs = [(query_id, doc_id) for split in SPLITS for query_id, doc_id, _ in judgments(split)]
    assert len(set(pairs)) == len(pairs)
    assert {doc_id for _, doc_id in pairs} <= set(documents())
    assert {query_id for query_id, _ in pairs} == set(by_id("queries.jsonl"))


def test_the_second_round_is_part_of_the_judgments() -> None:
    lines = (HOME / "second_round.tsv").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    pairs = [(q, d, int(grade)) for q, d, grade in (line.split("\t") for line in lines[1:])]
    assert lines[0] == "query-id\tcorpus-id\tscore"
    assert all(qrels()[q][d] == grade for q, d, grade in pairs)
    queries = by_id("queries.jsonl")
    assert all(queries[q]["answerable"] for q, _, _ in pairs)
    stale = sum(d in queries[q]["stale"] for q, d, _ in pairs)
    grades, splits = Counter(g for _, _, g in pairs), Counter(queries[q]["split"] for q, _, _ in pairs)
    text = (HOME / "README.md").read_text(encoding="utf-8")
    assert (
        f"{len(pairs):,} pairs that nobody had judged, {splits['dev']:,} of dev and {splits['test']:,}"
        in text
    )
    assert f"{grades[2]} pairs got a 2, {grades[1]} a 1, and {stale} are stale" in text


def test_an_answerable_question_has_a_document_of_grade_2_and_an_unanswerable_one_no_positive() -> None:
    for query_id, question in by_id("queries.jsonl").items():
        assert max(qrels()[query_id].values()) == (2 if question["answerable"] else 0)
        assert question["answerable"] == (question["type"] != "unanswerable") == bool(question["answers"])


def test_stale_documents_are_judged_and_graded_0() -> None:
    stale = [(q, d) for q, info in by_id("queries.jsonl").items() for d in info["stale"]]
    assert {qrels()[query_id].get(doc_id) for query_id, doc_id in stale} == {0}
    assert all(info["stale"] for info in by_id("queries.jsonl").values() if info["type"] == "temporal")


def test_the_audience_of_a_question_is_known_and_may_read_evidence() -> None:
    for query_id, question in by_id("queries.jsonl").items():
        may_read = {"all", question["audience"]}
        assert question["audience"] in GROUPS | {"all"}
        readers = {documents()[d]["audience"] for d, grade in qrels()[query_id].items() if grade == 2}
        assert not readers or readers & may_read, query_id


@pytest.mark.parametrize("kind", sorted(ONE_PASSAGE))
def test_the_answer_of_a_one_passage_question_always_stands_in_its_evidence(kind: str) -> None:
    asked = {q: info for q, info in by_id("queries.jsonl").items() if info["type"] == kind}
    assert [
        query_id for query_id, question in asked.items() if not stands_in_evidence(query_id, question)
    ] == []


def test_every_question_rewording_and_message_is_recorded_once_with_its_tasks() -> None:
    recorded = {row["query_id"]: set(row) - {"query_id"} for row in rows("recordings.jsonl")}
    expected = dict.fromkeys(by_id("queries.jsonl"), QUESTION_TASKS)
    expected |= dict.fromkeys(by_id("variants.jsonl"), VARIANT_TASKS)
    expected |= dict.fromkeys(by_id("messages.jsonl"), MESSAGE_TASKS)
    assert len(rows("recordings.jsonl")) == len(recorded)
    assert recorded == expected


def readings() -> list[Row]:
    """An answer each, with the documents that its prompt held."""
    return [
        given | {"documents": row["documents"]} for row in rows("readings.jsonl") for given in row["answers"]
    ]


def test_a_reading_answers_the_prompt_that_its_question_and_documents_make() -> None:
    texts = larkfield().corpus  # as prompts hold them
    questions = by_id("queries.jsonl")
    for reading in readings():
        given = "\n\n".join(f"[{doc_id}]\n{texts[doc_id]}" for doc_id in reading["documents"])
        prompt = generate.ANSWER.format(documents=given, query=questions[reading["query_id"]]["text"])
        assert hashlib.sha256(prompt.encode()).hexdigest() == reading["prompt"], reading["query_id"]
        assert reading["answer"].strip()


def test_every_test_question_was_read_once_in_each_context_that_the_card_names() -> None:
    asked = Counter((reading["query_id"], reading["context"]) for reading in readings())
    assert set(asked.values()) == {1}
    test = {q: info for q, info in by_id("queries.jsonl").items() if info["split"] == "test"}
    of = {context: {q for q, c in asked if c == context} for _, context in asked}
    assert of.pop("top 5") == set(test)
    assert of.pop("judged") == {q for q, info in test.items() if info["answerable"]}
    (drawn,) = {frozenset(of[f"{size} {place}"]) for size in ("1k", "4k", "16k") for place in PLACES}
    assert len(drawn) == 42
    for size in ("64k", "all"):  # one place a question
        parts = [of[f"{size} {place}"] for place in PLACES]
        assert set.union(*parts) == drawn
        assert sum(map(len, parts)) == 42
    assert len(of) == 5 * 3


def test_the_evidence_stands_in_its_context_at_its_place() -> None:
    for reading in readings():
        size, _, place = reading["context"].partition(" ")
        if place in PLACES:
            judged = qrels()[reading["query_id"]]
            spots = [n for n, d in enumerate(reading["documents"]) if judged.get(d) == 2]
            assert len(spots) == sum(grade == 2 for grade in judged.values())
            if size == "1k":
                last = len(reading["documents"]) - 1
                assert spots[0] == 0 or place != "start"
                assert spots[-1] == last or place != "end"


def test_what_words_cannot_tell_was_read() -> None:
    questions = by_id("queries.jsonl")
    for reading in readings():
        if reading["context"] not in ("top 5", "judged"):
            continue
        asked = questions[reading["query_id"]]
        answer = answers.uncited(reading["answer"])
        told = answers.containment(answer, asked["answers"], asked.get("all_of", False))
        open_ = asked["answerable"] and not told and not answers.declined(answer)
        assert ("read" in reading) == bool(open_), reading
        assert reading.get("read", "right") in READ


def with_total(counts: dict[str, list[int]]) -> dict[str, list[int]]:
    return counts | {"all": [sum(column) for column in zip(*counts.values(), strict=True)]}


def by_split(pairs: list[tuple[str, str]]) -> dict[str, list[int]]:
    """(value, split) pairs -> value -> [dev, test, all], with a last row for all values."""
    counts = Counter(pairs)
    table = {v: [counts[v, split] for split in SPLITS] for v in {value for value, _ in pairs}}
    return with_total({value: [*numbers, sum(numbers)] for value, numbers in table.items()})


def test_the_card_counts_documents_by_department() -> None:
    counts: dict[str, list[int]] = {}
    for document in documents().values():
        status = [document["status"] == name for name in STATUSES]
        numbers = [1, len(document["body"].split()), *status, document["audience"] == "all"]
        before = counts.get(document["department"], [0] * len(numbers))
        counts[document["department"]] = [a + b for a, b in zip(before, numbers, strict=True)]
    assert card("department") == with_total(counts)


def test_the_card_counts_documents_by_kind() -> None:
    assert card("kind") == {kind: [n] for kind, n in Counter(d["kind"] for d in documents().values()).items()}


@pytest.mark.parametrize(
    ("heading", "file", "field"),
    [
        ("type", "queries.jsonl", "type"),
        ("asked in", "queries.jsonl", "department"),
        ("style", "variants.jsonl", "style"),
        ("label", "messages.jsonl", "label"),
    ],
)
def test_the_card_counts_rows_by_field_and_split(heading: str, file: str, field: str) -> None:
    assert card(heading) == by_split(
        [(row["metadata"][field], row["metadata"]["split"]) for row in rows(file)]
    )


def test_the_card_counts_judgments_by_grade() -> None:
    graded = [(str(grade), split) for split in SPLITS for _, _, grade in judgments(split)]
    assert card("grade") == by_split(graded)


def test_the_card_counts_answers_that_stand_in_the_evidence() -> None:
    counts: dict[str, list[int]] = {}
    for query_id, question in by_id("queries.jsonl").items():
        if question["answerable"]:
            asked, found = counts.get(question["type"], [0, 0])
            counts[question["type"]] = [asked + 1, found + stands_in_evidence(query_id, question)]
    assert card("answer stands in the evidence") == with_total(counts)


def test_the_sentences_of_the_card_that_hold_counts_are_true() -> None:
    text = (HOME / "README.md").read_text(encoding="utf-8")
    audiences = Counter(d["audience"] for d in documents().values() if d["audience"] != "all")
    named = ", ".join(f"{group} {count}" for group, count in audiences.most_common())
    lengths = sorted(len(d["body"].split()) for d in documents().values())
    dates = sorted(d["date"].isoformat() for d in documents().values())
    replaced = [documents()[d["supersedes"]] for d in documents().values() if "supersedes" in d]
    queries = by_id("queries.jsonl")
    marked = Counter(documents()[d]["status"] for d in {d for q in queries.values() for d in q["stale"]})
    holds = {split: {doc_id for _, doc_id, grade in judgments(split) if grade == 2} for split in SPLITS}
    for sentence in (
        f"the other {audiences.total()} are for one group each: {named}.",
        f"{lengths[0]} to {lengths[-1]} words (median {lengths[len(lengths) // 2]})",
        f"dated {dates[0]} to {dates[-1]}.",
        f"{len({d['id'] for d in replaced if d['status'] == 'current'})} that another one supersedes",
        f"{sum(bool(info['stale']) for info in queries.values())} questions have documents that give a stale",
        f"({marked.total()} documents, {marked['current']} of them marked current)",
        f"{sum(info['audience'] != 'all' for info in queries.values())} questions are about papers for one",
        f"of {len({v['variant_of'] for v in by_id('variants.jsonl').values()})} questions, five of each.",
        f"{len(holds['test'] & holds['dev'])} of the {len(holds['test'])} documents with grade 2 for a test",
        f"{sum(info['split'] == 'test' and info['answerable'] for info in queries.values())} test questions",
    ):
        assert sentence in text
