import json
from dataclasses import replace

import pytest

from ragkit import answers, data, evaluate, prices
from ragkit.answers import (
    citation_precision,
    citation_recall,
    cited,
    containment,
    declined,
    exact_match,
    right,
    scored,
    token_f1,
    uncited,
)
from ragkit.types import Answers, Collection, Unavailable
from tests.larkfield import HOME, card, larkfield

LEAVE = Collection(
    name="toy",
    split="test",
    context="",
    corpus={"hr-1": "Leave is 25 days.", "hr-2": "Leave was 20 days.", "hr-3": "Ask in Beehive."},
    queries={"days": "How much leave?", "how": "How do I ask, and for how much?", "dental": "Which crown?"},
    qrels={"days": {"hr-1": 2, "hr-2": 0, "hr-3": 1}, "how": {"hr-1": 2, "hr-3": 2}, "dental": {"hr-1": 0}},
    answers={"days": ["25 days", "five weeks"], "how": ["Beehive", "25 days"], "dental": []},
    query_info={
        "days": {"type": "lookup", "answerable": True},
        "how": {"type": "multi_hop", "all_of": True, "answerable": True, "parts": ["hr-1", "hr-3"]},
        "dental": {"type": "unanswerable", "answerable": False},
    },
)
SAID: Answers = {"days": "It is 25 days [hr-1].", "how": "In Beehive [hr-3].", "dental": "I don't know."}


def values(given: Answers, collection: Collection = LEAVE) -> dict[tuple[str, str], float]:
    rows = scored(given, collection).to_dict("records")
    return {(row["measure"], row["query_id"]): row["value"] for row in rows}


@pytest.mark.parametrize(
    ("text", "accepted", "expected"),
    [
        ("You get  25\nDAYS a year", ["25 days"], 1),  # case and white space
        ("a period of 3\u20135 days", ["3-5 days"], 1),  # an en dash in the document
        ("a period of 3-5 days", ["3\u22125 days"], 1),  # a minus in the answer
        ("exactly **25** days", ["25 days"], 1),  # Markdown
        ("125 days", ["25 days"], 0),  # not as whole words
        ("25 daystars", ["25 days"], 0),
        ("version 6.1.1", ["6.1"], 0),  # nor as whole numbers
        ("2.6 % of it", ["6 %"], 0),
        ("\u20ac150,000", ["\u20ac150"], 0),
        ("version 6.1. It, too, was 6.1, once", ["6.1"], 1),  # a full stop and a comma are none of it
        ("It costs \u20ac5,000.", ["\u20ac5,000"], 1),  # an answer may begin and end with a sign
        ("no figure", ["25 days", "figure"], 1),  # any of them
        ("25 days", [], 0),
        ("", ["25 days"], 0),
        ("anything", ["**"], 0),  # an answer of which nothing is left is no answer
    ],
)
def test_containment_looks_for_whole_words_and_overlooks_how_they_are_written(
    text: str, accepted: list[str], expected: float
) -> None:
    assert containment(text, accepted) == expected


def test_all_of_asks_for_every_answer() -> None:
    assert containment("Ask in Beehive for 25 days", ["Beehive", "25 days"], all_of=True) == 1
    assert containment("Ask in Beehive", ["Beehive", "25 days"], all_of=True) == 0
    assert exact_match("Beehive, 25 days", ["Beehive", "25 days"], all_of=True) == 1
    assert exact_match("25 days, Beehive", ["Beehive", "25 days"], all_of=True) == 0  # their order counts
    # 2 words of 3 shared: precision 2/2, recall 2/3
    assert token_f1("25 days", ["Beehive", "25 days"], all_of=True) == pytest.approx(0.8)
    assert containment("anything", [], all_of=True) == 0


def test_containment_finds_as_many_answers_in_the_evidence_of_larkfield_as_its_data_card_says() -> None:
    counts: dict[str, list[int]] = {}
    for collection in (data.load("larkfield", "dev"), larkfield()):
        for query_id, accepted in collection.answers.items():
            judged, info = collection.qrels[query_id], collection.query_info[query_id]
            evidence = "\n".join(collection.corpus[d] for d, grade in judged.items() if grade > 0)
            kind, all_of = info["type"], bool(info.get("all_of"))
            asked, found = counts.get(kind, [0, 0])
            counts[kind] = [asked + 1, found + int(containment(evidence, accepted, all_of))]
    expected = card("answer stands in the evidence")
    del expected["all"]
    assert counts == expected


def test_exact_match_is_after_the_normalisation_of_squad() -> None:
    assert exact_match("The 25 days!", ["25 days"]) == 1  # article, punctuation, case
    assert exact_match("a.b.", ["ab"]) == 1  # punctuation goes before articles are looked for
    assert exact_match("It is 25 days", ["25 days"]) == 0
    assert exact_match("25 days", []) == 0


def test_token_f1_is_the_best_harmonic_mean_over_the_accepted_answers() -> None:
    # words: it is 25 days (4); reference 25 days (2); shared 2: precision 1/2, recall 1, F1 2/3
    assert token_f1("It is 25 days", ["five weeks", "25 days"]) == pytest.approx(2 / 3)
    # a word counts as often as both have it: day (1 of 2 and 1 of 1): precision 1/2, recall 1
    assert token_f1("day day", ["day"]) == pytest.approx(2 / 3)
    assert token_f1("nothing shared", ["25 days"]) == 0
    assert token_f1("", ["25 days"]) == 0
    assert token_f1("The", ["an"]) == 1  # both empty once articles are gone, as in the official script
    assert token_f1("anything", []) == 0


def test_citations_are_brackets_without_spaces_and_count_once() -> None:
    answer = "Leave is 25 days [hr-1][hr-3], asked for in Beehive [hr-3; hr-9], see [the list](https://x.y)."
    assert cited(answer) == ["hr-1", "hr-3", "hr-9"]  # hr-9 does not exist: it is cited all the same
    assert uncited(answer) == "Leave is 25 days, asked for in Beehive, see [the list](https://x.y)."
    assert cited("[two words] and []") == []
    table = "[" + ",".join(map(str, range(500))) + "\n]"  # a bracket that never closes as a citation does
    assert uncited(table) == table  # tried in every way to cut it, it would not end


def test_citation_precision_is_the_share_of_cited_documents_that_are_relevant() -> None:
    judged = {"a": 2, "b": 1, "c": 0}
    assert citation_precision(["a", "b", "c", "unjudged"], judged) == 1 / 2
    assert citation_precision([], judged) == 0


def test_citation_recall_asks_for_all_parts_or_for_one_document_of_the_highest_grade() -> None:
    evidence = {"a", "b"}
    assert citation_recall(["a"], evidence) == 1
    assert citation_recall(["c", "d"], evidence) == 0
    assert citation_recall(["a", "c"], evidence, parts=["a", "b"]) == 1 / 2
    assert citation_recall(["d"], set()) == 0  # nothing relevant, nothing to be found
    assert citation_recall([], evidence) == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("", True),
        ("  [hr-1]", True),
        ("I don't know.", True),
        ("i don\u2019t know", True),
        ("I do not know. The documents do not say.", True),
        ("I don't know the exact figure, but 25 days.", False),
        ("I don't know; presumably 25 days.", False),
        ("25 days", False),
        ("Add a second key. The exact steps I don't know.", False),
    ],
)
def test_an_answer_is_declined_when_it_is_empty_or_begins_with_i_dont_know(
    answer: str, expected: bool
) -> None:
    assert declined(answer) is expected


def test_words_are_counted_without_citations_and_declined_answers() -> None:
    assert answers.words(SAID) == (4 + 2) / 2
    assert answers.words({"q": "I don't know."}) == answers.words({}) == 0


def test_scored_has_a_row_wherever_a_measure_applies_and_containment_first() -> None:
    found = values(SAID)
    assert scored(SAID, LEAVE)["measure"].iloc[0] == "containment"
    assert found == {
        ("containment", "days"): 1,
        ("containment", "how"): 0,  # 25 days is lacking
        ("token F1", "days"): pytest.approx(2 / 3),
        ("token F1", "how"): pytest.approx(2 * 1 / (2 + 3)),  # in beehive; beehive 25 days
        ("exact match", "days"): 0,
        ("exact match", "how"): 0,
        ("citation precision", "days"): 1,
        ("citation recall", "days"): 1,
        ("citation precision", "how"): 1,
        ("citation recall", "how"): 1 / 2,
        ("declined, answerable", "days"): 0,
        ("declined, answerable", "how"): 0,
        ("declined, unanswerable", "dental"): 1,
    }


def test_which_questions_count_does_not_depend_on_the_answers() -> None:
    assert values(dict.fromkeys(LEAVE.queries, "")).keys() == values(SAID).keys()
    assert values(dict.fromkeys(LEAVE.queries, ""))["citation precision", "days"] == 0


def test_a_question_that_merely_lacks_judgments_is_not_held_for_unanswerable() -> None:
    bare = Collection("toy", "test", "", {}, {"q": "?", "r": "?"}, {}, {"q": ["yes"]})
    assert {q for _, q in values({"q": "no", "r": ""}, bare)} == {"q"}


def test_a_collection_without_answers_is_refused_in_one_line() -> None:
    collection = replace(LEAVE, answers={})
    said = dict.fromkeys(collection.queries, "yes")
    assert answers.accepted({"days": "", "dental": ""}, LEAVE) == {"days": (["25 days", "five weeks"], False)}
    for measure in (answers.accepted, scored, right, answers.answer_in_context):
        with pytest.raises(
            Unavailable, match=r"^needs accepted answers: none of 3 questions of .*toy.*expected"
        ):
            measure(said, collection)
    with pytest.raises(Unavailable, match="needs accepted answers"):
        answers.in_context(said, collection, prices.tokens)


def test_right_counts_each_question_once_contained_or_rightly_declined() -> None:
    assert right(SAID, LEAVE) == pytest.approx((1 + 0 + 1) / 3)  # days, how, dental
    assert right(SAID | {"dental": "gold"}, LEAVE) == pytest.approx(1 / 3)
    assert right(dict.fromkeys(LEAVE.queries, ""), LEAVE) == pytest.approx(1 / 3)  # silence is right once
    only = {"days": SAID["days"], "how": SAID["how"]}
    assert right(only, LEAVE) == 1 / 2  # no unanswerable question: containment alone


def test_handled_asks_the_reading_only_where_the_rule_cannot_tell() -> None:
    said = {"days": "A month less five days.", "how": "Beehive", "dental": "Gold."}
    read = {
        ("days", "A month less five days."): "right",
        ("how", "Beehive"): "incomplete",
        ("dental", "Gold."): "right",  # that nothing answers it is a rule
    }

    def handled(given: Answers, read: dict[tuple[str, str], str]) -> dict[tuple[str, str], float]:
        rows = answers.handled(read)(given, LEAVE).to_dict("records")
        return {(row["measure"], row["query_id"]): row["value"] for row in rows}

    assert handled(said, read) == {
        ("right", "days"): 1,
        ("right", "how"): 0,
        ("right", "dental"): 0,
        ("right by rule", "days"): 0,
        ("right by rule", "how"): 0,
        ("right by rule", "dental"): 0,
        ("not told by rule", "days"): 1,
        ("not told by rule", "how"): 1,
        ("declined, answerable", "days"): 0,
        ("declined, answerable", "how"): 0,
        ("declined, unanswerable", "dental"): 0,
    }
    assert handled(said, {})["right", "days"] == 0  # nobody read it
    assert handled(said | {"days": "25 days"}, {("days", "25 days"): "wrong"})["right", "days"] == 1
    declining = dict.fromkeys(said, "I don't know.")
    told = handled(declining, {("days", "I don't know."): "right"})
    assert (told["right", "days"], told["not told by rule", "days"], told["right", "dental"]) == (0, 0, 1)
    assert answers.handled({})(said, LEAVE)["measure"].iloc[0] == "right"  # the one of verdicts


def test_in_context_looks_for_the_answer_in_what_a_reader_is_given_and_counts_its_tokens() -> None:
    contexts = {"days": "[hr-1] Leave\nLeave is 25 days.\n", "how": "[25 days]", "dental": "x"}
    rows = answers.in_context(contexts, LEAVE, lambda text: float(len(text.split())))
    assert rows.to_dict("list") == {
        "query_id": ["days", "how", "days", "how"],
        "measure": ["answer in context"] * 2 + ["tokens"] * 2,
        "value": [1.0, 0.0, 6.0, 2.0],
    }
    assert answers.in_context(contexts, LEAVE)["measure"].unique().tolist() == ["answer in context"]
    assert answers.answer_in_context(contexts, LEAVE) == 1 / 2


def test_readers_can_be_compared_by_these_measures() -> None:
    readers = {"silent": lambda queries: dict.fromkeys(queries, ""), "said": lambda queries: SAID}
    comparison = evaluate.compare_answers(readers, LEAVE, "silent", scored)
    assert comparison.primary == "containment"
    row = comparison.results.query("system == 'said' and type == 'all'").set_index("measure")
    assert row.loc["containment", "difference"] == 1 / 2
    assert row.loc["declined, unanswerable", "difference"] == 0


def test_a_recorded_closed_book_answer_is_declined_exactly_when_it_says_what_the_prompt_asks_for() -> None:
    recordings = HOME / "recordings.jsonl"
    recorded = [json.loads(line) for line in recordings.read_text(encoding="utf-8").splitlines()]
    said = [row["closed_book"] for row in recorded if "closed_book" in row]
    assert [text for text in said if declined(text) != (text == "I don't know.")] == []
    assert 0 < sum(map(declined, said)) < len(said) == 711
