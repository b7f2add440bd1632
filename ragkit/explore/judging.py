"""The judging widget: one's own documents and questions, pooled from several systems, graded by key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ragkit import formats
from ragkit.explore import shown
from ragkit.explore.engine import Engine, start
from ragkit.explore.judgments import GRADES, Judgments, agreement, pool
from ragkit.models import embedded
from ragkit.types import RagkitError, System

DEPTH = 10  # documents that each system brings into the pool of a question
WIDE = {"width": "auto", "flex": "1 1 auto"}


class Judge:
    """Judge documents of a folder, question by question; every grade is saved at once.

    The box "Keys" takes 0, 1, 2 for grades, n and b for the next document and the one before, q for the
    next question; deleting the last letter goes back to the document it was typed for. `name`: who judges.
    `encoder` "": the pools are BM25's alone. `systems` make the pools of the folder that is opened first;
    another one has other documents.
    """

    def __init__(
        self,
        folder: str = "",
        systems: Mapping[str, System] | None = None,
        name: str = "me",
        split: str = "test",
        encoder: str = embedded.NAME,
    ) -> None:
        self._systems, self._split, self._encoder = systems, split, encoder
        self._first: Path | None = None  # the folder that `systems` search
        self.engine: Engine | None = None
        self.judgments: Judgments | None = None
        self.pools: dict[str, list[str]] = {}
        self._pooled: dict[str, str] = {}  # the questions that they were made for
        self.place = 0  # of the document shown, in the pool of its question
        self._filling = False
        self._typed = ""  # what of the keys has been done
        self._opened = ("", "")  # folder and name, as they stood when they were opened
        self._make()
        self.folder.value, self.name.value = folder, name
        if folder:
            self._open()
        else:
            self._say("Name a folder of Markdown, text or HTML files, then Open.")

    def _make(self) -> None:
        self.folder = widgets.Text(description="Folder", placeholder="/path/to/documents", layout=WIDE,
                                   tooltip="a folder of Markdown, text or HTML files")  # fmt: skip
        self.name = widgets.Text(description="Your name", tooltip="who judges: names the file of judgments",
                                 layout={"width": "16em"})  # fmt: skip
        self.open = widgets.Button(description="Open", tooltip="read the folder, and what is judged in it")
        self.new = widgets.Text(description="New", placeholder="a new question, then Enter",
                                tooltip="a new question; Enter or Add adds it", layout=WIDE,
                                continuous_update=False)  # fmt: skip
        self.add = widgets.Button(description="Add", tooltip="add this question")
        self.remove = widgets.Button(
            description="Remove",
            tooltip="withdraw the chosen question, if nobody has judged it",
            layout={"width": "auto", "flex": "0 0 auto"},
        )
        self.question = widgets.Dropdown(description="Question", tooltip="the question that is judged",
                                         layout=WIDE | {"min_width": "0"})  # fmt: skip
        self.keys = widgets.Text(description="Keys", placeholder="0 1 2 · n next · b back · q question",
                                 tooltip="type 0, 1 or 2 to grade, n next, b back, q next question",
                                 layout={"width": "24em"})  # fmt: skip
        self.grades = {
            grade: widgets.Button(
                description=shown.GRADES[grade],
                tooltip=f"grade this document {grade}",
                layout={"width": "auto", "flex": "0 0 auto"},
            )
            for grade in GRADES
        }
        self.back = widgets.Button(
            description="Back", tooltip="the document before (key b)", layout={"width": "6em"}
        )
        self.next = widgets.Button(
            description="Next", tooltip="the next document (key n)", layout={"width": "6em"}
        )
        self.status, self.asked, self.text = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.agreement, self.progress = widgets.HTML(), widgets.Output()
        self.box = widgets.VBox([
            widgets.HBox([self.folder, self.name, self.open]), widgets.HBox([self.new, self.add]),
            widgets.HBox([self.question, self.remove]), self.asked,
            widgets.HBox([self.keys, *self.grades.values(), self.back, self.next]),
            self.status, self.progress, self.text, self.agreement,
        ])  # fmt: skip
        self.open.on_click(lambda _: self._open())
        self.add.on_click(lambda _: self._add())
        self.remove.on_click(lambda _: self._remove())
        self.new.observe(lambda _: self._add(), "value")
        self.question.observe(lambda _: self._show(first=True), "value")
        self.keys.observe(self._key, "value")
        for grade, button in self.grades.items():
            button.on_click(partial(self._clicked, lambda grade=grade: self._grade(grade)))
        self.back.on_click(partial(self._clicked, lambda: self._step(-1)))
        self.next.on_click(partial(self._clicked, lambda: self._step(1)))

    def _clicked(self, action: Any, _: Any) -> None:
        action()
        self.keys.focus()  # on a button, Jupyter would take two zeros for "restart the kernel"

    def _say(self, text: str) -> None:
        self.status.value = shown.note(text)

    def _open(self) -> None:
        name = self.folder.value.strip()
        self.engine = self.judgments = None
        self.pools, self._pooled, self.question.options = {}, {}, ()
        self.text.value = self.asked.value = self.agreement.value = ""
        self._opened = (self.folder.value, self.name.value)
        self._say(f"opening {name}: reading, indexing, encoding what is new ...")
        with self.progress:  # a bar of what is encoded, while it is
            self._read(name)
        self.progress.clear_output()
        if self.judgments:
            self._offer(next((q for q in self.judgments.queries if self._left(q)), None))

    def _read(self, name: str) -> None:
        try:
            if not name:
                raise RagkitError("name a folder of Markdown, text or HTML files")
            where = formats.folder(name)
            if where is None or (where.parent == formats.BUILT_IN and where.name in formats.built_in()):
                raise RagkitError(f"{name} is no folder of your own; built-in collections are judged already")
            self.judgments = Judgments(where, self._split, self.name.value.strip())
            own = self._systems if where == (self._first or where) else None
            self.engine = start(str(where), self._encoder, own)
            self._fill()
            self._first = self._first or where
        except Exception as error:  # whatever it is: who clicked sees nothing else of it
            self.engine = self.judgments = None
            self._say(f"not opened: {error}")
            return
        self._say(f"{len(self.engine.collection.corpus):,} documents; add a question to judge ({where})")

    def _fill(self) -> None:
        """Make the pools that are not there yet: each system is asked all their questions at once."""
        assert self.engine
        assert self.judgments
        queries = {q: text for q, text in self.judgments.queries.items() if self._pooled.get(q) != text}
        if queries:
            runs = [system(queries) for system in self.engine.systems.values()]
            self.pools |= {q: pool(runs, q, DEPTH) for q in queries}
            self._pooled |= queries

    def _left(self, query_id: str) -> int:
        """How many documents of a question wait for this person."""
        assert self.judgments
        judged = self.judgments.mine.get(query_id, {})
        return sum(doc_id not in judged for doc_id in self.pools[query_id])

    def _offer(self, query_id: str | None) -> None:
        """List the questions, and show one of them."""
        assert self.judgments
        queries = self.judgments.queries
        self._filling = True  # what a list chooses while it is filled is nobody's wish
        self.question.options = [(f"{q}: {' '.join(text.split())[:150]}", q) for q, text in queries.items()]
        self.question.value = query_id or next(iter(queries), None)
        self._filling = False
        self._show(first=True)

    def _current(self) -> bool:
        """Whether what the fields name is what is open: nobody is to judge in another's name."""
        if self.judgments is not None and self._opened == (self.folder.value, self.name.value):
            return True
        self._say("press Open first: this folder, under this name, is not open")
        return False

    def _add(self) -> None:
        if not self.new.value.strip() or not self._current():
            return
        assert self.judgments
        try:
            query_id = self.judgments.add(self.new.value)
            self._fill()
        except (RagkitError, OSError) as error:  # a folder may be write-protected, or a disk full
            self._say(f"cannot be judged yet: {error}")
            return
        self.new.value = ""
        self._offer(query_id)
        self.keys.focus()

    def _remove(self) -> None:
        if not self._current() or self.question.value is None:
            return
        assert self.judgments
        query_id = str(self.question.value)
        try:
            self.judgments.remove(query_id)
        except (RagkitError, OSError) as error:
            self._say(f"not removed: {error}")
            return
        self._offer(None)

    def _key(self, change: Any) -> None:
        """Only what was added to the box is new: it is never cleared from here, so no key is lost."""
        text, before = str(change["new"]), self._typed
        self._typed = text
        for key in (new := added(before, text)):
            if key in "012":
                self._grade(int(key))
            elif key in "nNbB":
                self._step(1 if key in "nN" else -1)
            elif key in "qQ":
                self._next_question()
            else:
                self._say(f"{key!r} is none of the keys 0 1 2 n b q")
        if not new and before == text + before[-1:] and before[-1:] in tuple("012nN"):
            self._step(-1)
        elif text and not new and len(text) < len(before) - 1:
            self._say("nothing graded: several keys were deleted at once; b goes back")

    def _grade(self, grade: int) -> None:
        if not self._current():
            return
        doc_id = self._document()
        if self.judgments is None or doc_id is None:
            self._say("nothing to grade: choose the next question (key q), or add one")
            return
        try:
            self.judgments.grade(str(self.question.value), doc_id, grade)
        except (RagkitError, OSError) as error:
            if self._changed():
                self._refreshed()
            self._say(f"not saved: {error}")
            return
        self._step(1)

    def _document(self) -> str | None:
        if self.judgments is None or self.question.value is None:
            return None
        documents = self.pools[str(self.question.value)]
        return documents[self.place] if self.place < len(documents) else None

    def _step(self, by: int) -> None:
        if self.judgments is not None and self.question.value is not None:
            self.place = min(max(0, self.place + by), len(self.pools[str(self.question.value)]))
            self._show()

    def _next_question(self) -> None:
        if self.judgments is None or self.question.value is None:
            return
        before = [q for _, q in self.question.options]
        at = before.index(self.question.value) + 1
        if not self._refreshed():
            return
        names = list(self.judgments.queries)
        later = [q for q in names if q not in before[:at]] + [q for q in before[:at] if q in names]
        self._offer(next((q for q in later if self._left(q)), next(iter(later), None)))

    def _changed(self) -> bool:
        """Whether the question that is shown was removed meanwhile, or is another one now."""
        assert self.judgments
        query_id = str(self.question.value)
        return self._pooled.get(query_id) != self.judgments.queries.get(query_id)

    def _refreshed(self) -> bool:
        """Take in what others have added and removed; whether that could be read."""
        assert self.judgments
        try:
            self.judgments.refresh()
            self._fill()
        except (RagkitError, OSError) as error:
            self._say(f"cannot be judged yet: {error}")
            return False
        query_id = str(self.question.value)
        self._offer(query_id if query_id in self.judgments.queries else None)
        return True

    def _show(self, first: bool = False) -> None:
        """The document at `place`; with `first` the first one of the question that is not judged."""
        if self._filling:
            return
        if self.judgments is None or self.engine is None or self.question.value is None:
            self.asked.value = self.text.value = ""
            return
        if self._changed():
            self._refreshed()
            return
        query_id = str(self.question.value)
        documents, judged = self.pools[query_id], self.judgments.mine.get(query_id, {})
        if first:
            waiting = (n for n, d in enumerate(documents) if d not in judged)
            self.place = next(waiting, len(documents))
        text = self.judgments.queries[query_id]
        self.asked.value = shown.heading(text)
        done = sum(doc_id in judged for doc_id in documents)
        questions = sum(not self._left(q) for q in self.judgments.queries if q in self.pools)
        saved = f"{done} of {len(documents)} judged, saved in judgments/{self.judgments.name}.tsv"
        doc_id = self._document()
        if doc_id is None:
            what = "all judged" if done == len(documents) else "the end of the list"
            what = what if documents else "no system finds anything"
            self.text.value = ""
            self._say(f"{query_id}: {what}; {saved}; {questions} questions done. Key q: the next question.")
        else:
            grade = f", graded {judged[doc_id]}" if doc_id in judged else ""
            self.text.value = shown.document(self.engine.collection, doc_id, text)
            self._say(f"{query_id}, document {self.place + 1} of {len(documents)}{grade}; {saved}")
        for value, button in self.grades.items():
            button.button_style = "info" if doc_id is not None and judged.get(doc_id) == value else ""
        rows = [(a, b, n, alike, f"{value:.2f}" if value == value else "not defined")
                for a, b, n, alike, value in agreement(self.judgments.all)]  # fmt: skip
        head = ["one", "the other", "both judged", "alike", "Cohen's kappa"]
        told = "Agreement; where two differ, notebooks read the mean of their grades, rounded down"
        self.agreement.value = shown.table(rows, head, told) if rows else ""

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.box._repr_mimebundle_(**kwargs)


def added(before: str, after: str) -> str:
    """The keys that were typed between two states of the box: at its end, in it, or in place of all of it."""
    if len(after) == 1 < len(before) - 1 and not before.startswith(after):
        return after  # who comes by the Tab key has all of it chosen, and the next key replaces it
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    return after[start : len(after) - end]


def _alike(one: str, other: str) -> int:
    """How many letters two texts have in common from their beginning."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
