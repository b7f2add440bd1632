"""nbval over every committed notebook, numbers compared with a tolerance (loaded by pyproject.toml).

What a question costs is measured with 5 questions here, not with up to 100: nothing is compared with it.
A pytest plugin, since a conftest.py would only see the files beside it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from tests.expected import GATE_WITHIN, GATES

COUNTS = re.compile(r"(?P<counts>\d+/\d+/\d+)|(?P<number>[-+]?\d+(?:\.\d+)?)")
FEW = """
def few(costs):
    def of(systems, collection, indexes, questions=100, seed=0):
        return costs(systems, collection, indexes, min(questions, 5), seed)
    return of
from ragkit import evaluate
evaluate.costs = few(evaluate.costs)
del few, evaluate
"""
TOLERANCE = {"counts": 2.0, "p": 0.01, "float": 0.005, "whole": 0.0}
LONGEST = ["20_chunking", "74_robust_or_precise", "30_reranking", "test_access_larkfield", "41_hyde",
           "60_answers", "42_feedback", "test_sweep", "test_main", "52_semantic_cache", "80_judgments",
           "71_users", "test_significance", "test_browser"]  # fmt: skip


class Tolerant(str):
    """A text that equals another when the words agree and the numbers nearly do.

    Whole numbers are exact, wins/losses/ties within 2, numbers of four decimals (p) within 0.01, other
    decimals within 0.005: rankings of near-ties differ between processors.
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and _words(self) == _words(other) and all(
            abs(a - b) <= TOLERANCE[kind] + 1e-9
            for (kind, a), (_, b) in zip(_numbers(self), _numbers(other), strict=True)
        )  # fmt: skip

    def __ne__(self, other: object) -> bool:
        return not self == other


def _words(text: str) -> list[str]:
    """What is not a number: spaces and rules of dashes only make columns as wide as their numbers."""
    shape = COUNTS.sub(lambda m: "#/#/#" if m["counts"] else f"#{len(m[0].partition('.')[2])}", text)
    return re.sub(r"(?<=\s)-{3,}", "", shape).split()


def _numbers(text: str) -> Iterator[tuple[str, float]]:
    for match in COUNTS.finditer(text):
        if match["counts"]:
            yield from (("counts", float(n)) for n in match[0].split("/"))
        else:
            decimals = len(match[0].partition(".")[2])
            yield "whole" if decimals == 0 else "p" if decimals == 4 else "float", float(match[0])


class Cell(IPyNbCell):  # type: ignore[misc]
    def sanitize(self, text: Any) -> Any:
        cleaned = super().sanitize(text)
        return Tolerant(cleaned) if isinstance(cleaned, str) else cleaned


class Gate(pytest.Item):
    """After the last cell: the headline numbers of this very run against tests/expected.yaml."""

    def runtest(self) -> None:
        folder = self.parent.folder  # type: ignore[union-attr]
        wrong = [line for line in gate(folder, GATES[self.path.stem]) if "FAIL" in line]
        assert not wrong, "\n".join(wrong)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.path.stem}: headline numbers"


def gate(folder: Path, expected: dict[str, float]) -> Iterator[str]:
    """A line for each expected number of a run's record: measured, expected, and OK or FAIL."""
    import pandas as pd

    if not (folder / "outcome.json").is_file():
        yield f"FAIL: the notebook left no record in {folder}: a cell before this failed"
        return
    primary = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))["primary"]
    rows = pd.read_parquet(folder / "results.parquet").query("measure == @primary and type == 'all'")
    values = dict(zip(rows["system"], rows["value"], strict=True))
    for system, value in expected.items():
        measured = values.get(system, float("nan"))
        word = "OK" if abs(measured - value) <= GATE_WITHIN + 1e-9 else "FAIL"
        yield f"{system}: {primary} measured {measured:.4f}, expected {value:.4f}, {word}"


class Notebook(IPyNbFile):  # type: ignore[misc]
    folder: Path

    def setup(self) -> None:
        # a run leaves its record where the sweep says, and shows no progress bar then
        self.folder = self.config._tmp_path_factory.mktemp(self.path.stem)
        os.environ["RAGKIT_RUN_DIR"] = str(self.folder)
        super().setup()
        self.kernel.await_reply(self.kernel.execute_cell_input(FEW), timeout=60)

    def collect(self) -> Iterator[pytest.Item]:
        for item in super().collect():
            yield Cell.from_parent(
                self, name=item.name, cell_num=item.cell_num, cell=item.cell, options=item.options
            )
        if self.path.stem in GATES:
            yield Gate.from_parent(self, name="headline")

    def teardown(self) -> None:
        os.environ.pop("RAGKIT_RUN_DIR", None)
        super().teardown()


def pytest_configure(config: pytest.Config) -> None:
    config.option.nbval_current_env = True  # not whatever kernel this machine calls python3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: with --no-loadscope-reorder no worker waits for one that began late."""
    rank = {name: n for n, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Notebook | None:
    if file_path.suffix == ".ipynb" and file_path.parent.name == "notebooks":
        notebook: Notebook = Notebook.from_parent(parent, path=file_path)
        return notebook
    return None
