"""types: what a collection derives from its judgments and titles, and the order of documents."""

from dataclasses import replace

from ragkit.types import Collection

ASKED = Collection(
    name="toy",
    split="test",
    context="",
    corpus={name: name for name in "abc"},
    queries={"q": "one?", "two": "two?", "zero": "no?", "bare": "none?"},
    qrels={"q": {"a": 2, "b": 1, "c": 0}, "two": {"b": 1, "c": 1}, "zero": {"a": 0}, "other": {"a": 1}},
    answers={"q": ["x"]},
    documents={"a": {"title": "A"}, "b": {"title": ""}},
    query_info={"q": {"type": "lookup"}, "two": {"variant_of": "q"}},
)


def test_evidence_is_the_highest_positive_grade() -> None:
    assert ASKED.evidence == {"q": {"a"}, "two": {"b", "c"}, "zero": set(), "bare": set()}
    assert list(ASKED.answerable) == ["q", "two"]


def test_what_is_derived_is_made_once_and_anew_for_another_collection() -> None:
    assert ASKED.titles is ASKED.titles
    assert ASKED.titles == {"a": "A"}
    assert ASKED.answerable is ASKED.answerable
    other = replace(ASKED, documents={"b": {"title": "B"}}, qrels={"bare": {"b": 1}})
    assert (other.titles, list(other.answerable)) == ({"b": "B"}, ["bare"])
    assert other.evidence["bare"] == {"b"}


def test_a_question_asked_again_keeps_what_is_known_of_it_and_its_cluster() -> None:
    again = ASKED.again({"new": "q", "newer": "q", "re": "two", "odd": "bare"})
    assert again.queries == {"new": "one?", "newer": "one?", "re": "two?", "odd": "none?"}
    assert (again.qrels["newer"], again.qrels["odd"]) == (ASKED.qrels["q"], {})
    assert again.answers == {"new": ["x"], "newer": ["x"]}
    assert again.query_info["new"] == {"type": "lookup", "variant_of": "q"}
    assert again.query_info["re"]["variant_of"] == "q"  # a rewording stays in its question's cluster
    assert again.query_info["odd"] == {"variant_of": "bare"}
    assert "variant_of" not in ASKED.query_info["q"]
