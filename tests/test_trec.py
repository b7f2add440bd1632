"""TREC files: what others read in ours, and what is said of theirs that cannot be read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytrec_eval

from ragkit import trec
from ragkit.types import Qrels, RagkitError, Run, ranking
from tests import peers

QRELS: Qrels = {"q1": {"a": 2, "b": 0, "c": 1}, "q2": {"d": 1}}
RUN: Run = {
    "q1": {"a": 1.0, "b": 1.0, "c": 1.0 + 1e-12, "x": 1.0 - 1e-12},  # a tie, and three float32 equals
    "q2": {"d": -0.5, "a": 0.25},
}


def test_a_run_is_written_line_by_line_in_the_order_of_the_ranking(tmp_path: Path) -> None:
    trec.write_run({"q1": {"a": 0.5, "b": 2.0}}, tmp_path / "x.run", "bm25")
    assert (tmp_path / "x.run").read_text() == "q1 Q0 b 1 2.0 bm25\nq1 Q0 a 2 0.5 bm25\n"


def test_judgments_are_written_with_their_zeros(tmp_path: Path) -> None:
    trec.write_qrels(QRELS, tmp_path / "x.qrels")
    assert (tmp_path / "x.qrels").read_text() == "q1 0 a 2\nq1 0 b 0\nq1 0 c 1\nq2 0 d 1\n"
    assert trec.read_qrels(tmp_path / "x.qrels") == QRELS


def test_scores_fall_strictly_in_float32_by_the_smallest_step_there_is(tmp_path: Path) -> None:
    trec.write_run(RUN, tmp_path / "x.run", "t")
    back = trec.read_run(tmp_path / "x.run")
    assert [ranking(scores) for scores in back.values()] == [["c", "b", "a", "x"], ["a", "d"]]
    step = 2.0**-24  # between 1 and the float32 below it
    assert back["q1"] == {"c": 1.0, "b": 1.0 - step, "a": 1.0 - 2 * step, "x": 1.0 - 3 * step}
    assert back["q2"] == RUN["q2"]


def test_a_run_of_ties_keeps_its_order_through_a_second_writing(tmp_path: Path) -> None:
    many = {"q": {f"d{n:03}": 0.0 for n in range(200)}}
    trec.write_run(many, tmp_path / "1.run", "t")
    trec.write_run(trec.read_run(tmp_path / "1.run"), tmp_path / "2.run", "t")
    assert (tmp_path / "1.run").read_text() == (tmp_path / "2.run").read_text()
    assert ranking(trec.read_run(tmp_path / "1.run")["q"]) == ranking(many["q"])


def test_trec_eval_judges_the_written_order(tmp_path: Path) -> None:
    """Given the scores themselves it holds all four for equal, and puts x, which is not relevant, first."""
    trec.write_run(RUN, tmp_path / "x.run", "t")
    trec.write_qrels(QRELS, tmp_path / "x.qrels")
    with (tmp_path / "x.qrels").open() as qrels, (tmp_path / "x.run").open() as run:
        judge = pytrec_eval.RelevanceEvaluator(pytrec_eval.parse_qrel(qrels), {"recip_rank", "P_1"})
        scores = judge.evaluate(pytrec_eval.parse_run(run))
    assert scores["q1"] == {"recip_rank": 1.0, "P_1": 1.0}
    assert scores["q2"] == {"recip_rank": 0.5, "P_1": 0.0}
    assert judge.evaluate(RUN)["q1"]["P_1"] == 0.0


def test_ranx_reads_our_files_and_finds_the_hand_computed_ndcg(tmp_path: Path) -> None:
    trec.write_run(RUN, tmp_path / "x.run", "t")
    trec.write_qrels(QRELS, tmp_path / "x.qrels")
    with peers.ranx() as ranx:
        run = ranx.Run.from_file(str(tmp_path / "x.run"), kind="trec")
        qrels = ranx.Qrels.from_file(str(tmp_path / "x.qrels"), kind="trec")
        ranx.evaluate(qrels, run, "ndcg", return_mean=False)
    log = np.log2
    ideal = 2 + 1 / log(3)
    assert run.scores["ndcg"]["q1"] == pytest.approx((1 + 2 / log(4)) / ideal)  # c b a x = 1 0 2 0
    assert run.scores["ndcg"]["q2"] == pytest.approx(1 / log(3))


def test_a_run_that_ranx_wrote_is_read(tmp_path: Path) -> None:
    theirs = {"q1": {"a": 3.5, "b": 1.25}, "q2": {"c": 0.5}}
    with peers.ranx() as ranx:
        ranx.Run(theirs, name="theirs").save(str(tmp_path / "x.run"), kind="trec")
    assert trec.read_run(tmp_path / "x.run") == theirs


def test_tabs_windows_line_ends_and_blank_lines_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.run").write_bytes(b"q1\tQ0\ta\t1\t2.5\tt\r\n\r\nq1 Q0  b 2 1e-3 t")
    assert trec.read_run(tmp_path / "x.run") == {"q1": {"a": 2.5, "b": 0.001}}


def test_the_empty_run_is_an_empty_file_and_back(tmp_path: Path) -> None:
    trec.write_run({}, tmp_path / "x.run", "t")
    assert trec.read_run(tmp_path / "x.run") == {}
    assert trec.read_qrels(tmp_path / "x.run") == {}


@pytest.mark.parametrize("run", [{"q 1": {"a": 1.0}}, {"q1": {"a\tb": 1.0}}, {"q1": {"": 1.0}}])
def test_ids_with_white_space_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RagkitError, match="white space"):
        trec.write_run(run, tmp_path / "x.run", "t")
    with pytest.raises(RagkitError, match="white space"):
        trec.write_qrels({q: dict.fromkeys(scores, 1) for q, scores in run.items()}, tmp_path / "x.qrels")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf"), 1e39])
def test_scores_that_float32_does_not_hold_are_refused(score: float, tmp_path: Path) -> None:
    with pytest.raises(RagkitError, match=r"Query 'q1', document 'a': the score is"):
        trec.write_run({"q1": {"a": score}}, tmp_path / "x.run", "t")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("q1 Q0 b 2 1.0", "found 'q1 Q0 b 2 1.0'; expected 'query_id Q0 doc_id rank score tag'"),
        ("q1 Q0 b 2 high t", "the score is 'high'"),
        ("q1 Q0 b 2 nan t", "the score is 'nan'"),
        ("q1 Q0 a 2 1.0 t", "'a' stands twice for query 'q1'"),
    ],
)
def test_a_broken_line_of_a_run_is_named(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    path.write_text(f"q1 Q0 a 1 2.0 t\n{line}\n")
    with pytest.raises(RagkitError) as error:
        trec.read_run(path)
    assert str(error.value).startswith(f"{path}, line 2: {said}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("q1\tb\t1", "found 'q1\\tb\\t1'; expected 'query_id 0 doc_id grade'"),
        ("q1 0 b 0.5", "the grade is '0.5'"),
        ("q1 0 a 0", "'a' is judged twice for query 'q1'"),
    ],
)
def test_a_broken_line_of_judgments_is_named(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.qrels"
    path.write_text(f"q1 0 a 1\n{line}\n")
    with pytest.raises(RagkitError) as error:
        trec.read_qrels(path)
    assert str(error.value).startswith(f"{path}, line 2: {said}")


def test_a_missing_and_a_badly_encoded_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(RagkitError, match=r"none\.run does not exist"):
        trec.read_run(tmp_path / "none.run")
    (tmp_path / "x.run").write_bytes(b"q1 Q0 caf\xe9 1 2.0 t\n")
    with pytest.raises(RagkitError, match="byte 9 is not UTF-8"):
        trec.read_run(tmp_path / "x.run")


def record(folder: Path, rows: list[tuple[str, str, str, int, float]]) -> Path:
    columns = ["system", "query_id", "doc_id", "rank", "score"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "rankings.parquet")
    return folder


def test_a_record_is_exported_a_file_a_system(tmp_path: Path) -> None:
    rows = [("BM25", "q1", "b", 1, 2.0), ("BM25", "q1", "a", 2, 2.0), ("BM25 + RM3/2", "q2", "c", 1, 0.5)]
    files = trec.export(record(tmp_path, rows), tmp_path / "out")
    assert [path.name for path in files] == ["BM25.run", "BM25_+_RM3_2.run"]
    assert ranking(trec.read_run(files[0])["q1"]) == ["b", "a"]
    assert files[1].read_text() == "q2 Q0 c 1 0.5 BM25_+_RM3_2\n"


def test_systems_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    rows = [("a b", "q1", "b", 1, 2.0), ("a/b", "q1", "b", 1, 2.0)]
    with pytest.raises(RagkitError, match=r"two systems would be a_b\.run"):
        trec.export(record(tmp_path, rows), tmp_path / "out")


def test_a_folder_that_is_no_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(RagkitError, match=r"rankings\.parquet is missing"):
        trec.export(tmp_path, tmp_path / "out")
    pd.DataFrame({"system": ["a"]}).to_parquet(tmp_path / "rankings.parquet")
    with pytest.raises(RagkitError, match="no column 'query_id'"):
        trec.export(tmp_path, tmp_path / "out")
