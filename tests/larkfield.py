"""larkfield as several tests look at it: loaded once, its files, the tables of its data card."""

from functools import cache

from ragkit import data
from ragkit.types import Collection
from tests.project import CHECKOUT

HOME = CHECKOUT / "data" / "larkfield"


@cache
def larkfield() -> Collection:
    return data.load("larkfield", "test")


def card(heading: str) -> dict[str, list[int]]:
    """A table of the data card by the name of its first column: first cell of a row -> the numbers in it."""
    text = (HOME / "README.md").read_text(encoding="utf-8")
    table = text.split(f"\n| {heading} |", 1)[1].split("\n\n", 1)[0].split("\n")[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {first: [int(number.replace(",", "")) for number in numbers] for first, *numbers in cells}
