"""context: what a reader is given."""

import pytest

from ragkit import context
from ragkit.types import Collection, Unavailable

LENGTHS = {"e": 20.0, "f": 10.0, "a": 40.0, "b": 30.0, "c": 50.0, "d": 10.0}


def test_the_first_documents_are_whole_and_stop_where_one_does_not_fit() -> None:
    run = {"q": {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.5}, "none": {}}
    assert context.first(run, LENGTHS, 75) == {"q": ["a", "b"], "none": []}  # 5 left: c (50) and all after it
    assert context.first(run, LENGTHS, 70)["q"] == ["a", "b"]
    assert context.first(run, LENGTHS, 39)["q"] == []


def test_ties_are_filled_in_the_order_of_every_ranking() -> None:
    assert context.first({"q": {"e": 1.0, "f": 1.0}}, LENGTHS, 30)["q"] == ["f", "e"]


ASKED = Collection(
    name="toy", split="test", context="", corpus={"a": "x"}, queries={"q": "one?", "r": "two?"},
    qrels={"q": {"a": 2}}, answers={"q": ["x"]},
    query_info={"q": {"type": "lookup"}, "r": {"variant_of": "q"}},
)  # fmt: skip


def test_a_repeated_question_is_the_same_question_in_one_cluster() -> None:
    again = context.repeated(ASKED, ["start", "end"])
    assert again.queries == {"q@start": "one?", "q@end": "one?", "r@start": "two?", "r@end": "two?"}
    assert again.answers == {"q@start": ["x"], "q@end": ["x"]}
    assert (again.qrels["q@end"], again.qrels["r@end"]) == ({"a": 2}, {})
    assert again.query_info["q@end"] == {"type": "lookup", "variant_of": "q"}
    assert again.query_info["r@start"]["variant_of"] == "q"  # a rewording stays in its question's cluster
    assert ASKED.query_info["q"] == {"type": "lookup"}


def test_a_context_at_each_place_goes_to_the_question_that_was_asked_there() -> None:
    given = {"4k start": {"q": {"a": -1.0}}, "4k middle": {"q": {"b": -1.0}}, "4k end": {"q": {"c": -1.0}}}
    assert context.at_places(given, "4k") == {
        "q@start": {"a": -1.0},
        "q@middle": {"b": -1.0},
        "q@end": {"c": -1.0},
    }


def test_a_context_at_one_place_or_at_none_goes_to_all_three() -> None:
    given = {"all start": {"q": {"a": -1.0}}, "all end": {"r": {"b": -1.0}}, "top 5": {"q": {"c": -1.0}}}
    found = context.at_places(given, "all")
    assert found["q@end"] == found["q@start"] == {"a": -1.0}
    assert found["r@start"] == {"b": -1.0}
    assert context.at_places(given, "top 5") == {f"q@{place}": {"c": -1.0} for place in context.PLACES}


def test_a_context_that_nobody_recorded_is_refused() -> None:
    with pytest.raises(Unavailable, match=r"^needs answers .*context '4k'.*there are: top 5.*readings.jsonl"):
        context.at_places({"top 5": {"q": {"a": -1.0}}}, "4k")
