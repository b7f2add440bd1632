import pandas as pd
import pytest

from ragkit import prose
from ragkit.record import Record
from ragkit.types import RagkitError

RESULTS = pd.DataFrame(
    [
        ("rrf", "all", "nDCG@10", 0.5346, 0.0826, "better"),
        ("rrf", "table", "nDCG@10", 0.7804, -0.0123, ""),
        ("two words", "all", "R@5", 0.4, 0.0, ""),
    ],
    columns=["system", "type", "measure", "value", "difference", "verdict"],
)
COSTS = pd.DataFrame({"system": ["rrf"], "seconds_median": [0.0108], "index_bytes": [3_250_000]})
RECORDS = {
    "12_hybrid": Record(
        "12_hybrid", "abc", {"outcome": {"baseline": "bm25", "facts": {"weight": 0.5}}}, RESULTS, COSTS
    )
}


def bound(reference: str, shown: str) -> str:
    return f"<!--= {reference} -->{shown}<!--/-->"


@pytest.mark.parametrize(
    ("reference", "shown", "written"),
    [
        ("rrf | nDCG@10 | value", "0.999", "0.535"),
        ("rrf | nDCG@10 | difference", "+0.1", "+0.1"),
        ("rrf | nDCG@10 | difference", "-0.99", "+0.08"),  # a sign that was asked for is kept right
        ("rrf / table | nDCG@10 | difference", "+0.000", "-0.012"),
        ("rrf | nDCG@10 | verdict", "worse", "better"),
        ("two words | R@5 | value*100", "1", "40"),
        ("rrf | costs | seconds_median*1000", "9.9", "10.8"),
        ("rrf | costs | index_bytes", "1,000", "3,250,000"),
        ("facts | weight", "?", "0.500"),
        ("12_hybrid | rrf | nDCG@10 | value", "0.5", "0.5"),
    ],
)
def test_a_bound_number_is_written_as_the_record_has_it(reference: str, shown: str, written: str) -> None:
    text = f"before {bound(reference, shown)} after"
    filled = prose.fill(text, RECORDS, "12_hybrid")
    assert filled == f"before {bound(reference, written)} after"
    assert prose.fill(filled, RECORDS, "12_hybrid") == filled


@pytest.mark.parametrize(
    "reference",
    [
        "rrf | nDCG@10 | values",
        "rrff | nDCG@10 | value",
        "rrf | nDCG@10",
        "facts | k1",
        "13_x | rrf | nDCG@10 | value",
    ],
)
def test_a_reference_that_leads_nowhere_is_named(reference: str) -> None:
    with pytest.raises(RagkitError, match="leads to no published value"):
        prose.fill(bound(reference, "0.5"), RECORDS, "12_hybrid")


def test_loose_numbers_are_those_bound_to_nothing() -> None:
    free = (
        "nDCG@10 of BM25 in `k=50` and 12_hybrid, p < 0.05, within ±0.02 (Cormack et al. 2009), the top 10."
    )
    assert prose.loose_numbers(free + bound("rrf | nDCG@10 | value", "0.5")) == []
    assert len(prose.loose_numbers("It gains 0.102 on 335 questions.")) == 2
