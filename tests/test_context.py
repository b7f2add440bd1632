"""context: what a reader is given."""

import pytest

from ragkit import context
from ragkit.types import RagkitError

LENGTHS = {"e": 20.0, "f": 10.0, "a": 40.0, "b": 30.0, "c": 50.0, "d": 10.0}


@pytest.mark.parametrize(
    ("place", "expected"),
    [("start", ["e", "a", "b", "d"]), ("middle", ["a", "e", "b", "d"]), ("end", ["a", "b", "d", "e"])],
)
def test_the_evidence_stands_at_its_place_and_the_others_fill_the_budget(
    place: str, expected: list[str]
) -> None:
    # budget 100 less the evidence's 20: a (40) and b (30) fit, c (50) does not, d (10) still does;
    # half of their 80 tokens is 40, which is a
    assert context.haystack({place: ["e"]}, ["a", "b", "c", "d"], LENGTHS, 100) == expected


def test_evidence_of_several_questions_stands_at_several_places_and_is_no_hay() -> None:
    found = context.haystack({"end": ["f"], "start": ["e"]}, ["f", "a", "e", "b"], LENGTHS, 75)
    assert found == ["e", "a", "f"]  # 75 - 30 leaves 45: a, and then 5


def test_without_others_the_evidence_stands_alone() -> None:
    assert context.haystack({"middle": ["e", "f"]}, [], LENGTHS, 30) == ["e", "f"]


def test_a_place_that_is_none_and_a_budget_that_is_too_small_are_refused() -> None:
    with pytest.raises(RagkitError, match="'top': expected one of start, middle, end"):
        context.haystack({"top": ["e"]}, [], LENGTHS, 100)
    with pytest.raises(RagkitError, match="has 30 tokens: expected at most the budget of 29"):
        context.haystack({"start": ["e", "f"]}, [], LENGTHS, 29)
