from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ragkit import crowd, evaluate
from ragkit.types import Collection, RagkitError, Unavailable

OWN = {"a": "evidence of one", "b": "evidence of two", "c": "helps two", "d": "no use", "e": "nor this"}
QRELS = {"one": {"a": 2, "d": 0}, "two": {"b": 2, "c": 1}}


def collection(corpus: dict[str, str], name: str = "own") -> Collection:
    titles = {doc_id: {"title": text[:5]} for doc_id, text in corpus.items()}
    return Collection(name, "test", "", corpus, dict.fromkeys(QRELS, "a question"), QRELS, documents=titles)


HOME = collection(OWN)
OTHERS = collection({f"x{n}": f"other text {n}" for n in range(5)}, "far/away/")


def test_distractors_are_shortened_to_so_many_words_with_their_spacing_and_zero_takes_all() -> None:
    mixed = collection({"own": "it is not cut", "long": "one\n two  three four", "short": " one", "none": ""})
    own = {"own": ""}
    assert crowd.shortened(mixed, own, 3).corpus == {**mixed.corpus, "long": "one\n two  three"}
    assert crowd.shortened(mixed, own, 4).corpus == crowd.shortened(mixed, own, 0).corpus == mixed.corpus
    assert list(crowd.shortened(mixed, own, 1).corpus) == list(mixed.corpus)
    with pytest.raises(RagkitError, match="words is -1"):
        crowd.shortened(mixed, own, -1)


def test_samples_have_their_sizes_are_nested_and_keep_the_evidence() -> None:
    grown = crowd.sizes(HOME, OTHERS, [2, 0.6, 1.4, 0.8], seed=3)
    # 5 documents: 0.6 is 3 (the evidence), 0.8 is 4, 1.4 is 7, 2 is 10; step 1 is there unasked
    assert {step: len(part.corpus) for step, part in grown.items()} == {0.6: 3, 0.8: 4, 1: 5, 1.4: 7, 2: 10}
    assert set(grown[0.6].corpus) == {"a", "b", "c"}
    parts = [part.corpus.items() for part in grown.values()]
    assert all(small <= large for small, large in pairwise(parts))
    assert grown[1].corpus == OWN
    assert list(grown[2].corpus)[:5] == list(OWN)  # the collection's own order stays
    assert all(part.queries == HOME.queries and part.qrels == QRELS for part in grown.values())
    assert set(HOME.corpus) == set(OWN)


def test_the_seed_draws_and_the_same_seed_draws_the_same() -> None:
    drawn = [tuple(crowd.sizes(HOME, OTHERS, [1.4], seed)[1.4].corpus) for seed in (*range(8), 0)]
    assert drawn[0] == drawn[-1]
    assert len(set(drawn)) > 1


def test_distractors_stand_under_names_of_their_own_with_their_texts_and_titles() -> None:
    grown = crowd.sizes(HOME, OTHERS, [2])[2]
    assert set(grown.corpus) - set(OWN) == {f"away/x{n}" for n in range(5)}
    assert grown.corpus["away/x3"] == "other text 3"
    assert grown.titles["away/x3"] == "other"
    twice = collection(OWN | {"away/x1": "taken"})
    assert "away//x1" in crowd.sizes(twice, OTHERS, [11 / 6])[11 / 6].corpus


def test_a_distractor_with_the_text_of_a_document_is_left_out() -> None:
    copies = replace(OTHERS, corpus={**OTHERS.corpus, "x5": "evidence of two"})
    assert crowd.sizes(HOME, copies, [2])[2].corpus == crowd.sizes(HOME, OTHERS, [2])[2].corpus
    with pytest.raises(Unavailable, match="gives only 5"):
        crowd.sizes(HOME, copies, [2.2])


def test_a_step_out_of_reach_is_named_with_what_can_be_had() -> None:
    with pytest.raises(
        Unavailable,
        match=r"^needs other distractors: step 3 is 15 documents, 10 more .* gives only 5 .* up to 2,",
    ):
        crowd.sizes(HOME, OTHERS, [1, 2, 3])
    with pytest.raises(Unavailable, match=r"^needs larger steps: step 0.4 .* but 3 of .* from 0.6"):
        crowd.sizes(HOME, OTHERS, [0.4])


def test_a_collection_is_no_distractor_of_itself_but_can_be_taken_apart() -> None:
    with pytest.raises(Unavailable, match=r"step 1.4 .* gives only 0 .* up to 1,"):
        crowd.sizes(HOME, HOME, [1.4])
    assert list(crowd.sizes(HOME, HOME, [0.6])) == [0.6, 1]


def test_distractors_in_the_runs_are_judged_irrelevant_and_own_documents_stay_unjudged() -> None:
    grown = crowd.sizes(HOME, OTHERS, [2])[2]
    runs = [{"one": {"away/x1": 2.0, "a": 1.0, "e": 0.5}}, {"two": {}, "new": {"away/x2": 1.0}}]
    told = crowd.judged(grown, runs, OWN)
    assert told.qrels == {"one": {"a": 2, "d": 0, "away/x1": 0}, "two": QRELS["two"], "new": {"away/x2": 0}}
    assert grown.qrels == QRELS
    # one of two places was judged before, and the evidence stood first among them; now both, and second:
    # nDCG@10 judged of question one falls from 1 to 1/log2(3) = 0.631, as nDCG@10 has it all along
    run = {"one": {"away/x1": 2.0, "a": 1.0}}
    values = [evaluate.score(run, c, ["nDCG@10 judged", "nDCG@10"])["value"] for c in (grown, told)]
    assert values[0].to_list() == pytest.approx([1.0, 0.0, 0.6309, 0.0], abs=1e-4)
    assert values[1].to_list() == pytest.approx([0.6309, 0.0, 0.6309, 0.0], abs=1e-4)


def test_strangers_are_what_is_not_ones_own_among_the_first() -> None:
    run = {"one": {"x": 3.0, "a": 2.0, "y": 2.0, "z": 1.0}, "two": {}}
    assert crowd.strangers(run, OWN, 3) == {"one": ["x", "y"], "two": []}  # of the tie y stands before a
    assert crowd.strangers({}, OWN, 3) == {}


def test_slopes_are_per_doubling() -> None:
    # log2 of 100, 200, 800 less 100's: 0, 1, 3; mean 4/3; x = -4/3, -1/3, 5/3; sum of squares 42/9
    # values 1, 0.5, 0.5: (-4/3 * 1 - 1/3 * 0.5 + 5/3 * 0.5) / (42/9) = -(2/3) / (42/9) = -1/7
    values = [[1.0, 0.5, 0.5], [0.3, 0.2, 0.0], [0.4, 0.4, 0.4]]
    assert crowd.slopes(values, [100, 200, 800]) == pytest.approx([-1 / 7, -0.1, 0.0])
    x, y = np.log2([100, 200, 800]), np.mean(values, axis=0)
    assert crowd.slopes(values, [100, 200, 800]).mean() == pytest.approx(np.polyfit(x, y, 1)[0])


def test_a_line_is_read_at_any_size_and_through_its_points() -> None:
    line = [[0.8, 0.7, 0.5]]  # loses 0.1 with each doubling from 100
    assert crowd.extrapolated(line, [100, 200, 800], 1600) == pytest.approx([0.4])
    assert crowd.extrapolated(line, [100, 200, 800], 200) == pytest.approx([0.7])
    # the line of the first case above: mean 2/3, slope -1/7; at 100: 2/3 + 4/3/7 = 18/21
    assert crowd.extrapolated([[1.0, 0.5, 0.5]], [100, 200, 800], 100) == pytest.approx([18 / 21])


def test_no_questions_have_no_slopes_and_one_size_has_no_slope() -> None:
    assert crowd.slopes(np.zeros((0, 2)), [100, 200]).shape == (0,)
    with pytest.raises(RagkitError, match=r"sizes \[100, 100\]: a slope needs two"):
        crowd.slopes([[1.0, 1.0]], [100, 100])
