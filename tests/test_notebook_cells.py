from pathlib import Path

import pandas as pd
import pytest

from ragkit import evaluate
from tests.notebook_cells import FEW, Tolerant, gate

TABLE = "rrf   0.555  +0.102  0.0001  52/55/228  better\n----- ------"


@pytest.mark.parametrize(
    "near",
    [
        "rrf  0.560 +0.097  0.0101  54/53/228  better\n--- ------",
        "rrf 0.550 +0.107 0.0000 50/57/228 better\n----",
    ],
)
def test_numbers_within_the_tolerance_are_equal(near: str) -> None:
    assert Tolerant(TABLE) == Tolerant(near)
    assert (Tolerant(TABLE) != Tolerant(near)) is False  # nbval asks !=


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("0.555", "0.561"),  # more than 0.005
        ("0.555", "0.55"),  # another form
        ("+0.102", "-0.102"),
        ("0.0001", "0.0111"),  # p, more than 0.01
        ("52/55/228", "55/55/228"),  # counts, more than 2
        ("rrf", "bm25"),
        ("better", "not shown"),
    ],
)
def test_more_than_the_tolerance_is_a_difference(was: str, now: str) -> None:
    assert Tolerant(TABLE) != Tolerant(TABLE.replace(was, now))


def test_whole_numbers_are_exact() -> None:
    assert Tolerant("785 documents") != Tolerant("786 documents")


def test_what_a_question_costs_is_measured_with_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "costs", lambda *given: given)
    exec(FEW, {})
    assert evaluate.costs({}, "toy", {}, seed=1) == ({}, "toy", {}, 5, 1)  # type: ignore[arg-type]


def test_a_gate_says_ok_within_5_thousandths_and_else_fail_with_both_numbers(tmp_path: Path) -> None:
    rows = [
        ("a", "all", "F1", 0.5049),
        ("b", "all", "F1", 0.4),
        ("b", "table", "F1", 0.5),
        ("a", "all", "EM", 0),
    ]
    results = pd.DataFrame(rows, columns=["system", "type", "measure", "value"])
    results.to_parquet(tmp_path / "results.parquet")
    (tmp_path / "outcome.json").write_text('{"primary": "F1"}')
    assert list(gate(tmp_path, {"a": 0.5, "b": 0.5, "gone": 0.5})) == [
        "a: F1 measured 0.5049, expected 0.5000, OK",
        "b: F1 measured 0.4000, expected 0.5000, FAIL",
        "gone: F1 measured nan, expected 0.5000, FAIL",
    ]


def test_a_notebook_that_left_no_record_fails_its_gate(tmp_path: Path) -> None:
    (line,) = gate(tmp_path, {"a": 0.5})
    assert line.startswith("FAIL: the notebook left no record")
