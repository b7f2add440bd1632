"""Lists that can be used with the keyboard: JupyterLab takes the arrow keys and letters of a list itself.

What is typed into a field it leaves alone. So beside each list there is a field for the number of an item.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets


def numbered(items: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Items of a list, each with its number in front of its label."""
    return [(f"{n}. {label}", value) for n, (label, value) in enumerate(items, start=1)]


def offered(what: str, items: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Numbered items under a line that stands for none: what is chosen already could not be clicked."""
    return [(f"choose a {what}", ""), *numbered(items)]


def number_of(chooser: widgets.Select) -> widgets.BoundedIntText:
    """A field that chooses in a list of `offered` items: a number, or the arrow keys up and down."""
    field = widgets.BoundedIntText(
        value=0, min=0, max=10**6, description=f"Number ({chooser.description})",
        style={"description_width": "initial"}, layout={"width": "14em", "flex": "0 0 auto"},
        tooltip=f"{chooser.description}: the number of an item; the arrow keys go up and down",
    )  # fmt: skip

    def choose(change: Any) -> None:
        if change["new"] < len(chooser.options):
            chooser.index = change["new"]
        else:
            field.value = chooser.index or 0  # there is no such item

    def follow(change: Any) -> None:
        field.value = change["new"] or 0

    field.observe(choose, "value")
    chooser.observe(follow, "index")
    return field


def numbers_of(chooser: widgets.SelectMultiple) -> widgets.Text:
    """A field that chooses in a list of `numbered` items: "1 3", then Enter."""
    field = widgets.Text(description=f"Numbers ({chooser.description})", placeholder="1 3, then Enter",
                         continuous_update=False, style={"description_width": "initial"},
                         layout={"width": "17em", "flex": "0 0 auto"},
                         tooltip=f"{chooser.description}: the numbers of items, then Enter")  # fmt: skip

    def choose(change: Any) -> None:
        words = change["new"].replace(",", " ").split()
        wanted = [int(word) - 1 for word in words if word.isdecimal()]
        chooser.index = tuple(n for n in wanted if 0 <= n < len(chooser.options))

    field.observe(choose, "value")
    return field
