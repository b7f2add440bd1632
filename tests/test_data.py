"""Loading collections: what comes out of each kind, and what is said of one that cannot be read."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import ir_datasets
import pytest

from ragkit import data, formats
from ragkit.types import RagkitError, Unavailable
from tests.project import PUBLISHED

needs_published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="needs ../shared/datasets")

Rows = list[dict[str, object]]
CORPUS: Rows = [
    {"_id": "d1", "title": "Valves", "text": "A valve opens.", "metadata": {"year": 2024}},
    {"_id": "d2", "title": "", "text": "No title here."},
    {"_id": "d3", "title": "Pumps", "text": "Pumps\nmove water."},
    {"_id": "d4", "title": "Pumps", "text": "Pumps move water."},
]
QUERIES: Rows = [
    {
        "_id": "q1",
        "text": "what opens",
        "metadata": {"type": "multi_hop", "answers": ["a valve"], "split": "test"},
    },
    {"_id": "q2", "text": "what moves", "metadata": {"type": "lookup", "answers": "pumps"}},
    {"_id": "q3", "text": "what costs it", "metadata": {"answerable": False, "split": "test", "answers": []}},
    {"_id": "q4", "text": "what of dev"},
]
TEST = [("q1", "d1", 2), ("q1", "d2", 2), ("q1", "d3", 1), ("q1", "d4", 0), ("q2", "d3", 1)]
VARIANTS: Rows = [
    {
        "_id": "q1-typo",
        "text": "waht opens",
        "metadata": {"variant_of": "q1", "style": "typo", "split": "test"},
    },
    {
        "_id": "q4-typo",
        "text": "waht of dev",
        "metadata": {"variant_of": "q4", "style": "typo", "split": "dev"},
    },
]


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_qrels(path: Path, rows: list[tuple[str, str, int]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(formats.HEADER + "\n" + "".join(f"{q}\t{d}\t{g}\n" for q, d, g in rows))


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    write_jsonl(folder / "corpus.jsonl", CORPUS)
    write_jsonl(folder / "queries.jsonl", QUERIES)
    write_jsonl(folder / "variants.jsonl", VARIANTS)
    write_qrels(folder / "qrels" / "test.tsv", TEST)
    write_qrels(folder / "qrels" / "dev.tsv", [("q4", "d1", 1)])
    return folder


def append(path: Path, line: str) -> int:
    """Add a line; its number."""
    path.write_text(path.read_text() + line + "\n")
    return path.read_text().count("\n")


# --- a BEIR folder ----------------------------------------------------------------------------------


def test_the_first_round_lacks_the_pairs_of_the_second(beir: Path) -> None:
    whole = data.load(str(beir), "test")
    with pytest.raises(Unavailable, match=r"^needs a second round.*second_round\.tsv"):
        data.first_round(whole)
    write_qrels(beir / "second_round.tsv", [("q1", "d2", 2), ("q1", "d4", 0)])
    first = data.first_round(whole)
    assert first.qrels["q1"] == {"d1": 2, "d3": 1}
    assert first.qrels["q2"] == whole.qrels["q2"]
    assert whole.query_info["q1"]["parts"] == ["d1", "d2"]
    assert "parts" not in first.query_info["q1"]  # one document holds it, as far as was known
    assert first.queries == whole.queries


def test_a_text_has_its_title_on_its_first_line_once(beir: Path) -> None:
    assert data.load(str(beir)).corpus == {
        "d1": "Valves\nA valve opens.",
        "d2": "No title here.",
        "d3": "Pumps\nmove water.",
        "d4": "Pumps\nPumps move water.",  # it begins with the word, not with the title as a line
    }


def test_the_metadata_of_documents_and_questions_is_kept(beir: Path) -> None:
    collection = data.load(str(beir))
    assert collection.documents["d1"] == {"title": "Valves", "year": 2024}
    assert collection.documents["d2"] == {}
    assert collection.query_info["q3"] == {"answerable": False, "split": "test", "answers": []}
    assert collection.answers == {"q1": ["a valve"], "q2": ["pumps"]}
    assert collection.context == "The documents are the collection small."


def test_a_split_has_the_questions_judged_in_it_and_the_unjudged_ones_said_to_be_of_it(beir: Path) -> None:
    collection = data.load(str(beir), "test")
    assert list(collection.queries) == ["q1", "q2", "q3"]
    assert collection.qrels == {"q1": {"d1": 2, "d2": 2, "d3": 1, "d4": 0}, "q2": {"d3": 1}, "q3": {}}
    assert list(collection.answerable) == ["q1", "q2"]
    assert list(data.load(str(beir), "dev").queries) == ["q4"]


def tuned_on(name: str, reported: str = "test") -> str | None:
    tuning = data.load_tuning(name, reported)
    return tuning.split if tuning else None


def test_parts_are_the_documents_of_the_highest_grade_where_the_type_has_parts(beir: Path) -> None:
    info = data.load(str(beir)).query_info
    assert info["q1"]["parts"] == ["d1", "d2"]
    assert "parts" not in info["q2"]
    write_qrels(beir / "qrels" / "test.tsv", [("q1", "d1", 2), ("q1", "d3", 1), ("q1", "d4", 0)])
    assert "parts" not in data.load(str(beir)).query_info["q1"]  # one document alone is no parts


def test_the_tuning_split_is_dev_then_train_and_never_test(beir: Path) -> None:
    assert data.splits(str(beir)) == ["dev", "test"]
    assert tuned_on(str(beir)) == "dev"
    assert tuned_on(str(beir), reported="dev") is None  # else it would be tuned on what it reports
    (beir / "qrels" / "dev.tsv").rename(beir / "qrels" / "train.tsv")
    assert tuned_on(str(beir)) == "train"
    (beir / "qrels" / "train.tsv").unlink()
    assert tuned_on(str(beir)) is None


def test_no_question_is_tuned_on_and_reported(beir: Path) -> None:
    write_qrels(beir / "qrels" / "dev.tsv", [("q4", "d1", 1)])
    append(beir / "qrels" / "test.tsv", "q4\td1\t1")
    rows = [row | {"metadata": {}} for row in QUERIES]  # nothing else says whose question it is
    write_jsonl(beir / "queries.jsonl", rows)
    with pytest.raises(RagkitError, match=r"1 questions that dev\.tsv judges, too \('q4' is"):
        tuned_on(str(beir))


def test_a_sample_is_drawn_by_its_seed_whatever_the_order_of_the_file(beir: Path) -> None:
    full = data.load("larkfield", "test")
    sample = data.load("larkfield", "test", max_queries=20, seed=1)
    assert len(sample.queries) == len(sample.qrels) == len(sample.query_info) == 20
    assert sample.corpus == full.corpus
    assert list(sample.queries) == [q for q in full.queries if q in sample.queries]
    assert sample.queries == data.load("larkfield", "test", max_queries=20, seed=1).queries
    assert sample.queries != data.load("larkfield", "test", max_queries=20, seed=2).queries
    assert set(data.load(str(beir), max_queries=99).queries) == {"q1", "q2", "q3"}
    drawn = set(data.load(str(beir), max_queries=2).queries)
    write_jsonl(beir / "queries.jsonl", QUERIES[::-1])
    assert set(data.load(str(beir), max_queries=2).queries) == drawn


def test_a_negative_sample_is_refused(beir: Path) -> None:
    with pytest.raises(RagkitError, match="max_queries is -1"):
        data.load(str(beir), max_queries=-1)


def test_windows_line_ends_a_byte_order_mark_and_blank_lines_are_read(beir: Path) -> None:
    expected = data.load(str(beir))
    for path in (beir / "corpus.jsonl", beir / "queries.jsonl", beir / "qrels" / "test.tsv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    found = data.load(str(beir))
    assert (found.corpus, found.queries, found.qrels) == (expected.corpus, expected.queries, expected.qrels)


def test_a_line_separator_inside_a_text_does_not_end_the_line(beir: Path) -> None:
    rows: Rows = [{"_id": "d1", "text": "one\u2028two\u0085three"}]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in [*rows, *CORPUS[1:]])
    (beir / "corpus.jsonl").write_text(lines, encoding="utf-8")
    assert data.load(str(beir)).corpus["d1"] == "one\u2028two\u0085three"


# --- rewordings -------------------------------------------------------------------------------------


def test_rewordings_have_the_judgments_and_answers_of_their_question(beir: Path) -> None:
    original = data.load(str(beir))
    reworded = data.variants(original)
    assert reworded.queries == {"q1-typo": "waht opens"}
    assert reworded.qrels == {"q1-typo": original.qrels["q1"]}
    assert reworded.answers == {"q1-typo": ["a valve"]}
    info = original.query_info["q1"] | {"variant_of": "q1", "style": "typo"}
    assert reworded.query_info == {"q1-typo": info}
    assert reworded.corpus == original.corpus
    assert list(original.queries) == ["q1", "q2", "q3"]


def test_a_collection_without_rewordings_says_so(beir: Path) -> None:
    (beir / "variants.jsonl").unlink()
    with pytest.raises(Unavailable, match=r"^needs rewordings of .*variants\.jsonl"):
        data.variants(data.load(str(beir)))


def test_a_rewording_of_nothing_is_named(beir: Path) -> None:
    append(beir / "variants.jsonl", '{"_id": "v", "text": "x", "metadata": {"variant_of": "q99"}}')
    with pytest.raises(RagkitError, match="line 3: rewords query 'q99'"):
        data.check(str(beir))
    append(beir / "variants.jsonl", '{"_id": "w", "text": "x"}')
    with pytest.raises(RagkitError, match="line 4: no 'variant_of'"):
        data.variants(data.load(str(beir)))


# --- messages ---------------------------------------------------------------------------------------

MESSAGES: Rows = [
    {"_id": "m1", "text": "hello", "metadata": {"label": "chat", "category": "smalltalk", "split": "test"}},
    {"_id": "m2", "text": "hi", "metadata": {"label": "chat", "category": "smalltalk", "split": "dev"}},
]


def test_messages_are_those_of_the_split_and_have_no_judgments(beir: Path) -> None:
    write_jsonl(beir / "messages.jsonl", MESSAGES)
    drawn = data.load(str(beir), "test", max_queries=1)
    messages = data.messages(drawn)
    assert messages.queries == {"m1": "hello"}
    assert messages.query_info == {"m1": MESSAGES[0]["metadata"]}
    assert (messages.qrels, messages.answers) == ({}, {})
    assert (messages.corpus, messages.split) == (drawn.corpus, "test")


def test_messages_that_are_missing_or_bare_are_named(beir: Path) -> None:
    with pytest.raises(Unavailable, match=r"^needs messages to .* to be routed: expected .*messages"):
        data.messages(data.load(str(beir)))
    write_jsonl(beir / "messages.jsonl", MESSAGES)
    append(beir / "messages.jsonl", '{"_id": "m3", "text": "x", "metadata": {"split": "test"}}')
    with pytest.raises(RagkitError, match="line 3: no 'label' in its metadata"):
        data.messages(data.load(str(beir)))
    assert data.messages(data.load(str(beir), "dev")).queries == {"m2": "hi"}


# --- what may be learned from -----------------------------------------------------------------------


def test_questions_that_share_evidence_with_another_split_are_left_out(beir: Path) -> None:
    test, dev = data.load(str(beir), "test"), data.load(str(beir), "dev")
    assert data.apart(dev, test).queries == {}  # d1 answers q4, and is evidence of q1 too
    assert data.apart(dev, replace(test, qrels={"q1": {"d1": 0, "d2": 2}})).queries == dev.queries
    without = data.apart(test, dev)
    assert list(without.queries) == ["q2", "q3"]  # q3 has no evidence that could be shared
    assert without.qrels == {"q2": {"d3": 1}, "q3": {}}
    assert (list(without.answers), list(without.query_info)) == (["q2"], ["q2", "q3"])
    assert list(test.queries) == ["q1", "q2", "q3"]


# --- a folder of one's own documents ----------------------------------------------------------------

PAGE = """<!doctype html><html><head><title>Opening
 hours</title><style>p { color: red }</style></head><body><!-- hidden --><h1>Hours</h1>
<p>Open from <b>nine</b> to five.</p><script>track()</script><ul><li>Monday</li><li>Tuesday</li></ul>
<table><tr><td>May</td><td>10</td></tr></table></body></html>"""


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "plain.txt").write_text("Just text.\n# no heading\n")
    (folder / "deep" / "heading.md").write_text("```\n# code\n```\nIntro.\n\n## Real heading ##\n\nMore.\n")
    (folder / "deep" / "first.md").write_text("# Leave\n\nDays.\n")
    (folder / "deep" / "er" / "page.HTML").write_text(PAGE)
    (folder / "front.md").write_text("---\nid: f1\ntitle: Front\ndate: 2024-05-01\ntags: [a]\n---\n\nBody.\n")
    (folder / ".git" / "ignored.md").write_text("not a document")
    (folder / "data.csv").write_text("not a document either")
    return folder


def test_documents_are_read_with_path_as_id_and_their_titles(documents: Path) -> None:
    collection = data.load(str(documents))
    assert collection.corpus == {
        "deep/er/page.HTML": "Opening hours\nHours\nOpen from nine to five.\nMonday\nTuesday\nMay 10",
        "deep/first.md": "Leave\n\nDays.",  # a passage is looked for by its title, without the mark
        "deep/heading.md": "Real heading\n```\n# code\n```\nIntro.\n\n## Real heading ##\n\nMore.",
        "f1": "Front\nBody.",
        "plain.txt": "Just text.\n# no heading",
    }
    assert collection.documents["f1"] == {"title": "Front", "date": "2024-05-01", "tags": ["a"]}
    assert collection.titles["deep/first.md"] == "Leave"
    assert (collection.queries, collection.qrels, data.splits(str(documents))) == ({}, {}, [])
    assert tuned_on(str(documents)) is None


def test_judged_questions_beside_documents_are_read_as_those_of_beir(documents: Path) -> None:
    write_jsonl(documents / "queries.jsonl", [{"_id": "mine", "text": "days?"}])
    assert data.load(str(documents)).queries == {"mine": "days?"}  # questions without judgments
    write_qrels(documents / "qrels" / "test.tsv", [("mine", "deep/first.md", 1), ("mine", "f1", 0)])
    assert data.load(str(documents)).qrels == {"mine": {"deep/first.md": 1, "f1": 0}}


def test_two_rules_around_prose_are_no_front_matter(documents: Path) -> None:
    (documents / "rules.md").write_text("---\nA quote\n---\nText.\n")
    assert data.load(str(documents)).corpus["rules.md"] == "---\nA quote\n---\nText."


def test_broken_front_matter_is_named_by_line(documents: Path) -> None:
    (documents / "bad.md").write_text("---\nid: b\ntitle: a: b\n---\nText.\n")
    with pytest.raises(RagkitError, match=r"bad\.md, line 3: the front matter is not YAML"):
        data.load(str(documents))


def test_a_date_that_no_calendar_has_is_named(documents: Path) -> None:
    (documents / "bad.md").write_text("---\ndate: 2024-02-30\n---\nText.\n")
    with pytest.raises(RagkitError, match=r"bad\.md, line 1: the front matter is not YAML \(day is out of"):
        data.load(str(documents))


def test_a_file_name_that_is_not_utf8_is_named(documents: Path) -> None:
    path = os.fsencode(documents) + b"/gr\xfc\xdfe.md"
    with open(path, "w") as file:
        file.write("# Hello\n")
    with pytest.raises(RagkitError, match=r"gr\\udcfc\\udcdfe\.md': the name is not UTF-8.*Rename"):
        data.load(str(documents))
    assert len(data.fingerprint(str(documents))) == 64


def test_two_documents_with_one_id_are_named(documents: Path) -> None:
    (documents / "other.md").write_text("---\nid: f1\n---\nText.\n")
    with pytest.raises(RagkitError, match=r"other\.md: has the id 'f1', as .*front\.md has"):
        data.load(str(documents))


# --- what cannot be read ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("corpus.jsonl", '{"_id": "d5", "text": ', "it is not JSON (Expecting value"),
        ("corpus.jsonl", "[1]", "it is a JSON list"),
        ("corpus.jsonl", '{"_id": "d5", "body": "x"}', "it has no field 'text' (it has '_id', 'body')"),
        ("corpus.jsonl", '{"text": "x"}', "it has no field '_id' (it has 'text')"),
        ("corpus.jsonl", '{"_id": 5, "text": "x"}', "it has a '_id' that is 5"),
        ("corpus.jsonl", '{"_id": "", "text": "x"}', "it has an empty '_id'"),
        ("corpus.jsonl", '{"_id": "d5", "text": "x", "title": 3}', "it has a 'title' that is 3"),
        ("corpus.jsonl", '{"_id": "d2", "text": "x"}', "it has _id 'd2', as line 2 has"),
        ("queries.jsonl", '{"_id": "q1", "text": "x"}', "it has _id 'q1', as line 1 has"),
        ("queries.jsonl", '{"_id": "q9", "text": "x", "metadata": []}', "it has a 'metadata' that is []"),
        ("qrels/test.tsv", "q1\td9\t1", "judges document 'd9', which the corpus does not have"),
        ("qrels/test.tsv", "q9\td1\t1", "judges query 'q9', which queries.jsonl does not have"),
        ("qrels/dev.tsv", "q1\td1\t1", "judges query 'q1', which is of another split in queries.jsonl"),
        ("qrels/test.tsv", "q1\td1\t0", "judges 'd1' for 'q1' a second time"),
        ("qrels/test.tsv", "q2\td1\t0.5", "found 'q2\\td1\\t0.5'; expected query_id, doc_id, integer"),
        ("qrels/test.tsv", "q2 d1 1", "found 'q2 d1 1'; expected query_id, doc_id, integer"),
    ],
)
def test_a_broken_line_is_one_error_with_file_and_line(beir: Path, file: str, line: str, said: str) -> None:
    number = append(beir / file, line)
    with pytest.raises(RagkitError) as error:
        data.load(str(beir), split="dev" if "dev" in file else "test")
    assert str(error.value).startswith(f"{beir / file}, line {number}: {said}")
    with pytest.raises(RagkitError) as listed:
        data.check(str(beir))
    assert str(listed.value).startswith(f"{beir} has 1 problem:\n- {beir / file}, line {number}: {said}")


def test_judgments_in_trec_form_are_told_from_a_wrong_header(beir: Path) -> None:
    path = beir / "qrels" / "test.tsv"
    path.write_text("q1 0 d1 1\n")
    with pytest.raises(
        RagkitError, match=r"test\.tsv, line 1: found the header 'q1 0 d1 1'; expected .*TREC"
    ):
        data.load(str(beir))
    path.write_text("query\tdoc\tscore\nq1\td1\t1\n")
    with pytest.raises(RagkitError, match="line 1: found the header") as error:
        data.load(str(beir))
    assert "TREC" not in str(error.value)


def test_a_byte_that_is_not_utf8_is_named_by_line_and_offset(beir: Path) -> None:
    path = beir / "queries.jsonl"
    start = len(path.read_bytes())
    path.write_bytes(path.read_bytes() + '{"_id": "q5", "text": "caf\xe9"}\n'.encode("latin-1"))
    with pytest.raises(RagkitError, match=rf"line 5: byte 0xe9 at offset {start + 26} is not UTF-8"):
        data.load(str(beir))


def test_an_empty_corpus_and_missing_queries_are_named(beir: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RagkitError, match=r"empty holds no documents; expected a corpus\.jsonl, or files"):
        data.load(str(tmp_path / "empty"))
    (beir / "queries.jsonl").unlink()
    with pytest.raises(RagkitError, match=r"queries\.jsonl is missing"):
        data.load(str(beir))
    (beir / "corpus.jsonl").write_text("")
    with pytest.raises(RagkitError, match=r"corpus\.jsonl holds no documents"):
        data.load(str(beir))


def test_a_split_that_is_not_there_is_answered_with_those_that_are(beir: Path) -> None:
    with pytest.raises(RagkitError, match=r"has no split 'tset'; it has dev, test\."):
        data.load(str(beir), "tset")


@pytest.mark.parametrize("name", ["larkfeild", "Larkfield", "larkfield2"])
def test_a_misspelt_built_in_is_answered_with_its_name(name: str) -> None:
    with pytest.raises(RagkitError, match=r"There is no collection .* Did you mean larkfield"):
        data.load(name)


def test_a_misspelt_folder_and_a_misspelt_id_are_answered_with_near_ones(beir: Path) -> None:
    with pytest.raises(RagkitError) as error:
        data.load(str(beir.parent / "smal"))
    assert f"Did you mean {beir}?" in str(error.value)
    with pytest.raises(RagkitError, match=r"Did you mean .*beir/scifact"):
        data.load("beir/sci-fact")


def test_a_relative_path_is_from_the_current_folder(beir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(beir)
    assert formats.folder("../small") == beir
    with pytest.raises(RagkitError) as error:
        data.load("../qrxz")
    assert f"no folder {beir / '..' / 'qrxz'}" in str(error.value)
    with pytest.raises(RagkitError, match=r"corpus\.jsonl is a file; expected a folder"):
        data.load("corpus.jsonl")
    with pytest.raises(RagkitError, match="There is no collection ''"):
        data.load("")


def test_a_broken_prompts_file_is_named(beir: Path) -> None:
    (beir / "prompts.json").write_text('{"context": "Valves."}')
    assert data.load(str(beir)).context == "Valves."
    for broken in ("{", "[]", "{}"):
        (beir / "prompts.json").write_text(broken)
        with pytest.raises(RagkitError, match=r"prompts\.json: found .*; expected JSON with a"):
            data.load(str(beir))


# --- check and fingerprint --------------------------------------------------------------------------


def test_check_says_what_was_found(beir: Path) -> None:
    write_jsonl(beir / "corpus.jsonl", [*CORPUS[:3], {"_id": "d4", "title": "Pumps", "text": ""}])
    assert data.check(str(beir)).split("\n")[1:] == [
        "4 documents, 11 words with the titles; 1 without text, 0 with the text of another one",
        "split dev: 1 questions, 0 of them with no positive judgment; 1 judgments: 1 of grade 1",
        "split test: 3 questions, 1 of them with no positive judgment; "
        "5 judgments: 1 of grade 0, 2 of grade 1, 2 of grade 2",
        "2 rewordings",
    ]


def test_check_collects_problems_of_all_files_and_stops_at_twenty(beir: Path) -> None:
    append(beir / "corpus.jsonl", "{")
    append(beir / "queries.jsonl", "{}")
    append(beir / "qrels" / "dev.tsv", "q4\td8\t1")
    append(beir / "qrels" / "dev.tsv", "q4\td9\t1")
    append(beir / "variants.jsonl", "nonsense")
    with pytest.raises(RagkitError) as error:
        data.check(str(beir))
    first, *problems = str(error.value).split("\n")
    assert first == f"{beir} has 4 problems:"
    assert [problem.split(",")[0] for problem in problems] == [
        f"- {beir / file}" for file in ("corpus.jsonl", "queries.jsonl", "qrels/dev.tsv", "variants.jsonl")
    ]
    assert "judges document 'd8', which the corpus does not have (and 1 more such lines)" in problems[2]
    (beir / "corpus.jsonl").write_text("{\n" * 30)
    with pytest.raises(RagkitError, match="has 20 problems") as error:
        data.check(str(beir))
    assert str(error.value).endswith("There may be more: mend these and check again.")


def test_a_fingerprint_does_not_depend_on_where_the_folder_stands(beir: Path, tmp_path: Path) -> None:
    shutil.copytree(beir, tmp_path / "elsewhere")
    assert data.fingerprint(str(tmp_path / "elsewhere")) == data.fingerprint(str(beir))
    assert data.load(str(beir)).fingerprint == data.fingerprint(str(beir))
    assert len(data.fingerprint(str(beir))) == 64


@pytest.mark.parametrize(
    "file",
    [
        "corpus.jsonl",
        "queries.jsonl",
        "variants.jsonl",
        "messages.jsonl",
        "prompts.json",
        "qrels/dev.tsv",
        "readings.jsonl",
        "second_round.tsv",
    ],
)
def test_a_fingerprint_changes_with_what_a_run_depends_on(beir: Path, file: str) -> None:
    before = data.fingerprint(str(beir))
    with (beir / file).open("ab") as stream:
        stream.write(b" ")
    assert data.fingerprint(str(beir)) != before


def test_a_fingerprint_does_not_change_with_what_people_read_nor_with_recordings(beir: Path) -> None:
    before = data.fingerprint(str(beir))
    for file in ("README.md", "WORLD.md", "EXTENDING.md", "recordings.jsonl"):
        (beir / file).write_text("new")
    assert data.fingerprint(str(beir)) == before


def test_a_fingerprint_changes_with_the_text_and_the_name_of_a_document(documents: Path) -> None:
    seen = {data.fingerprint(str(documents))}
    (documents / "plain.txt").rename(documents / "renamed.txt")
    seen.add(data.fingerprint(str(documents)))
    (documents / "renamed.txt").write_text("other")
    seen.add(data.fingerprint(str(documents)))
    assert len(seen) == 3


# --- ir_datasets ------------------------------------------------------------------------------------


@pytest.fixture
def registered(tmp_path: Path) -> Iterator[str]:
    """A collection registered with ir_datasets itself, from files here: documents, splits train and test."""
    (tmp_path / "docs.tsv").write_text("d1\tA valve opens.\nd2\tA pump moves.\n")
    (tmp_path / "queries.tsv").write_text("q1\twhat opens\nq2\twhat moves\n")
    (tmp_path / "test.qrels").write_text("q1 0 d1 2\nq1 0 d2 0\n")
    (tmp_path / "train.qrels").write_text("q2 0 d2 1\n")
    docs, queries = str(tmp_path / "docs.tsv"), str(tmp_path / "queries.tsv")
    registry = ir_datasets.registry
    registry.register("ragkit-stub", ir_datasets.create_dataset(docs, queries))
    for split in ("test", "train"):
        qrels = str(tmp_path / f"{split}.qrels")
        registry.register(f"ragkit-stub/{split}", ir_datasets.create_dataset(docs, queries, qrels))
    yield "ragkit-stub"
    for name in ("ragkit-stub", "ragkit-stub/test", "ragkit-stub/train"):
        del registry._registered[name]


def test_an_ir_datasets_id_has_the_splits_below_it(registered: str) -> None:
    assert data.splits(registered) == ["test", "train"]
    assert tuned_on(registered) == "train"
    collection = data.load(registered, "test")
    assert collection.corpus == {"d1": "A valve opens.", "d2": "A pump moves."}
    assert collection.queries == {"q1": "what opens"}
    assert collection.qrels == {"q1": {"d1": 2, "d2": 0}}
    assert collection.context == "The documents are the collection ragkit-stub."
    assert data.load(registered, "train").queries == {"q2": "what moves"}


def test_an_ir_datasets_id_with_judgments_is_the_split_in_its_name_and_no_other(registered: str) -> None:
    assert data.load(f"{registered}/test").qrels == {"q1": {"d1": 2, "d2": 0}}
    assert tuned_on(f"{registered}/test") is None
    assert data.splits("vaswani") == ["test"]
    with pytest.raises(RagkitError, match=r"ragkit-stub/train has no split 'test'; it has train\."):
        data.load(f"{registered}/train")


def test_check_and_fingerprint_know_ir_datasets_ids(registered: str) -> None:
    assert "split train: 1 questions" in data.check(registered)
    assert data.fingerprint(registered) != data.fingerprint(f"{registered}/test")
    with pytest.raises(Unavailable, match="needs rewordings"):
        data.variants(data.load(registered))


def test_a_failed_download_is_one_error(registered: str, tmp_path: Path) -> None:
    (tmp_path / "docs.tsv").unlink()
    with pytest.raises(RagkitError, match=r"ir_datasets could not give ragkit-stub .*with a network"):
        data.load(registered)


# --- larkfield and the published collections --------------------------------------------------------


def test_larkfield_loads_with_what_is_known_of_it() -> None:
    collection = data.load("larkfield", "test")
    assert (len(collection.corpus), len(collection.queries), len(collection.answerable)) == (785, 423, 335)
    assert collection.context.startswith("The documents are the internal knowledge base of Larkfield Systems")
    assert collection.corpus["hr-leave-global-2024"].startswith("Annual leave: how many days, how to ask")
    assert collection.documents["hr-leave-global-2024"] == {
        "title": "Annual leave: how many days, how to ask, what carries over",
        "department": "people",
        "kind": "policy",
        "date": "2024-01-08",
        "status": "superseded",
        "audience": "all",
        "author": "People team Utrecht",
    }
    in_parts = [info for info in collection.query_info.values() if "parts" in info]
    assert {info["type"] for info in in_parts} == {"multi_hop", "aggregate"}
    assert len(in_parts) == 60 + 14
    assert len(data.variants(collection).queries) == 325
    assert tuned_on("larkfield") == "dev"


def test_larkfield_loads_and_is_fingerprinted_quickly() -> None:
    def seconds(action: Callable[[str], object]) -> float:
        """Of this process, the best of three: other processes and a cold disk are not the question."""
        taken = []
        for _ in range(3):
            start = time.process_time()
            action("larkfield")
            taken.append(time.process_time() - start)
        return min(taken)

    assert seconds(data.fingerprint) < 0.2
    assert seconds(data.load) < 0.6


@needs_published
@pytest.mark.parametrize("name", ["hotpotqa-sample", "nfcorpus", "scifact", "vaswani"])
def test_a_published_collection_has_the_counts_of_its_source(name: str) -> None:
    source = (PUBLISHED / name / "SOURCE.md").read_text(encoding="utf-8")
    counts = json.loads(source.split("```json\n")[1].split("```")[0])
    path = os.path.relpath(PUBLISHED / name)
    assert data.splits(path) == sorted(key.removeprefix("qrels_") for key in counts if "qrels" in key)
    for split in data.splits(path):
        start = time.process_time()
        collection = data.load(path, split)
        assert time.process_time() - start < 2
        expected = counts[f"qrels_{split}"]
        assert len(collection.corpus) == counts["docs"]
        assert len(collection.queries) == expected["queries"]
        assert len(collection.answerable) == expected["queries_with_positive"]
        assert sum(map(len, collection.qrels.values())) == expected["judgments"]
    parts = [info.get("parts") for info in collection.query_info.values()]
    assert all(len(p or []) == 2 for p in parts) == (name == "hotpotqa-sample")


def test_answers_of_another_kind_an_empty_question_and_a_binary_file_are_named(beir: Path) -> None:
    write_jsonl(
        beir / "queries.jsonl",
        [{"_id": "q1", "text": "a", "metadata": {"answers": 5}}, {"_id": "q2", "text": " "}],
    )
    with pytest.raises(RagkitError) as caught:
        data.check(str(beir))
    assert "queries.jsonl, line 1: query 'q1' has answers 5; expected a text or a list of texts" in str(
        caught.value
    )
    assert "queries.jsonl, line 2: query 'q2' has no text" in str(caught.value)
    (beir / "corpus.jsonl").unlink()
    (beir / "image.md").write_bytes(b"one\n\0\0")
    with pytest.raises(RagkitError, match=r"image\.md, line 2: holds a NUL byte"):
        data.check(str(beir))
