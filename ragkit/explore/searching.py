"""The search widget: a question, a collection, one or two systems side by side, and why."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets

from ragkit import formats
from ragkit.explore import shown
from ragkit.explore.choosing import number_of, offered
from ragkit.explore.engine import DEPTH, Engine, start
from ragkit.models import embedded
from ragkit.models import encoder as model
from ragkit.types import Collection, RagkitError, System

NONE = "none"
WIDE = {"width": "auto", "flex": "1 1 auto"}


class Search:
    """Search a collection, by name (it can be changed) or as it is; `systems` instead of its own three.

    `systems` are of this collection: another one that is opened is searched with the three again.
    Enter in the question, or the button, searches; the list "Why" explains a document that was found.
    `encoder`: the embedded one, another, or "" for keyword search alone. A collection is encoded when it
    is opened first, which takes about a minute for 3,000 passages; the vectors are kept.
    """

    def __init__(
        self,
        collection: str | Collection = "larkfield",
        systems: Mapping[str, System] | None = None,
        encoder: str = embedded.NAME,
    ) -> None:
        self._encoder, self._systems = encoder, systems
        self._first = collection.name if isinstance(collection, Collection) else collection
        self.engine: Engine | None = None
        self._opened = ""  # the collection, as its name stood when it was opened
        self.found: dict[str, dict[str, float]] = {}
        self._filling = False
        self._make()
        if isinstance(collection, Collection):
            self.collection.value, self.collection.disabled, self.open.disabled = collection.name, True, True
            self._opened = collection.name
            self._use(Engine(collection, model(encoder) if encoder else None, systems))
        else:
            self.collection.value = collection
            self._open()

    def _make(self) -> None:
        self.collection = widgets.Combobox(
            description="Collection", options=formats.built_in(), ensure_option=False,
            continuous_update=False, layout=WIDE,
            tooltip="a built-in collection, or a folder of Markdown, text or HTML files",
        )  # fmt: skip
        self.open = widgets.Button(description="Open", tooltip="read and index this collection")
        self.samples = widgets.Dropdown(description="Examples", tooltip="questions of this collection",
                                        layout={"width": "99%"})  # fmt: skip
        self.question = widgets.Text(
            description="Question", placeholder="type a question, then Enter", continuous_update=False,
            tooltip="the question to search for; Enter searches", layout=WIDE,
        )  # fmt: skip
        self.go = widgets.Button(description="Search", button_style="primary", tooltip="search (or Enter)")
        self.left = widgets.Dropdown(description="System", tooltip="the system of the left list")
        self.right = widgets.Dropdown(
            description="beside it", tooltip="the system of the right list, or none"
        )
        self.k = widgets.BoundedIntText(value=10, min=1, max=DEPTH, description="Results",
                                        tooltip="documents in a list", layout={"width": "11em"})  # fmt: skip
        self.status, self.progress = widgets.HTML(), widgets.Output()
        self.lists = [widgets.HTML(layout={"width": "50%", "padding": "0 .6em 0 0"}) for _ in range(2)]
        self.why = widgets.Select(description="Why", rows=6, layout=WIDE | {"min_width": "0"},
                                  tooltip="choose a document: why it was found, and its text")  # fmt: skip
        self.number = number_of(self.why)
        self.reasons = widgets.HTML()
        self.box = widgets.VBox([
            widgets.HBox([self.collection, self.open]), self.samples, widgets.HBox([self.question, self.go]),
            widgets.HBox([self.left, self.right, self.k]), self.status, self.progress,
            widgets.HBox(self.lists),
            widgets.HBox([self.why, self.number]), self.reasons,
        ])  # fmt: skip
        self.open.on_click(lambda _: self._open())
        self.go.on_click(lambda _: self._search())
        for control in (self.question, self.left, self.right, self.k):
            control.observe(lambda _: self._search(), "value")
        self.samples.observe(self._sample, "value")
        self.why.observe(lambda _: self._explain(), "value")

    def _open(self) -> None:
        name = self.collection.value
        self.status.value = shown.note(f"opening {name}: reading, indexing, encoding what is new ...")
        with self.progress:  # a bar of what is encoded, while it is
            try:
                engine = start(name, self._encoder, self._systems if name == self._first else None)
                self._opened = name
                self._use(engine)
            except Exception as error:  # whatever it is: who clicked sees nothing else of it
                self.status.value = shown.note(f"not opened: {error}")
        self.progress.clear_output()

    def _use(self, engine: Engine) -> None:
        self.engine, names = engine, list(engine.systems)
        self.found = {}
        held = engine.collection
        self._filling = True  # what a list chooses while it is filled is nobody's wish
        self.left.options, self.right.options = names, [NONE, *names]
        self.left.value, self.right.value = names[0], names[-1] if len(names) > 1 else NONE
        questions = [(" ".join(text.split())[:120], text) for text in list(held.queries.values())[:300]]
        self.samples.options = [("", ""), *questions]
        self.samples.layout.display = None if questions else "none"
        self.question.value = ""
        self._filling = False
        self._clear()
        self.status.value = shown.note(f"{len(held.corpus):,} documents; ask something")

    def _clear(self) -> None:
        for shown_list in self.lists:
            shown_list.value = ""
        self.why.options, self.reasons.value = (), ""

    def _sample(self, change: Any) -> None:
        if change["new"] and not self._filling:
            self.question.value = change["new"]

    def _search(self) -> None:
        if self._filling:
            return
        question = self.question.value
        name = " ".join(self._opened.split()) or "no collection"
        if self.engine is None or not question.strip() or self.collection.value != self._opened:
            self._clear()
            other = "press Open first" if self.collection.value != self._opened else "ask something"
            self.status.value = shown.note(f"{name} is open; {other}")
            return
        begin = time.perf_counter()
        names = [name for name in (self.left.value, self.right.value) if name not in (None, NONE)]
        try:
            found = {name: self.engine.search(question, name, self.k.value) for name in names}
        except RagkitError as error:
            self._clear()
            self.status.value = shown.note(str(error))
            return
        self.found, collection = found, self.engine.collection
        both = list(found)
        for n, place in enumerate(self.lists):
            beside = list(found[both[1 - n]]) if len(both) == 2 else None
            place.value = (
                shown.results(collection, question, both[n], found[both[n]], beside) if n < len(both) else ""
            )
            place.layout.width = "50%" if len(both) == 2 else "100%" if n == 0 else "0"
        documents = list(dict.fromkeys(doc_id for run in found.values() for doc_id in run))
        self._filling = True
        self.why.options = offered("document", [(shown.title(collection, d), d) for d in documents])
        self.why.value, self._filling = "", False
        self.reasons.value = ""
        shared = (
            f"; {len(set.intersection(*map(set, found.values())))} in both lists" if len(both) == 2 else ""
        )
        self.status.value = shown.note(
            f"{name}: {len(documents)} documents in {time.perf_counter() - begin:.2f} s{shared}"
        )

    def _explain(self) -> None:
        doc_id, question = self.why.value, self.question.value
        if self.engine is None or not doc_id or self._filling:
            return
        collection = self.engine.collection
        self.reasons.value = (
            shown.terms_table(self.engine.terms(question, doc_id))
            + shown.nearest(self.engine.best_sentence(question, doc_id))
            + shown.document(collection, doc_id, question)
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.box._repr_mimebundle_(**kwargs)
