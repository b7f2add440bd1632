"""The widget of recorded runs: filtered, compared, opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from ragkit.explore import records, shown
from ragkit.explore.choosing import numbered, numbers_of
from ragkit.types import RagkitError

ANY = ("any", "")


class Runs:
    """Every recorded run in data/runs and data/published (or in `folders`); those chosen are compared.

    The filter of parameters takes words that must all occur, as "precision=bf16 seed=1".
    """

    def __init__(self, folders: str | Path | Sequence[str | Path] = ()) -> None:
        self._folders = records.folders_of(folders)
        self._make()
        self.look()

    def _make(self) -> None:
        wide = {"width": "auto", "flex": "1 1 0", "min_width": "0"}  # a long line is cut, not the page
        self.notebook = widgets.Dropdown(description="Notebook", tooltip="runs of this notebook")
        self.collection = widgets.Dropdown(description="Collection", tooltip="runs on this collection")
        self.parameters = widgets.Text(description="Parameters", placeholder="precision=bf16 seed=1",
                                       tooltip="words that the parameters must hold")  # fmt: skip
        self.again = widgets.Button(description="Look again", tooltip="read the folders of records again")
        self.runs = widgets.SelectMultiple(description="Runs", rows=8, layout=wide,
                                           tooltip="choose one or several runs to compare them")  # fmt: skip
        self.numbers = numbers_of(self.runs)
        self.status, self.table, self.links = widgets.HTML(), widgets.HTML(), widgets.HTML()
        filters = widgets.HBox([self.notebook, self.collection, self.parameters, self.again])
        self.box = widgets.VBox(
            [filters, self.status, widgets.HBox([self.runs, self.numbers]), self.links, self.table]
        )
        self.again.on_click(lambda _: self.look())
        for control in (self.notebook, self.collection, self.parameters):
            control.observe(lambda _: self._filter(), "value")
        self.runs.observe(lambda _: self._compare(), "value")

    def look(self) -> None:
        """Read the folders again."""
        self.made = records.found(self._folders)
        for control, names in (
            (self.notebook, {one.notebook for one in self.made}),
            (self.collection, {one.collection for one in self.made}),
        ):
            before = control.value
            control.options = [ANY, *((name, name) for name in sorted(names))]
            control.value = before if before in names else ""
        self._filter()

    def _filter(self) -> None:
        wanted = (self.notebook.value or "", self.collection.value or "", self.parameters.value)
        kept = records.chosen(self.made, *wanted)
        self.runs.options = numbered([(str(one), one) for one in kept])
        self.numbers.value = ""
        self.table.value = self.links.value = ""
        self.status.value = shown.note(f"{len(kept)} of {len(self.made)} runs")

    def _compare(self) -> None:
        made = list(self.runs.value)
        head = ["run", "system", "measure", "value", "difference", "95 % interval", "p (Holm)", "verdict"]
        try:
            self.table.value = shown.table(records.compared(made), head, "Compared") if made else ""
        except (RagkitError, OSError) as error:  # its folder was removed meanwhile
            self.table.value = self.links.value = ""
            self.status.value = shown.note(f"{error}; look again")
            return
        self.links.value = shown.links(
            [(str(one), records.address(own), own) for one in made if (own := one.executed)]
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.box._repr_mimebundle_(**kwargs)
