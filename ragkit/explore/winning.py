"""The widget of wins and losses: each question's difference between two recorded systems."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ragkit.explore import records, shown
from ragkit.explore.choosing import number_of, numbered, numbers_of, offered
from ragkit.significance import ROUNDING
from ragkit.types import Collection, RagkitError

SHOWN = 10  # documents of each ranking


class Wins:
    """Wins and losses of recorded runs: folders of records, of one collection; none: choose among all.

    The list is sorted by difference; choosing a question (click, or arrow keys) opens it, and choosing one
    of its documents shows that.
    """

    def __init__(self, folders: str | Path | Sequence[str | Path] = ()) -> None:
        self._folders = records.folders_of(folders)
        self.made: list[records.Made] = []
        self.collection: Collection | None = None
        self.gained: dict[str, float] = {}
        self._reading = False  # while the lists are filled, nothing is compared
        self._collections: dict[tuple[str, str], Collection] = {}
        self._make()
        made = self.look()
        if made:
            default = next((one for one in made if not one.parameters), made[0])
            self.runs.value = tuple(made) if folders else (default,)

    def _make(self) -> None:
        wide = {"width": "auto", "flex": "1 1 0", "min_width": "0"}  # a long line is cut, not the page
        self.runs = widgets.SelectMultiple(description="Runs", rows=5, layout=wide,
                                           tooltip="one run, or several of one collection")  # fmt: skip
        self.system = widgets.Dropdown(description="System", tooltip="whose wins and losses", layout=wide)
        self.baseline = widgets.Dropdown(description="against", tooltip="the other system", layout=wide)
        self.measure = widgets.Dropdown(description="Measure", tooltip="the measure of a question")
        self.again = widgets.Button(description="Look again", tooltip="read the folders of records again",
                                    layout={"width": "auto", "flex": "0 0 auto"})  # fmt: skip
        self.documents = widgets.Dropdown(
            description="Document", tooltip="show one of its documents", layout=wide
        )
        self.plot, self.status, self.opened = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.text = widgets.HTML()
        self.questions = widgets.Select(description="Questions", rows=10, layout=wide,
                                        tooltip="sorted by difference; choose one to open it")  # fmt: skip
        self.number, self.numbers = number_of(self.questions), numbers_of(self.runs)
        self.box = widgets.VBox([
            widgets.HBox([self.runs, self.numbers, self.again]),
            widgets.HBox([self.system, self.baseline, self.measure]), self.status, self.plot,
            widgets.HBox([self.questions, self.number]), self.documents, self.text, self.opened,
        ])  # fmt: skip
        self.runs.observe(lambda _: self._read(), "value")
        for control in (self.system, self.baseline, self.measure):
            control.observe(lambda _: self._compare(), "value")
        self.questions.observe(lambda _: self._open(), "value")
        self.documents.observe(lambda _: self._text(), "value")
        self.again.on_click(lambda _: self.look())

    def look(self) -> list[records.Made]:
        """Read the folders again; what there is."""
        made = records.found(self._folders)
        self.runs.options = numbered([(str(one), one) for one in made])
        self._clear()
        told = (
            f"{len(made)} runs; choose one" if made else "no record found; make one: python -m ragkit sweep"
        )
        self.status.value = shown.note(told)
        return made

    def _clear(self) -> None:
        self.made, self.gained = [], {}
        self._reading = True
        self.questions.options = self.documents.options = ()
        self._reading = False
        self.plot.value = self.opened.value = self.text.value = ""

    def _read(self) -> None:
        chosen, self._lacking = list(self.runs.value), ""
        if not chosen:
            return
        try:
            self._values = records.per_query(chosen)
            self.collection = self._asked(chosen[0])
        except (RagkitError, OSError) as error:  # of two collections, or a folder that was removed meanwhile
            self._clear()
            self.status.value = shown.note(str(error))
            return
        self.made = chosen
        if records.differ(chosen):
            self._lacking += "; documents or judgments changed between these runs: make them anew"
        outcome = self.made[0].run["outcome"]
        systems = list(dict.fromkeys(self._values["system"]))
        named = (outcome["baseline"], f"{self.made[0]}: {outcome['baseline']}")
        first = next((s for s in systems if s in named), systems[0])
        others = [system for system in systems if system != first]
        self._reading = True
        self.system.options = self.baseline.options = systems
        self.measure.options = list(dict.fromkeys(self._values["measure"]))
        self.measure.value = outcome["primary"]
        self.baseline.value, self.system.value = first, others[-1] if others else first
        self._reading = False
        self._compare()

    def _asked(self, made: records.Made) -> Collection | None:
        """The collection of the runs, kept; None where it is no more to be had: then ids are shown."""
        outcome = made.run["outcome"]
        name = (str(outcome["collection"]), str(outcome["split"]))
        if name not in self._collections:
            try:
                self._collections[name] = records.asked(made)
            except RagkitError as error:
                self._lacking = f"; only ids are shown: {error}"
                return None
        return self._collections[name]

    def _compare(self) -> None:
        if self._reading or not self.made:
            return
        names = (self.system.value, self.baseline.value)
        self.gained = records.differences(self._values, *names, self.measure.value)
        wins, losses = (sum(sign * d > ROUNDING for d in self.gained.values()) for sign in (1, -1))
        mean = sum(self.gained.values()) / max(1, len(self.gained))
        self.status.value = shown.note(
            f"{'; '.join(map(str, self.made))}: {len(self.gained)} questions: {wins} won, {losses} lost, "
            f"{len(self.gained) - wins - losses} ties; mean {mean:+.3f}"
            f"{self._lacking}"
        )
        self.plot.value = shown.bars(list(self.gained.values()), self.measure.value)
        asked = self.collection.queries if self.collection else {}
        self._reading = True
        lines = [
            (f"{d:+.3f}  {q}: {' '.join(asked.get(q, '').split())[:110]}", q) for q, d in self.gained.items()
        ]
        self.questions.options = offered("question", lines)
        self.documents.options = ()
        self.questions.value, self._reading = "", False
        self.opened.value = self.text.value = ""

    def _open(self) -> None:
        query_id = self.questions.value
        if not query_id or self._reading:
            return
        held = self.collection
        judged = held.qrels.get(query_id, {}) if held else {}
        text = held.queries.get(query_id, query_id) if held else query_id
        names = list(dict.fromkeys([self.system.value, self.baseline.value]))
        found = records.ranked(self.made, query_id)
        ranked = [found.get(name, []) for name in names]

        def line(doc_id: str) -> str:
            return shown.title(held, doc_id) if held else doc_id

        rows = [
            [n + 1, *(f"[{judged.get(d, '?')}] {line(d)}" for r in ranked for d in (r[n : n + 1] or [""]))]
            for n in range(min(SHOWN, max(map(len, ranked))))
        ]
        places = [
            [grade, line(d), *(r.index(d) + 1 if d in r else "not found" for r in ranked if rows)]
            for d, grade in sorted(judged.items(), key=lambda item: (-item[1], item[0]))
        ]
        lists = shown.table(rows, ["rank", *names], "Both rankings, [grade] (? not judged)")
        self.opened.value = (
            f"<p>{shown.heading(text)}</p>"
            + (lists if rows else shown.note("This record holds no rankings; run its notebook to have them."))
            + shown.table(
                places, ["grade", "document", *(f"rank in {n}" for n in names if rows)], "Judged documents"
            )
        )

        listed = dict.fromkeys([*(d for r in ranked for d in r[:SHOWN]), *judged])
        self._reading = True
        self.documents.options = offered("document", [(line(d), d) for d in listed if held])
        self.documents.value, self._reading = "", False
        self.text.value = ""

    def _text(self) -> None:
        doc_id, held = self.documents.value, self.collection
        if not doc_id or held is None or self._reading:
            return
        question = held.queries.get(str(self.questions.value), "")
        there = doc_id in held.corpus
        self.text.value = (
            shown.document(held, doc_id, question) if there else shown.note(f"{doc_id} is no more")
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.box._repr_mimebundle_(**kwargs)
