"""What is searched and why it was found, how it is shown, and what judging leaves in a folder."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ragkit import data
from ragkit.explore import engine, judge, judgments, records, runs, search, shown, wins
from ragkit.explore.judging import added
from ragkit.types import Collection, Queries, RagkitError, Run, Unavailable, ranking, timed
from tests.project import CHECKOUT
from tests.toy import CORPUS, QUERIES, BagOfLetters

NASTY = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> &lt;b&gt; [click](javascript:alert(3)) "
    "<a href='javascript:alert(4)'>here</a> **bold** $\\href{javascript:alert(5)}{x}$ \" onload=\"alert(6)"
)


def collection(corpus: dict[str, str] = CORPUS, queries: dict[str, str] = QUERIES) -> Collection:
    return Collection(name="toy", split="test", context="", corpus=corpus, queries=queries, qrels={})


def toy(corpus: dict[str, str] = CORPUS) -> engine.Engine:
    return engine.Engine(collection(corpus), BagOfLetters())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"cat": "The cat sleeps", "dog": "A dog barks", "both": "cat and dog sleep"}.items():
        (tmp_path / f"{name}.md").write_text(f"# About {name}\n\n{text}\n")
    return tmp_path


def test_browser_tests_without_a_browsers_driver_are_skipped_with_a_message() -> None:
    alone = "import sys, pytest; sys.modules['playwright'] = None; sys.exit(pytest.main(sys.argv[1:]))"
    tests = Path(__file__).with_name("test_browser.py")
    command = [sys.executable, "-c", alone, "-rs", "-p", "no:cacheprovider", str(tests)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=tests.parent.parent)
    assert "1 skipped" in told.stdout, told.stdout
    assert "needs playwright" in told.stdout


# --- engine -----------------------------------------------------------------------------------------


def test_the_words_of_a_question_add_up_to_the_score_of_bm25() -> None:
    made = toy()
    score = made.search("the warm cat, the warm mat", "bm25", 10)["cat"]
    terms = made.terms("the warm cat, the warm mat", "cat")
    assert sum(terms.values()) == pytest.approx(score, rel=1e-6)
    assert next(iter(terms)) == "warm"  # said twice
    assert "the" not in terms  # a stop word counts nothing


def test_opening_loads_the_encoder_whatever_the_cache_of_questions_holds() -> None:
    anew: list[bool] = []

    class Noting(BagOfLetters):
        def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
            anew.append(timed())
            return super().queries(texts)

    opened = engine.Engine(collection(), Noting())
    anew.remove(False)  # the documents', which it encodes as it does questions
    assert anew == [True, True]  # for the vectors, and for the hybrid
    opened.search("cat", "dense", 1)
    assert anew == [True, True, False]


def test_words_of_one_stem_stand_together_and_a_word_that_is_not_there_adds_nothing() -> None:
    assert toy().terms("sleeps sleeping zymurgy", "dog") == {"sleeping, sleeps": 0.0, "zymurgy": 0.0}


def test_the_hybrid_is_the_sum_of_both_parts() -> None:
    made = toy()
    found = made.search("fish in cold water", "hybrid", 2)
    assert next(iter(found)) == "fish"
    assert found["fish"] == 1.0  # the best of both


def test_a_question_without_words_finds_nothing_and_an_unknown_system_is_refused() -> None:
    assert toy().search("  ", "bm25", 10) == {}
    with pytest.raises(RagkitError, match="expected one of bm25, dense, hybrid"):
        toy().search("cat", "colbert", 10)


def test_the_best_sentence_is_the_nearest_one_of_the_nearest_passage() -> None:
    made = toy({"a": "Zzz zzz. The cat sat. Qqq.", "empty": ""})
    sentence, cosine = made.best_sentence("the cat sat", "a") or ("", 0.0)
    assert sentence == "The cat sat."
    assert cosine == pytest.approx(1.0)
    assert made.best_sentence("cat", "empty") is None
    assert engine.Engine(collection(), None).best_sentence("cat", "cat") is None


def test_matches_are_words_of_the_same_stem_but_no_stop_words() -> None:
    text = "The CATS slept; a cat-copy, category"
    assert [text[a:b] for a, b in engine.matches(text, "the cat")] == ["CATS", "cat"]
    assert engine.matches(text, "the of") == []
    assert engine.matches("", "cat") == []


def test_a_snippet_is_the_first_stretch_with_most_different_words() -> None:
    text = "cat cat cat one two three four five six cat dog seven eight nine ten"
    start, end = engine.snippet(text, "cat dog", words=6)
    assert "cat dog" in text[start:end]
    assert len(text[start:end].split()) == 6
    assert engine.snippet("short", "cat", words=6) == (0, 5)
    start, end = engine.snippet(text, "nothing of it", words=6)
    assert text[start:end] == "cat cat cat one two three"


def test_moves_are_told_in_words() -> None:
    said = engine.moves(["a", "b", "c", "d"], ["c", "b", "a", "x"])
    assert said == {"a": "up 2", "b": "same place", "c": "down 2", "d": "only here"}


# --- what is shown ----------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The tags and attributes that a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_nothing_that_a_document_says_becomes_a_tag_or_an_attribute() -> None:
    held = collection({NASTY: f"{NASTY}\n{NASTY}"}, {NASTY: NASTY})
    held.documents[NASTY] = {"title": NASTY, "date": NASTY, "status": NASTY}
    pages = [
        shown.results(held, NASTY, NASTY, {NASTY: 1.0}, [NASTY]),
        shown.document(held, NASTY, "alert script href"),
        shown.nearest((NASTY, 0.5)),
        shown.terms_table({NASTY: 1.0}),
        shown.note(NASTY),
        shown.heading(NASTY),
        shown.marked(NASTY, "script alert onerror img lt"),
    ]
    allowed = {"section", "h4", "ol", "li", "b", "br", "span", "mark", "div", "p", "blockquote", "table",
               "caption", "thead", "tbody", "tr", "th", "td"}  # fmt: skip
    for page in pages:
        seen = Tags(page)
        assert seen.tags <= allowed
        assert seen.attributes <= {"style", "role", "aria-label", "aria-live", "tabindex", "scope",
                                   "data-lm-suppress-shortcuts"}  # fmt: skip
        assert "<script>alert(1)</script>" in " ".join(seen.text.split())


def test_a_click_on_a_bar_does_nothing_that_a_text_says() -> None:
    page = shown.bars([1.0, -0.5], NASTY)
    assert Tags(page).tags <= {"svg", "title", "rect", "line", "div"}
    assert {name for name in Tags(page).attributes if name.startswith("on")} == {"onclick"}
    click = re.compile('onclick="([^"]*)"')
    assert click.findall(page) == click.findall(shown.bars([0.25, 0.0], "RR"))
    assert len(click.findall(page)) == 1


def test_matching_words_are_marked_and_the_judged_grade_is_said() -> None:
    held = collection()
    held.qrels["q-cat"] = {"cat": 2}
    page = shown.results(held, QUERIES["q-cat"], "bm25", {"cat": 1.5, "dog": 1.0}, ["dog", "cat"])
    assert "<mark>cat</mark> <mark>sleeps</mark>" in page
    assert "score 1.500 · up 1 · judged 2" in page
    assert "nothing found" in shown.results(held, "x", "bm25", {}, None)


# --- the search widget ------------------------------------------------------------------------------


def test_a_search_shows_two_lists_and_explains_what_is_chosen() -> None:
    found = search(collection(), {"one": lambda q: {"q": {"cat": 2.0, "dog": 1.0}},
                                  "two": lambda q: {"q": {"dog": 1.0}}}, encoder="")  # fmt: skip
    found.question.value = "a dog barks"
    assert found.found == {"one": {"cat": 2.0, "dog": 1.0}, "two": {"dog": 1.0}}
    assert "up 1" in found.lists[1].value
    assert "2 documents" in found.status.value
    assert "1 in both lists" in found.status.value
    found.why.value = "dog"
    assert "<mark>dog</mark>" in found.reasons.value
    assert "BM25: what each word adds" in found.reasons.value
    found.right.value = "none"
    assert list(found.found) == ["one"]
    assert found.lists[1].value == ""
    found.question.value = ""
    assert found.lists[0].value == ""
    assert found.why.options == ()


def test_a_folder_is_opened_by_its_name_and_one_that_is_not_there_is_told(folder: Path) -> None:
    found = search(str(folder), encoder="")
    assert "3 documents" in found.status.value
    found.question.value = "barking"
    assert list(found.found["bm25"]) == ["dog.md"]
    found.collection.value = "larkfeld"
    found.open.click()
    assert "Did you mean larkfield?" in found.status.value
    found.go.click()  # nothing of another collection under this name
    assert found.lists[0].value == ""
    assert "press Open first" in found.status.value
    found.collection.value = str(folder)  # what was open before still is
    found.go.click()
    assert "dog.md" in found.lists[0].value


def test_systems_of_ones_own_search_the_collection_that_they_were_given_with(folder: Path) -> None:
    found = search(str(folder), {"mine": lambda queries: {q: {"both.md": 1.0} for q in queries}}, encoder="")
    for name, systems in ((str(folder), ("mine",)), ("larkfield", ("bm25",)), (str(folder), ("mine",))):
        found.collection.value = name
        found.open.click()
        assert found.left.options == systems
    found.question.value = "barking"
    assert found.found == {"mine": {"both.md": 1.0}}


def test_whatever_cannot_be_opened_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, panel = search(str(folder), encoder=""), judge(str(folder), encoder="")
    panel.new.value = "who barks?"

    def breaks(*_: object) -> engine.Engine:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr("ragkit.explore.searching.start", breaks)
    monkeypatch.setattr("ragkit.explore.judging.start", breaks)
    for one in (found, panel):
        one.open.click()
        assert "not opened: nobody thought of it" in one.status.value
    panel.keys.value = "2"
    assert grades(folder) == []


def test_a_question_of_the_collection_can_be_taken() -> None:
    found = search(collection(), encoder="")
    found.samples.value = QUERIES["q-dog"]
    assert found.question.value == QUERIES["q-dog"]
    assert list(found.found["bm25"]) == ["dog"]


def test_every_control_has_a_description_and_a_tooltip(folder: Path) -> None:
    for panel in (
        search(collection(), encoder=""),
        judge(str(folder), encoder=""),
        wins([folder]),
        runs([folder]),
    ):
        controls = [w for w in vars(panel).values() if hasattr(w, "description") and hasattr(w, "tooltip")]
        controls = [w for w in controls if type(w).__name__ != "HTML"]
        assert len(controls) >= 5
        assert all(w.description and w.tooltip for w in controls)


# --- judgments --------------------------------------------------------------------------------------


def test_judging_leaves_a_collection_that_can_be_loaded(folder: Path) -> None:
    made = judgments.Judgments(folder)
    first, second = made.add("who sleeps?"), made.add("who  barks?")
    assert (first, second) == ("q1", "q2")
    assert made.add("who barks?") == "q2"  # it is there already
    made.grade("q1", "cat.md", 2)
    made.grade("q1", "dog.md", 0)
    made.grade("q1", "cat.md", 1)  # a second thought
    loaded = data.load(str(folder))
    assert loaded.queries == {"q1": "who sleeps?", "q2": "who barks?"}
    assert loaded.qrels["q1"] == {"cat.md": 1, "dog.md": 0}
    assert not list(folder.rglob(".*"))  # nothing half-written stays
    again = judgments.Judgments(folder)
    assert again.mine == made.mine
    assert again.queries == made.queries


def test_questions_go_behind_those_that_are_there_and_keep_their_ids(folder: Path) -> None:
    (folder / "queries.jsonl").write_text('{"_id": "q2", "text": "old", "metadata": {"split": "dev"}}')
    made = judgments.Judgments(folder)
    assert made.queries == {}  # of another split
    assert made.add("new") == "q3"
    rows = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    assert [(row["_id"], row["metadata"]["split"]) for row in rows] == [("q2", "dev"), ("q3", "test")]


def judged_elsewhere(folder: Path) -> str:
    """Puts judgments there that nobody made here; returns the file's text."""
    official = "query-id\tcorpus-id\tscore\nq1\tcat.md\t1\n"
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text(official)
    return official


def test_judgments_that_were_not_made_here_are_never_replaced(folder: Path) -> None:
    made = judgments.Judgments(folder)
    made.add("who sleeps?")
    official = judged_elsewhere(folder)
    with pytest.raises(RagkitError, match=r"1 judgments that were not made here.*before\.tsv"):
        judgments.Judgments(folder)
    (folder / "judgments").mkdir()
    (folder / "judgments" / "before.tsv").write_text(official)
    assert judgments.Judgments(folder).all["before"] == {"q1": {"cat.md": 1}}


def test_a_document_that_has_gone_leaves_the_qrels_and_stays_in_the_judgments(folder: Path) -> None:
    made = judgments.Judgments(folder)
    made.grade(made.add("who?"), "cat.md", 2)
    made.grade("q1", "dog.md", 1)
    (folder / "cat.md").unlink()
    assert judgments.Judgments(folder).mine == {"q1": {"cat.md": 2, "dog.md": 1}}
    assert data.load(str(folder)).qrels == {"q1": {"dog.md": 1}}


def test_two_people_at_once_lose_nothing_and_the_doubtful_grade_is_the_lower(folder: Path) -> None:
    ada, bob = judgments.Judgments(folder, name="ada"), judgments.Judgments(folder, name="bob")
    query_id = ada.add("who sleeps?")
    ada.grade(query_id, "cat.md", 2)
    with pytest.raises(RagkitError, match="known question"):
        bob.grade("q9", "cat.md", 1)
    bob.grade(query_id, "cat.md", 1)  # a question that was added since
    bob.grade(query_id, "both.md", 0)
    ada.grade(query_id, "both.md", 1)
    assert data.load(str(folder)).qrels == {"q1": {"cat.md": 1, "both.md": 0}}


def test_two_windows_of_one_name_keep_the_grades_of_both(folder: Path) -> None:
    one, two = judgments.Judgments(folder), judgments.Judgments(folder)
    assert one.add("who sleeps?") == two.add("who sleeps?") == "q1"  # one question, not two
    one.grade("q1", "cat.md", 2)
    two.grade("q1", "dog.md", 0)
    one.grade("q1", "both.md", 1)
    assert judgments.Judgments(folder).mine == {"q1": {"cat.md": 2, "dog.md": 0, "both.md": 1}}
    assert one.mine == judgments.Judgments(folder).mine


def test_judgments_that_arrive_while_one_judges_are_not_replaced_either(folder: Path) -> None:
    made = judgments.Judgments(folder)
    made.add("who sleeps?")
    official = judged_elsewhere(folder)
    with pytest.raises(RagkitError, match="1 judgments that were not made here"):
        made.grade("q1", "dog.md", 2)
    assert (folder / "qrels" / "test.tsv").read_text() == official


def test_grades_that_were_changed_in_the_qrels_are_not_changed_back(folder: Path) -> None:
    made = judgments.Judgments(folder)
    made.grade(made.add("who sleeps?"), "cat.md", 1)
    qrels = folder / "qrels" / "test.tsv"
    qrels.write_text(mended := qrels.read_text().replace("cat.md\t1", "cat.md\t2"))
    with pytest.raises(RagkitError, match=r"1 grades are not those of .*\(q1, cat\.md is the first\)"):
        judgments.Judgments(folder)
    assert qrels.read_text() == mended


def test_what_is_judged_in_one_split_is_no_question_of_another(folder: Path) -> None:
    (folder / "queries.jsonl").write_text('{"_id": "q1", "text": "who sleeps?"}\n')  # it names no split
    judgments.Judgments(folder).grade("q1", "cat.md", 2)
    dev = judgments.Judgments(folder, split="dev")
    assert dev.queries == {}
    dev.grade(dev.add("who barks?"), "dog.md", 2)
    assert data.load(str(folder), "dev").qrels == {"q2": {"dog.md": 2}}
    assert judgments.Judgments(folder).queries == {"q1": "who sleeps?"}


def test_a_question_that_nobody_judged_can_be_withdrawn_and_no_grade_goes_to_another(folder: Path) -> None:
    made = judgments.Judgments(folder)
    made.grade(made.add("who sleeps?"), "cat.md", 2)
    made.remove(made.add("who flies?"))
    assert made.queries == judgments.Judgments(folder).queries == {"q1": "who sleeps?"}
    for query_id in ("q1", "q2"):  # judged; not there
        with pytest.raises(RagkitError, match="stays: expected a question that nobody has judged"):
            made.remove(query_id)
    (folder / "queries.jsonl").write_text("")  # by hand
    assert made.add("who barks?") == "q2"  # not q1, whose grades are still held
    assert judgments.Judgments(folder).queries == {"q2": "who barks?"}


def test_names_that_some_disks_take_for_one_are_refused(folder: Path) -> None:
    made = judgments.Judgments(folder, name="ada")
    made.grade(made.add("who sleeps?"), "cat.md", 2)
    with pytest.raises(RagkitError, match="'ada' judges here already; 'Ada' needs another name"):
        judgments.Judgments(folder, name="Ada")


def test_a_judged_folder_is_opened_without_writing_to_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = judgments.Judgments(folder)
    made.grade(made.add("who sleeps?"), "cat.md", 2)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full)
    again = judgments.Judgments(folder)
    assert again.mine == made.mine
    with pytest.raises(OSError, match="no space left"):
        again.grade("q1", "dog.md", 0)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")}.keys() == before.keys()


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0c"])
def test_what_only_splitlines_takes_for_a_line_end_is_none(folder: Path, odd: str) -> None:
    (folder / f"a{odd}b.md").write_text("The odd cat sleeps")
    asked = {"_id": "q1", "text": f"who{odd if odd != chr(12) else ' '}sleeps?"}
    (folder / "queries.jsonl").write_text(json.dumps(asked, ensure_ascii=False) + "\n")
    made = judgments.Judgments(folder)
    assert made.add("who barks?") == "q2"
    made.grade("q1", f"a{odd}b.md", 2)
    made.grade("q1", "cat.md", 1)
    expected = {f"a{odd}b.md": 2, "cat.md": 1}
    assert judgments.Judgments(folder).mine == {"q1": expected}
    assert data.load(str(folder)).qrels["q1"] == expected


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a/b"])
def test_a_name_that_is_no_file_name_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(RagkitError, match="expected letters"):
        judgments.Judgments(folder, name=name)


def test_a_broken_line_of_judgments_is_named(folder: Path) -> None:
    (folder / "judgments").mkdir()
    (folder / "judgments" / "me.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tcat.md\tgood\n")
    with pytest.raises(RagkitError, match=r"me\.tsv, line 2: found 'q1\\tcat\.md\\tgood'"):
        judgments.Judgments(folder)


def test_a_pool_holds_the_first_of_every_run_in_an_order_of_its_own() -> None:
    runs: list[Run] = [{"q": {"a": 3.0, "b": 2.0, "c": 1.0}}, {"q": {"d": 2.0, "a": 1.0}}, {}]
    pooled = judgments.pool(runs, "q", 2)
    assert sorted(pooled) == ["a", "b", "d"]  # c is third
    assert judgments.pool(runs[::-1], "q", 2) == pooled
    wide: list[Run] = [{q: {f"d{n}": float(-n) for n in range(10)} for q in ("q", "p")}]
    orders = {tuple(judgments.pool(wide, q, 10)) for q in ("q", "p")}
    assert (
        len(orders | {tuple(ranking(wide[0]["q"]))}) == 3
    )  # neither the ranking's, nor that of another question


def test_kappa_is_cohens() -> None:
    # a: 0 0 1 2, b: 0 1 1 2. Alike 3 of 4; by chance (2*1 + 1*2 + 1*1) / 16 = 5/16: (12 - 5) / (16 - 5)
    one = {"q": {"a": 0, "b": 0, "c": 1}, "p": {"a": 2, "x": 1}}
    other = {"q": {"a": 0, "b": 1, "c": 1}, "p": {"a": 2, "y": 0}}
    value, n, alike = judgments.kappa(one, other)
    assert value == pytest.approx(7 / 11)
    assert (n, alike) == (4, 3)
    assert math.isnan(judgments.kappa(one, {})[0])
    assert math.isnan(judgments.kappa({"q": {"a": 1}}, {"q": {"a": 1}})[0])  # always the same grade
    assert judgments.agreement({"b": other, "a": one, "c": {}}) == [("a", "b", 4, 3, value)]


# --- the judging widget -----------------------------------------------------------------------------


def grades(folder: Path, name: str = "me") -> list[str]:
    """The lines of a person's judgments as they lie on the disk."""
    path = folder / "judgments" / f"{name}.tsv"
    return path.read_text().splitlines()[1:] if path.is_file() else []


def test_grades_are_typed_and_saved_at_every_key(folder: Path) -> None:
    panel = judge(str(folder), encoder="")
    panel.new.value = "who sleeps, cat or dog?"
    pool = panel.pools["q1"]
    assert len(pool) == 3
    panel.keys.value = "2"
    assert grades(folder) == [f"q1\t{pool[0]}\t2"]
    panel.keys.value = "20"
    assert grades(folder) == [f"q1\t{pool[0]}\t2", f"q1\t{pool[1]}\t0"]
    panel.keys.value = "20b1"  # back to the second, and another grade; two keys in one message
    assert grades(folder) == [f"q1\t{pool[0]}\t2", f"q1\t{pool[1]}\t1"]
    panel.keys.value = "20b"  # a letter deleted: back to the document it graded
    panel.keys.value = "20b0"
    assert grades(folder)[1] == f"q1\t{pool[1]}\t0"
    panel.keys.value = "20b01"
    panel.keys.value = "20b012"  # nothing left: no grade is given to anything
    assert len(grades(folder)) == 3
    assert "nothing to grade" in panel.status.value
    panel.keys.value = ""
    assert len(grades(folder)) == 3


def test_grades_are_clicked_and_judging_goes_on_where_it_ended(folder: Path) -> None:
    panel = judge(str(folder), encoder="")
    panel.new.value = "cat or dog?"
    panel.new.value = "who barks?"
    assert panel.question.value == "q2"
    panel.grades[2].click()
    assert grades(folder) == ["q2\tdog.md\t2"]
    assert "all judged; 1 of 1 judged" in panel.status.value
    panel.keys.value = "q"
    assert panel.question.value == "q1"
    panel.grades[1].click()
    panel.next.click()
    again = judge(str(folder), encoder="")
    assert again.question.value == "q1"
    assert again.place == 1  # the first document was judged
    assert "1 of 3 judged" in again.status.value


def test_nobody_judges_under_a_name_or_in_a_folder_that_is_not_open(folder: Path) -> None:
    panel = judge(str(folder), name="ada", encoder="")
    panel.new.value = "cat or dog?"
    panel.name.value = "bob"
    panel.keys.value = "2"
    assert "press Open first" in panel.status.value
    assert not (folder / "judgments").exists()
    panel.open.click()
    panel.keys.value = "22"
    assert [path.name for path in (folder / "judgments").iterdir()] == ["bob.tsv"]
    panel.folder.value = str(folder.parent)
    panel.new.value = "who barks?"
    assert "press Open first" in panel.status.value
    assert "barks" not in (folder / "queries.jsonl").read_text()


def test_a_question_is_removed_while_nobody_has_judged_it(folder: Path) -> None:
    panel = judge(str(folder), encoder="")
    panel.new.value = "who barks?"
    panel.new.value = "half a que"
    panel.remove.click()
    assert [q for _, q in panel.question.options] == ["q1"]
    panel.keys.value = "2"
    panel.remove.click()
    assert "not removed" in panel.status.value
    panel.new.value = "who sleeps, cat or dog?"
    assert len(panel.pools["q2"]) == 3  # its own, not those of the one before


@pytest.mark.parametrize(("before", "after", "keys"), [
    ("01", "012", "2"), ("01", "0211", "21"), ("01", "201", "2"), ("0121", "2", "2"), ("0121", "01", ""),
    ("0121", "0", ""), ("012", "", ""), ("00", "000", "0"), ("1", "2", "2"),
])  # fmt: skip
def test_keys_are_taken_wherever_in_the_box_they_are_typed(before: str, after: str, keys: str) -> None:
    assert added(before, after) == keys


def test_two_names_see_their_agreement(folder: Path) -> None:
    for name, typed in (("ada", "012"), ("bob", "022")):
        panel = judge(str(folder), name=name, encoder="")
        panel.new.value = "cat or dog?"
        panel.question.value = "q1"
        panel.keys.value = typed
    # alike 2 of 3; by chance (1*1 + 1*0 + 1*2) / 9: (6 - 3) / (9 - 3) = 0.5
    assert "<td>ada</td><td>bob</td><td>3</td><td>2</td><td>0.50</td>" in panel.agreement.value


def test_what_cannot_be_judged_is_told(folder: Path, tmp_path: Path) -> None:
    panel = judge(encoder="")
    assert "Name a folder" in panel.status.value
    panel.keys.value = "2"
    panel.new.value = "nobody hears this"
    for name in ("larkfield", "nowhere at all", ""):
        panel.folder.value = name
        panel.open.click()
        assert "not opened" in panel.status.value
    assert grades(folder) == []


def test_what_cannot_be_written_is_told_and_not_taken_for_saved(folder: Path) -> None:
    panel = judge(str(folder), encoder="")
    panel.new.value = "who sleeps, cat or dog?"
    (folder / "judgments").write_text("a file where the folder has to be")
    panel.keys.value = "2"
    assert "not saved: " in panel.status.value
    assert panel.place == 0
    panel.next.click()
    panel.back.click()
    assert "graded" not in panel.status.value
    (folder / "judgments").unlink()
    panel.keys.value = "22"
    assert len(grades(folder)) == 1
    (folder / "queries.jsonl").unlink()
    (folder / "queries.jsonl").mkdir()
    panel.new.value = "who barks?"
    assert "cannot be judged yet: " in panel.status.value
    (folder / "queries.jsonl").rmdir()
    (folder / "qrels" / "test.tsv").unlink()
    (folder / "qrels").rmdir()
    (folder / "qrels").write_text("a file where the folder has to be")
    panel.open.click()
    assert "not opened: " in panel.status.value


def test_systems_of_ones_own_make_the_pool(folder: Path) -> None:
    panel = judge(str(folder), {"mine": lambda queries: {q: {"dog.md": 1.0} for q in queries}}, encoder="")
    panel.new.value = "anything"
    assert panel.pools["q1"] == ["dog.md"]


def test_a_system_is_asked_all_questions_at_once_and_none_again(folder: Path) -> None:
    made = judgments.Judgments(folder)
    for question in ("who sleeps?", "who barks?", "who swims?"):
        made.add(question)
    asked: list[list[str]] = []

    def mine(queries: Queries) -> Run:
        asked.append(list(queries))
        return {q: {"cat.md": 2.0, "dog.md": 1.0} for q in queries}

    panel = judge(str(folder), {"mine": mine}, encoder="")
    panel.new.value = "who flies?"
    panel.keys.value = "012q01q"
    assert asked == [["q1", "q2", "q3"], ["q4"]]


def test_a_system_that_is_not_to_be_had_is_told_when_the_folder_is_opened(folder: Path) -> None:
    made = judgments.Judgments(folder)
    made.add("who sleeps?")
    lacking = True

    def mine(queries: Queries) -> Run:
        if lacking:
            raise Unavailable("needs a key")
        return {q: {"cat.md": 2.0} for q in queries}

    panel = judge(str(folder), {"mine": mine}, encoder="")
    assert "not opened: needs a key" in panel.status.value
    panel.keys.value = "2"
    assert grades(folder) == []
    lacking = False
    panel.open.click()
    lacking = True
    panel.new.value = "who barks?"
    assert "needs a key" in panel.status.value
    assert panel.question.value == "q1"
    panel.keys.value = "2q"
    assert "needs a key" in panel.status.value
    lacking = False
    panel.keys.value = "2qq"  # the question was saved, and is asked now
    assert panel.question.value == "q2"
    assert panel.pools["q2"] == ["cat.md"]


def test_a_question_that_somebody_else_adds_is_judged_too(folder: Path) -> None:
    panel = judge(str(folder), encoder="")
    panel.new.value = "who barks?"
    judgments.Judgments(folder, name="bob").add("who sleeps, cat or dog?")
    panel.keys.value = "2q"
    assert panel.question.value == "q2"
    assert "q2, document 1 of 3" in panel.status.value


def test_no_grade_goes_to_a_question_that_took_the_place_of_the_one_shown(folder: Path) -> None:
    panel = judge(str(folder), encoder="")
    panel.new.value = "who barks?"
    panel.new.value = "who sleeps?"
    other = judgments.Judgments(folder, name="bob")
    other.remove("q2")
    assert other.add("cat or dog?") == "q2"
    panel.keys.value = "2"
    assert "was removed, or is another question now" in panel.status.value
    assert [label for label, _ in panel.question.options] == ["q1: who barks?", "q2: cat or dog?"]
    assert len(panel.pools["q2"]) == 3
    assert grades(folder) == []
    panel.question.value = "q2"
    other.remove("q2")
    panel.keys.value = "22"
    assert "was removed" in panel.status.value
    assert panel.question.value == "q1"
    assert [q for _, q in panel.question.options] == ["q1"]


def test_key_q_goes_on_to_what_somebody_else_has_asked(folder: Path) -> None:
    panel = judge(str(folder), encoder="")
    panel.new.value = "who barks?"
    judgments.Judgments(folder, name="bob").add("cat or dog?")
    panel.keys.value = "q"
    assert panel.question.value == "q2"
    assert "q2, document 1 of 3" in panel.status.value
    panel.keys.value = "q7"
    assert "&#x27;7&#x27; is none of the keys" in panel.status.value


def test_a_folder_that_is_renamed_while_it_is_open_is_not_made_anew(folder: Path) -> None:
    (folder / "notes").mkdir()
    (folder / "notes" / "cat.md").write_text("A cat")
    panel = judge(str(folder / "notes"), encoder="")
    panel.new.value = "cat?"
    (folder / "notes").rename(folder / "moved")
    for control, typed in ((panel.keys, "2"), (panel.new, "another cat?")):
        control.value = typed
        assert "is no more (renamed, or moved?)" in panel.status.value
    assert not (folder / "notes").exists()


def test_systems_of_ones_own_do_not_judge_another_folder(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "fish.md").write_text("A fish swims")
    panel = judge("", {"mine": lambda queries: {q: {"dog.md": 1.0} for q in queries}}, encoder="")
    panel.folder.value = str(folder)
    panel.open.click()
    assert panel.engine
    assert list(panel.engine.systems) == ["mine"]
    panel.folder.value = str(other)
    panel.open.click()
    panel.new.value = "who swims?"
    assert panel.pools["q1"] == ["fish.md"]


def test_a_document_full_of_markup_is_shown_as_text(folder: Path) -> None:
    (folder / "nasty.md").write_text(f"# <b>Bold</b> title\n\n{NASTY}\n")
    panel = judge(str(folder), encoder="")
    panel.new.value = "<i>alert script</i>"
    for page in (panel.text.value, panel.asked.value, panel.status.value):
        assert not Tags(page).tags & {"script", "img", "a", "i"}
    assert "<script>alert(1)</script>" in Tags(panel.text.value).text


# --- recorded runs ----------------------------------------------------------------------------------


def a_record(folder: Path, system: str, values: dict[str, float], changed: dict[str, object]) -> Path:
    """A finished run of 12_toy: a baseline that is always 0.5, and a system with these values."""
    folder.mkdir(parents=True)
    rows = [
        (name, q, "nDCG@10", v) for q, value in values.items() for name, v in (("base", 0.5), (system, value))
    ]
    pd.DataFrame(rows, columns=["system", "query_id", "measure", "value"]).to_parquet(
        folder / "per_query.parquet"
    )
    nan = float("nan")
    results = [("base", 0.5, nan, nan, nan, nan, "baseline"), (system, 0.6, 0.1, 0.05, 0.15, 0.01, "better")]
    columns = ["system", "value", "difference", "low", "high", "p_holm", "verdict"]
    table = pd.DataFrame(results, columns=columns).assign(measure="nDCG@10", type="all", n=len(values))
    table.to_parquet(folder / "results.parquet")
    pd.DataFrame({"system": ["base"]}).to_parquet(folder / "costs.parquet")
    outcome: dict[str, object] = {"baseline": "base", "primary": "nDCG@10", "headline": None, "facts": {},
                                  "collection": "nowhere", "split": "test"}  # fmt: skip
    run = {"notebook": "12_toy", "key": "ab" * 32, "started": "2026-01-01T00:00:00.000+00:00",
           "outcome": outcome, "default": not changed, "changed": changed,
           "parameters": {"seed": 0, "k": 10} | changed}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def test_records_are_found_whole_and_chosen_by_words(tmp_path: Path) -> None:
    a_record(tmp_path / "12_toy" / "one", "new", {"q": 1.0}, {})
    a_record(tmp_path / "12_toy" / "two", "new", {"q": 1.0}, {"seed": 1})
    a_record(tmp_path / "12_toy" / ".tmp-three", "new", {"q": 1.0}, {})
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "run.json").write_text("{")
    made = records.found([tmp_path])
    assert sorted(one.folder.name for one in made) == ["one", "two"]
    assert [one.folder.name for one in records.chosen(made, "12_toy", "nowhere", "seed=1 k=10")] == ["two"]
    assert records.chosen(made, "", "", "") == made
    assert [one.folder.name for one in records.chosen(made, "", "", "seed=1")] == ["two"]
    assert records.chosen(made, "", "", "k=1") == []  # not k=10
    assert len(records.chosen(made, "", "", "seed")) == 2
    assert records.chosen(made, "13_other", "", "") == records.chosen(made, "", "larkfield", "") == []
    assert records.found([tmp_path / "not there"]) == []
    (tmp_path / "12_toy" / "two" / "run.json").write_text("{}")  # somebody else's
    assert [one.folder.name for one in records.found([tmp_path])] == ["one"]
    assert (
        len(wins(str(tmp_path)).runs.options) == len(runs(tmp_path).runs.options) == 1
    )  # one, not its letters


def test_differences_are_sorted_and_of_questions_that_both_have() -> None:
    rows = [("a", "q1", "RR", 1.0), ("a", "q2", "RR", 0.25), ("a", "q3", "RR", 0.5), ("a", "q4", "RR", 0.5),
            ("b", "q1", "RR", 0.5), ("b", "q2", "RR", 1.0), ("b", "q3", "RR", 0.0),
            ("a", "q1", "F1", 0.0)]  # fmt: skip
    values = pd.DataFrame(rows, columns=["system", "query_id", "measure", "value"])
    gained = records.differences(values, "a", "b", "RR")
    assert list(gained.items()) == [("q1", 0.5), ("q3", 0.5), ("q2", -0.75)]
    assert records.differences(values, "a", "nobody", "RR") == {}


def test_wins_opens_a_question_and_says_what_it_lacks(tmp_path: Path) -> None:
    one = a_record(tmp_path / "one", "new", {"q1": 1.0, "q2": 0.25, "q3": 0.5}, {})
    panel = wins([one])
    assert panel.gained == {"q1": 0.5, "q3": 0.0, "q2": -0.25}
    assert "3 questions: 1 won, 1 lost, 1 ties; mean +0.083" in panel.status.value
    assert panel.plot.value.count("<rect") == 3
    panel.questions.value = "q2"
    assert "holds no rankings" in panel.opened.value
    rankings = pd.DataFrame(
        [("new", "q2", NASTY, 1, 2.0)], columns=["system", "query_id", "doc_id", "rank", "score"]
    )
    rankings.to_parquet(one / "rankings.parquet")
    panel = wins([one])
    panel.questions.value = "q2"
    assert Tags(panel.opened.value).tags <= {"p", "b", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert "<script>alert(1)</script>" in Tags(panel.opened.value).text
    panel.system.value = "base"
    assert set(panel.gained.values()) == {0.0}


def test_wins_shows_a_document_and_what_was_removed_or_changed_meanwhile(
    folder: Path, tmp_path: Path
) -> None:
    made = judgments.Judgments(folder)
    made.grade(made.add("who sleeps?"), "cat.md", 2)
    runs_of = [tmp_path / ".records" / name for name in ("one", "two")]
    for place, judged in zip(runs_of, ("before", "after"), strict=True):
        a_record(place, "new", {"q1": 1.0}, {})
        run = json.loads((place / "run.json").read_text())
        run["outcome"]["collection"], run["parts"] = str(folder), {"collection": judged}
        (place / "run.json").write_text(json.dumps(run))
    panel = wins(runs_of)
    assert "judgments changed between these runs" in panel.status.value
    panel.runs.index = (0,)
    assert "changed between" not in panel.status.value
    panel.questions.value = "q1"
    panel.documents.value = "cat.md"
    assert "The cat <mark>sleeps</mark>" in panel.text.value
    for place in runs_of:
        shutil.rmtree(place)
    panel.runs.index = (1,)
    assert "is no more; look again" in panel.status.value
    assert panel.questions.options == ()
    panel.again.click()
    assert "no record found" in panel.status.value


def test_rankings_are_those_of_the_question_best_first(tmp_path: Path) -> None:
    folders = [a_record(tmp_path / name, "new", {"q1": 1.0}, {"seed": n})
               for n, name in enumerate(("one", "two"))]  # fmt: skip
    rows = [("new", "q1", "worse", 2, 9.0), ("new", "q1", "best", 1, 9.0), ("new", "q2", "other", 1, 3.0),
            ("base", "q1", "best", 1, 0.5)]  # fmt: skip
    columns = ["system", "query_id", "doc_id", "rank", "score"]
    pd.DataFrame(rows, columns=columns).to_parquet(folders[0] / "rankings.parquet")
    one, two = (records.found([folder])[0] for folder in folders)
    assert records.ranked([one], "q1") == {"new": ["best", "worse"], "base": ["best"]}
    assert records.ranked([one], "q3") == records.ranked([two], "q1") == {}
    assert records.ranked([one, two], "q2") == {f"{one}: new": ["other"]}


def test_the_baseline_is_the_system_of_that_name_not_one_that_ends_so(tmp_path: Path) -> None:
    one = a_record(tmp_path / "one", "tuned base", {"q1": 1.0}, {})
    values = pd.read_parquet(one / "per_query.parquet")
    values.iloc[::-1].to_parquet(one / "per_query.parquet")  # "tuned base" first
    panel = wins([one])
    assert (panel.system.value, panel.baseline.value) == ("tuned base", "base")


def test_rewordings_that_cannot_be_read_are_told(folder: Path, tmp_path: Path) -> None:
    made = judgments.Judgments(folder)
    made.grade(made.add("who sleeps?"), "cat.md", 2)
    one = a_record(tmp_path / ".records" / "one", "new", {"q1": 1.0}, {})
    run = json.loads((one / "run.json").read_text())
    run["outcome"]["collection"] = str(folder)
    (one / "run.json").write_text(json.dumps(run))
    assert "ids" not in wins([one]).status.value  # no rewordings at all: nothing is wrong
    (folder / "variants.jsonl").write_text("{")
    assert "only ids are shown" in (told := wins([one]).status.value)
    assert "variants.jsonl, line 1: it is not JSON" in told


def test_wins_of_two_runs_names_the_systems_after_them(tmp_path: Path) -> None:
    folders = [a_record(tmp_path / name, "new", {"q1": value}, {"seed": n})
               for n, (name, value) in enumerate([("one", 1.0), ("two", 0.0)])]  # fmt: skip
    panel = wins(folders)
    assert len(panel.system.options) == 4
    panel.system.value = next(s for s in panel.system.options if "seed=0" in s and s.endswith("new"))
    panel.baseline.value = next(s for s in panel.system.options if "seed=1" in s and s.endswith("new"))
    assert panel.gained == {"q1": 1.0}
    other = json.loads((folders[1] / "run.json").read_text())
    other["outcome"]["split"] = "dev"
    (folders[1] / "run.json").write_text(json.dumps(other))
    assert "one collection and split" in wins(folders).status.value
    assert "no record found" in wins([tmp_path / "none"]).status.value


def test_runs_are_filtered_and_compared(tmp_path: Path) -> None:
    a_record(tmp_path / "one", "new", {"q": 1.0}, {})
    panel = runs([tmp_path])
    assert "1 of 1 runs" in panel.status.value
    a_record(tmp_path / "two", "<i>newer</i>", {"q": 1.0}, {"seed": 1})
    (tmp_path / "two" / "notebook.ipynb").touch()
    panel.again.click()
    assert "2 of 2 runs" in panel.status.value
    panel.parameters.value = "seed=1"
    assert "1 of 2 runs" in panel.status.value
    panel.runs.index = (0,)
    assert "<td>&lt;i&gt;newer&lt;/i&gt;</td>" in panel.table.value
    assert "<td>+0.100</td><td>+0.050 to +0.150</td><td>0.0100</td><td>better</td>" in panel.table.value
    assert "<code>" in panel.links.value  # no server here: the path
    shutil.rmtree(tmp_path / "two")
    panel.runs.index = ()
    panel.runs.index = (0,)
    assert "look again" in panel.status.value
    panel.notebook.value = "12_toy"
    panel.parameters.value = "seed=7"
    assert panel.runs.options == ()
    assert panel.table.value == ""


def test_a_published_run_on_another_collection_is_called_published_and_opens_no_other_runs_notebook(
    tmp_path: Path,
) -> None:
    def made(folder: Path, **changed: str) -> records.Made:
        outcome = {"collection": changed.get("collection", "larkfield")}
        run = {"notebook": "12_hybrid", "started": "2026", "outcome": outcome, "changed": changed}
        return records.Made(folder, run)

    default, second = tmp_path / "published" / "12_hybrid", tmp_path / "published" / "pydocs" / "12_hybrid"
    assert str(made(default)) == "12_hybrid · larkfield · published"
    assert made(default).executed == CHECKOUT / "notebooks" / "12_hybrid.ipynb"
    of_second = made(second, collection="pydocs")
    assert str(of_second) == "12_hybrid · pydocs · collection=pydocs · published"
    assert of_second.executed is None
    own = second / "notebook.ipynb"
    own.parent.mkdir(parents=True)
    own.touch()
    assert of_second.executed == own
