import numpy as np
import pytest

from ragkit import fuse
from ragkit.types import RagkitError, Run, ranking
from tests import peers


def test_rrf_adds_reciprocal_ranks() -> None:
    runs: list[Run] = [{"q": {"a": 9.0, "b": 5.0}}, {"q": {"b": 0.2, "c": 0.1}}]
    fused = fuse.rrf(runs)["q"]
    assert fused == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 1 / 61, "c": 1 / 62})


def test_rrf_breaks_ties_of_a_run_by_doc_id() -> None:
    assert fuse.rrf([{"q": {"a": 1.0, "b": 1.0}}], k=1)["q"] == {"b": 1 / 2, "a": 1 / 3}


def test_union_lets_the_runs_take_turns_and_keeps_a_documents_best_rank() -> None:
    runs: list[Run] = [{"q": {"a": 9.0, "b": 5.0, "c": 1.0}}, {"q": {"c": 0.2, "a": 0.1}}]
    # turns: a first of run 1, c first of run 2, b second of run 1, a again, c again
    fused = fuse.union(runs)["q"]
    assert fused == pytest.approx({"a": 1 / 1, "c": 1 / 2, "b": 1 / 3})


def test_union_of_a_run_with_itself_or_with_nothing_keeps_its_order() -> None:
    run: Run = {"q": {"a": 1.0, "b": 1.0, "c": 2.0}, "none": {}}
    nothing: Run = {"q": {}, "none": {}}
    for runs in ([run], [run, run, run], [run, nothing]):
        fused = fuse.union(runs)
        assert ranking(fused["q"]) == ["c", "b", "a"]  # the tie as everywhere: by doc_id
        assert fused["none"] == {}


def test_minmax_scales_each_run_and_weighs_it() -> None:
    runs: list[Run] = [{"q": {"a": 30.0, "b": 20.0, "c": 10.0}}, {"q": {"c": 0.9, "d": 0.5}}]
    fused = fuse.minmax(runs, [0.25, 0.75])["q"]
    assert fused == pytest.approx({"a": 0.25, "b": 0.125, "c": 0.75, "d": 0.0})


def test_minmax_of_equal_scores_counts_them_as_found() -> None:
    assert fuse.minmax([{"q": {"a": 2.0}}, {"q": {}}], [0.5, 0.5]) == {"q": {"a": 0.5}}


def test_fusion_agrees_with_ranx_on_random_runs() -> None:
    rng = np.random.default_rng(0)
    runs: list[Run] = [
        {
            f"q{q}": {f"d{d}": float(rng.normal()) for d in rng.choice(50, 20, replace=False)}
            for q in range(30)
        }
        for _ in range(3)
    ]
    weights = 0.2, 0.3, 0.5
    with peers.ranx() as ranx:
        theirs = [ranx.Run(run) for run in runs]
        by_rank = ranx.fuse(theirs, method="rrf", params={"k": 60}).to_dict()
        by_score = ranx.fuse(theirs, norm="min-max", method="wsum", params={"weights": weights}).to_dict()
    for ours, other in [(fuse.rrf(runs), by_rank), (fuse.minmax(runs, weights), by_score)]:
        assert all(ours[q] == pytest.approx(other[q]) for q in ours)


def test_inputs_are_not_changed() -> None:
    run: Run = {"q": {"a": 1.0}}
    fuse.rrf([run, run])
    fuse.union([run, run])
    fuse.minmax([run, run], [1, 1])
    assert run == {"q": {"a": 1.0}}


def test_runs_of_different_queries_or_weights_are_refused() -> None:
    with pytest.raises(RagkitError, match=r"different queries.*'b'"):
        fuse.rrf([{"a": {}}, {"b": {}}])
    with pytest.raises(RagkitError, match=r"different queries.*'b'"):
        fuse.union([{"a": {}}, {"b": {}}])
    with pytest.raises(RagkitError, match="2 runs, 1 weights"):
        fuse.minmax([{"a": {}}, {"a": {}}], [1.0])
    with pytest.raises(RagkitError, match="at least one"):
        fuse.rrf([])
