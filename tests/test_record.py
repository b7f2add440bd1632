import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from ragkit import evaluate, record, trec
from ragkit.types import Answers, Collection, Queries, RagkitError, Run, Unavailable

COLLECTION = Collection(
    "toy",
    "test",
    "",
    {"a": "x", "b": "y"},
    {"q": "?"},
    {"q": {"a": 1, "b": 0}},
    query_info={"q": {"type": "t"}},
)


def absent(queries: Queries) -> Run:
    raise Unavailable("needs a key")


SYSTEMS: dict[str, Any] = {
    "good": lambda _: {"q": {"a": 1.0}},
    "bad": lambda _: {"q": {"a": 1.0, "b": 2.0}},
    "absent": absent,
}


def save(folder: Path, monkeypatch: pytest.MonkeyPatch) -> evaluate.Comparison:
    comparison = evaluate.compare(SYSTEMS, COLLECTION, "bad")
    costs = evaluate.costs(SYSTEMS, COLLECTION, {}, questions=2)
    folder.mkdir(parents=True)
    monkeypatch.setenv("RAGKIT_RUN_DIR", str(folder))
    record.save(comparison, costs, {"empty": Figure()}, {"weight": 0.5})
    return comparison


def finish(folder: Path, notebook: str, started: str, changed: dict[str, Any] | None = None) -> None:
    """What the worker adds once the notebook is through."""
    outcome = json.loads((folder / "outcome.json").read_text())
    run = {
        "notebook": notebook,
        "key": folder.name * 3,
        "started": started,
        "changed": changed or {},
        "outcome": outcome,
    }
    (folder / "run.json").write_text(json.dumps(run))


def test_what_is_saved_is_what_was_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = save(tmp_path / "run", monkeypatch)
    for name in ("results", "per_query"):
        saved = pd.read_parquet(tmp_path / "run" / f"{name}.parquet")
        pd.testing.assert_frame_equal(saved, getattr(comparison, name), check_dtype=False)
    rankings = pd.read_parquet(tmp_path / "run" / "rankings.parquet")
    assert rankings.to_dict("list") == {
        "system": ["good", "bad", "bad"],
        "query_id": ["q"] * 3,
        "doc_id": ["a", "b", "a"],
        "rank": [1, 1, 2],
        "score": [1.0, 2.0, 1.0],
    }
    assert not (tmp_path / "run" / "answers.parquet").exists()
    assert (tmp_path / "run" / "empty.png").read_bytes().startswith(b"\x89PNG")


def test_where_answers_are_compared_they_are_a_table_and_there_is_none_of_rankings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(answers: Answers, _: Collection) -> pd.DataFrame:
        return pd.DataFrame({"query_id": list(answers), "measure": "yes", "value": 1.0})

    readers = {"one": lambda queries: {"q": "yes"}, "two": lambda queries: {"q": "no"}}
    comparison = evaluate.compare_answers(readers, COLLECTION, "one", scored)
    monkeypatch.setenv("RAGKIT_RUN_DIR", str(tmp_path))
    record.save(comparison, evaluate.costs(readers, COLLECTION, {}, questions=1), {}, {})
    finish(tmp_path, "60_a", "2026-01-01T00:00:00+00:00")
    answers = pd.read_parquet(tmp_path / "answers.parquet")
    assert answers.to_numpy().tolist() == [["one", "q", "yes"], ["two", "q", "no"]]
    assert not (tmp_path / "rankings.parquet").exists()
    assert record.read(tmp_path).measure == "yes"
    with pytest.raises(RagkitError, match=r"rankings\.parquet is missing.*answers are compared"):
        trec.export(tmp_path, tmp_path / "out")


def test_a_notebook_run_by_hand_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAGKIT_RUN_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    comparison = evaluate.compare(SYSTEMS, COLLECTION, "bad")
    record.save(comparison, evaluate.costs(SYSTEMS, COLLECTION, {}, 1), {"empty": Figure()}, {})
    assert list(tmp_path.iterdir()) == []


def test_the_newest_default_run_of_each_notebook_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[tuple[str, str, str, dict[str, Any]]] = [
        ("11_b", "k1", "2026-01-01T00:00:00+00:00", {}),
        ("11_b", "k2", "2026-01-03T00:00:00+00:00", {}),
        ("11_b", "k3", "2026-01-04T00:00:00+00:00", {"k": 10}),
        ("11_b", "k5", "2026-01-05T00:00:00+00:00", {"collection": "other"}),
        ("11_b", "k6", "2026-01-06T00:00:00+00:00", {"collection": "other", "k": 10}),
        ("10_a", "k4", "2026-01-02T00:00:00+00:00", {}),
    ]
    for notebook, key, started, changed in runs:
        save(tmp_path / notebook / key, monkeypatch)
        finish(tmp_path / notebook / key, notebook, started, changed)
    folders = record.newest(tmp_path)
    assert [folder.name for folder in folders] == ["k4", "k2"]
    assert [folder.name for folder in record.newest(tmp_path, "other")] == ["k5"]
    assert record.newest(tmp_path, "third") == []
    found = [record.read(folder) for folder in folders]
    assert [item.baseline for item in found] == ["bad", "bad"]
    assert found[0].facts == {"weight": 0.5}
    table = record.findings_table(found)
    assert table.loc[("10_a", "good"), "value"] == "1.000"
    assert set(table["measure"]) == {"nDCG@10"}
    assert table.loc[("10_a", "good"), "difference"] == "+0.369"  # 1 - 1 / log2(3)
    assert table.loc[("10_a", "bad"), "verdict"] == "baseline"
    assert table.loc[("10_a", "absent"), "verdict"] == "not run: needs a key"
    assert table.loc[("10_a", "absent"), "value"] == ""
    assert table.loc[("11_b", "good"), "run"] == "k2k2k2"
    assert record.origins(found).loc["10_a", "questions"] == 1
    axes = record.findings_figure(found).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "10_a: good vs. bad",
        "11_b: good vs. bad",
    ]
    assert "10_a" in record.summary(folders)


def test_a_modelled_time_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "k1", monkeypatch)
    finish(tmp_path / "k1", "10_a", "2026-01-01T00:00:00+00:00")
    costs = pd.read_parquet(tmp_path / "k1" / "costs.parquet")
    costs.assign(modelled=costs["system"] == "good", seconds_median=0.25).to_parquet(
        tmp_path / "k1" / "costs.parquet"
    )
    times = record.findings_table([record.read(tmp_path / "k1")])["ms a question"]
    assert (times["10_a", "good"], times["10_a", "bad"]) == ("~250.0", "250.0")


def test_the_findings_draw_the_headline_and_an_unknown_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = save(tmp_path / "k1", monkeypatch)
    systems = SYSTEMS | {"other": SYSTEMS["good"]}
    costs = evaluate.costs(SYSTEMS, COLLECTION, {}, 1)
    record.save(evaluate.compare(systems, COLLECTION, "bad"), costs, {}, {}, headline=["other"])
    finish(tmp_path / "k1", "10_a", "2026-01-01T00:00:00+00:00")
    found = record.read(tmp_path / "k1")
    assert found.headline["system"].tolist() == ["other"]
    assert set(found.primary["system"]) == {"good", "bad", "absent", "other"}
    assert len(record.findings_figure([found]).axes[0].get_yticklabels()) == 1
    record.save(comparison, costs, {}, {}, headline=[])
    finish(tmp_path / "k1", "10_a", "2026-01-01T00:00:00+00:00")
    assert record.read(tmp_path / "k1").headline.empty
    with pytest.raises(RagkitError, match=r"headline \['gone'\]"):
        record.save(comparison, costs, {}, {}, headline=["gone"])


def measured(of: Path, words: dict[str, str], collection: str, baseline: str) -> record.Record:
    """A record whose systems have the differences 0.1, 0.2, ... and these verdicts."""
    rows = [
        {"system": system, "type": "all", "measure": "nDCG@10", "n": 40, "value": 0.5, "difference": n / 10,
         "low": n / 10 - 0.05, "high": n / 10 + 0.05, "p_holm": 0.5, "verdict": word}
        for n, (system, word) in enumerate(words.items(), start=1)
    ]  # fmt: skip
    outcome = {"primary": "nDCG@10", "headline": None, "collection": collection, "baseline": baseline}
    return record.Record(of.name, "key", {"outcome": outcome}, pd.DataFrame(rows), pd.DataFrame())


def test_two_collections_agree_disagree_or_leave_it_open(tmp_path: Path) -> None:
    ours = {"a": "better", "b": "better", "c": "equivalent", "d": "better", "e": "not shown", "x": "worse"}
    unclear = {"c": "not shown", "d": "no verdict: -0.1 on judged documents", "e": "not shown"}
    theirs = {"a": "better", "b": "worse"} | unclear
    found = measured(tmp_path / "10_a", ours, "larkfield", "bm25")
    table = record.beside([found], [measured(tmp_path / "10_a", theirs, "other", "dense")])
    assert table["together"].tolist() == ["agree", "disagree", "open", "open", "open"]
    assert table.index.tolist() == [("10_a", system) for system in theirs]
    assert table.to_dict("records")[1] == {
        "against": "bm25; dense",
        "larkfield": "+0.200 (+0.150 to +0.250)",
        "other": "+0.200 (+0.150 to +0.250)",
        "larkfield: verdict": "better",
        "other: verdict": "worse",
        "together": "disagree",
    }
    assert record.beside([found], [measured(tmp_path / "11_b", theirs, "other", "dense")]).empty
    assert record.beside([found], []).empty


def test_no_run_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RagkitError, match="make sweep"):
        record.newest(tmp_path)


def test_a_record_that_is_not_whole_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "10_a" / "k1", monkeypatch)
    (tmp_path / "10_a" / "k1" / "run.json").write_text('{"notebook": "10_')
    with pytest.raises(RagkitError, match=r"k1/run\.json is not whole; remove its folder"):
        record.newest(tmp_path)


def test_a_run_of_ones_own_is_titled_with_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "k1", monkeypatch)
    changed = {"collection": "/somewhere/mine", "k": 20}
    finish(tmp_path / "k1", "10_a", "2026-01-01T00:00:00+00:00", changed)
    assert "10_a collection=mine k=20" in record.summary([tmp_path / "k1"])


def test_the_outcome_of_a_second_comparison_is_noted_as_facts() -> None:
    noted = record.facts("over bad", evaluate.compare(SYSTEMS, COLLECTION, "bad"), "good")
    assert noted["over bad difference"] == pytest.approx(0.369, abs=0.001)  # 1 - 1 / log2(3)
    assert noted["over bad verdict"] == "not shown"
