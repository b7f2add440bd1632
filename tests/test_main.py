"""The command line, with what it prints and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ragkit import data, plan
from ragkit.__main__ import main
from tests import stub as stubs
from tests.larkfield import larkfield
from tests.project import CHECKOUT, ragkit, write_collection, write_notebook

# What a notebook's record must hold to be summed up: one system against one baseline.
RECORD = """
import json, os
from pathlib import Path
import pandas as pd


def save(gain):
    folder = Path(os.environ["RAGKIT_RUN_DIR"])
    rows = [("bm25", 0.5, 0.0, ""), ("dense", 0.5 + gain, gain, "better")]
    table = pd.DataFrame(rows, columns=["system", "value", "difference", "verdict"])
    table = table.assign(type="all", measure="nDCG@10", n=100, low=0.1, high=0.3, p_holm=0.001)
    table.to_parquet(folder / "results.parquet")
    costs = pd.DataFrame({"system": ["bm25", "dense"], "seconds_median": [0.001, 0.02], "modelled": False})
    costs.to_parquet(folder / "costs.parquet")
    outcome = {"baseline": "bm25", "primary": "nDCG@10", "headline": None, "facts": {"precision": "f32"},
               "collection": "toy", "split": "test"}
    (folder / "outcome.json").write_text(json.dumps(outcome))
"""
DENSE = [("code", "gain = 0.2", ["parameters"]), ("markdown", "Prose.", []),
         ("code", "from ragkit import record", []), ("code", "record.save(gain)", [])]  # fmt: skip
FINDINGS = [("code", "records = '../data/published'", ["parameters"]),
            ("code", "from pathlib import Path", []),
            ("code", "found = Path(records).rglob('run.json')", []),
            ("code", "print('read:', [file.parts[-3] for file in found])", [])]  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    write_notebook(root / "notebooks" / "11_dense.ipynb", DENSE)
    write_notebook(root / "notebooks" / "90_findings.ipynb", FINDINGS)
    (root / "ragkit").mkdir()
    (root / "ragkit" / "__init__.py").write_text("")
    (root / "ragkit" / "record.py").write_text(RECORD)
    return root


@pytest.fixture(scope="module")
def swept(project: Path) -> tuple[int, str, str]:
    return ragkit(project, "sweep")


def test_a_full_sweep_ends_with_the_table_and_the_findings(
    project: Path, swept: tuple[int, str, str]
) -> None:
    status, out, err = swept
    assert status == 0
    assert [line.split()[1].rstrip(":") for line in err.splitlines()] == ["11_dense", "90_findings"]
    assert "2 runs made, 0 done before, 0 failed" in out
    row = next(line.split() for line in out.splitlines() if "dense" in line and "better" in line)
    assert {"0.700", "+0.200", "0.0010", "20.0"} <= set(row)
    html = project / "data" / "runs" / "findings.html"
    assert f"findings: {html}" in out
    assert "read: ['11_dense']" in html.read_text().replace("&#39;", "'")
    (folder,) = (project / "data" / "runs" / "11_dense").iterdir()
    assert str(folder / "notebook.ipynb") in out
    run = json.loads((folder / "run.json").read_text())
    assert (run["default"], run["precision"], run["outcome"]["baseline"]) == (True, "f32", "bm25")


def test_the_same_command_again_does_nothing_says_so_and_loads_nothing_that_is_slow(
    project: Path, swept: tuple[int, str, str]
) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in (project / "data").rglob("*.ipynb"))
    prose = [*DENSE[:1], ("markdown", "Other prose.", []), *DENSE[2:]]
    write_notebook(project / "notebooks" / "11_dense.ipynb", prose)
    code = (
        "import sys; from pathlib import Path; from ragkit.__main__ import main\n"
        "assert main(['sweep'], Path(sys.argv[1])) == 0\n"
        "print({'papermill', 'nbclient', 'pandas', 'pyarrow', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(project)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.startswith("nothing to do: all 2 runs are done\n")
    assert "findings.html" in done.stdout
    assert done.stdout.endswith("set()\n")
    assert sorted((p, p.stat().st_mtime_ns) for p in (project / "data").rglob("*.ipynb")) == before


def test_findings_alone_reads_the_same_records(
    project: Path, swept: tuple[int, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["findings"], project) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "+0.200" in out
    assert out.splitlines()[-1] == f"findings: {project / 'data' / 'runs' / 'findings.html'}"


def test_dry_run_runs_nothing(
    project: Path, swept: tuple[int, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--dry-run"], project) == 0
    assert capsys.readouterr().out.splitlines() == [
        "11_dense: done", "90_findings: follows, if the records that it reads have changed",
    ]  # fmt: skip
    assert main(["sweep", "11", "-p", "gain=0.1,0.2", "--dry-run"], project) == 0
    assert capsys.readouterr().out == "11_dense gain=0.1: new\n11_dense: done\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["sweep", "12_dense"], "error: no notebook '12_dense' in notebooks/; did you mean 11_dense?\n"),
     (["sweep", "-p", "gain"], "error: -p gain: expected name=value"),
     (["sweep", "-p", "gain=1", "-p", "gain=2"], "error: -p gain=2: expected name=value"),
     (["sweep", "-p", "gian=1"], "error: no parameter 'gian' in 11_dense; did you mean gain?\n"),
     (["sweep", "-p", "gain=much"], "error: gain=much: 11_dense has gain = 0.2, expected float"),
     (["findings", "--published"], "data/published: no finished run on default parameters"),
     (["data", "check", "no/such/folder"], "error: "),
     (["trec", "export", "no/such/record", "out"], "error: no/such/record: no record of a run")],
)  # fmt: skip
def test_bad_input_is_one_error_and_exit_2(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments, project) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["swep"], ["sweep", "--jobs", "0"], ["trec"]])
def test_a_wrong_command_shows_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: python -m ragkit" in capsys.readouterr().err


# ---- collections and TREC files


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    corpus, queries = ({f"{kind}{i}": f"text {i}" for i in (1, 2, 3)} for kind in "dq")
    return write_collection(tmp_path / "three", corpus, queries, [(f"q{i}", f"d{i}", 1) for i in (1, 2, 3)])


def test_data_check_says_what_is_there(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(collection)]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == str(collection.resolve())  # once
    assert second.startswith("3 documents, 6 words")
    assert main(["data", "check", "larkfield"]) == 0
    assert capsys.readouterr().out.startswith("larkfield: /")


def test_runs_made_elsewhere_are_compared(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = "".join(f"q{i} Q0 d{i} 1 9.0 x\n" for i in (1, 2, 3))
    (tmp_path / "theirs.run").write_text(right + "q9 Q0 d1 1 1.0 x\n")
    # The right document second each time: 1 / log2(3) = 0.631.
    second = "".join(f"q{i} Q0 d{i % 3 + 1} 1 9.0 x\nq{i} Q0 d{i} 2 8.0 x\n" for i in (1, 2, 3))
    (tmp_path / "second.run").write_text(second)
    where = ["--collection", str(collection), "--split", "test"]
    files = [str(tmp_path / name) for name in ("second.run", "theirs.run")]
    assert main(["trec", "import", *files, *where]) == 0
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line for line in out.splitlines() if line.split()}
    assert "0.631" in rows["second"]
    assert "+" not in rows["second"]
    assert "1.000" in rows["theirs"]
    assert "+0.369" in rows["theirs"]
    assert "1 queries that are not in the split 'test' are left out" in err
    assert main(["trec", "import", *files, *where, "--baseline", "theirs"]) == 0
    out, err = capsys.readouterr()
    assert "-0.369" in out
    assert "have no line" not in err
    (tmp_path / "theirs.run").write_text(right.splitlines()[0])
    assert main(["trec", "import", files[1], *where]) == 0
    assert "theirs.run: 2 of 3 queries have no line and count as 0" in capsys.readouterr().err


def test_a_run_of_another_split_is_refused(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.run").write_text("q9 Q0 d1 1 1.0 x\n")
    where = ["--collection", str(collection), "--split", "test"]
    assert main(["trec", "import", str(tmp_path / "a.run"), *where]) == 2
    assert "none of its 1 queries is in the split 'test'" in capsys.readouterr().err


@pytest.fixture
def small_record(tmp_path: Path) -> Path:
    """The folder of a run's record: one system, one document found, on larkfield's test questions."""
    outcome = {"collection": "larkfield", "split": "test"}
    (tmp_path / "run.json").write_text(json.dumps({"notebook": "10_x", "key": "k", "outcome": outcome}))
    rankings = {"system": ["bm25"], "query_id": ["q1"], "doc_id": ["d1"], "rank": [1], "score": [2.5]}
    pd.DataFrame(rankings).to_parquet(tmp_path / "rankings.parquet")
    for name in ("results", "costs"):
        pd.DataFrame({"system": ["bm25"]}).to_parquet(tmp_path / f"{name}.parquet")
    measured(tmp_path, [*larkfield().queries])
    return tmp_path


def measured(record: Path, query_ids: list[str]) -> None:
    pd.DataFrame({"query_id": query_ids}).to_parquet(record / "per_query.parquet")


def test_rankings_and_judgments_of_a_record_are_exported(
    small_record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trec", "export", str(small_record), str(small_record / "out")]) == 0
    written = [small_record / "out" / name for name in ("bm25.run", "larkfield-test.qrels")]
    assert capsys.readouterr().out.split() == [str(path) for path in written]
    assert written[0].read_text() == "q1 Q0 d1 1 2.5 bm25\n"
    assert "hr-q01 0 hr-leave-ke 2\n" in written[1].read_text()


def test_judgments_in_trec_form_become_a_split(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "theirs.qrels").write_text("q1 0 d1 2\nq2 0 d1 0\n")
    assert (
        main(["trec", "judgments", str(tmp_path / "theirs.qrels"), str(collection / "qrels" / "dev.tsv")])
        == 0
    )
    assert "2 judgments" in capsys.readouterr().out
    assert data.load(str(collection), "dev").qrels == {"q1": {"d1": 2}, "q2": {"d1": 0}}
    before = (collection / "qrels" / "dev.tsv").read_text()
    assert (
        main(["trec", "judgments", str(tmp_path / "theirs.qrels"), str(collection / "qrels" / "dev.tsv")])
        == 2
    )
    assert "dev.tsv is there already: expected a new file" in capsys.readouterr().err
    (tmp_path / "none.qrels").write_text("")
    assert main(["trec", "judgments", str(tmp_path / "none.qrels"), str(tmp_path / "qrels" / "x.tsv")]) == 2
    assert "none.qrels holds no judgments" in capsys.readouterr().err
    assert (collection / "qrels" / "dev.tsv").read_text() == before


def test_exported_judgments_are_those_of_the_measured_questions(small_record: Path) -> None:
    assert main(["trec", "export", str(small_record), str(small_record / "out")]) == 0
    written = (small_record / "out" / "larkfield-test.qrels").read_text().splitlines()
    assert {line.split()[0] for line in written} == set(larkfield().answerable)
    reworded = next(iter(data.variants(larkfield()).queries))
    measured(small_record, ["hr-q01", reworded])  # a sample, and a question in other words
    assert main(["trec", "export", str(small_record), str(small_record / "out")]) == 0
    written = (small_record / "out" / "larkfield-test.qrels").read_text().splitlines()
    assert {line.split()[0] for line in written} == {"hr-q01", reworded}


def test_a_record_of_other_questions_than_the_collections_is_not_exported(
    small_record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(small_record, ["nurse/hr-q01"])
    assert main(["trec", "export", str(small_record), str(small_record / "out")]) == 2
    assert "of its 1 questions ('nurse/hr-q01' is the first) larkfield has no" in capsys.readouterr().err
    assert not (small_record / "out").exists()


def test_a_folder_in_place_of_a_file_is_one_error(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["trec", "import", str(tmp_path), "--collection", str(collection), "--split", "test"]
    assert main(given) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}: Is a directory\n"


# --- record -----------------------------------------------------------------------------------------

KEY = "canary-8d20b6"
ASKS = [("code", "collection = 'larkfield'\nsplit = 'test'\nllm = 'recorded'", ["parameters"]),
        ("code", "from ragkit import data, models, rewrite", []),
        ("code", "test = data.load(collection, split)\n"
                 "llm = models.llm(llm, collection)\n"
                 "print(rewrite.hyde(test.queries, llm, test.context))", [])]  # fmt: skip


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[stubs.Stub]:
    """A project with a notebook that asks a model, a collection of two questions, and Cohere's stub."""
    write_notebook(tmp_path / "notebooks" / "41_asks.ipynb", ASKS)
    write_notebook(tmp_path / "notebooks" / "10_quiet.ipynb", [("code", "seed = 1", ["parameters"])])
    write_notebook(tmp_path / "notebooks" / "42_silent.ipynb", ASKS[:2])
    (tmp_path / "ragkit").symlink_to(CHECKOUT / "ragkit")
    judged = [("q0", "d1", 1), ("q1", "d1", 1)]
    write_collection(tmp_path / "mine", {"d1": "because"}, {"q0": "why", "q1": "who"}, judged)
    with stubs.serving() as server:
        monkeypatch.setenv("RAGKIT_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("CO_API_URL", server.url)
        monkeypatch.setenv("CO_API_KEY", KEY)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("RAGKIT_BUDGET", "")  # record sets it
        yield server


def record_it(root: Path, *more: str) -> tuple[int, str, str]:
    given = ["record", "--llm", "cohere:command-r7b-12-2024", "41_asks", "-p", f"collection={root / 'mine'}"]
    return ragkit(root, *given, *more)


def test_a_live_model_is_recorded_also_after_failures_and_replayed_and_the_key_is_told_nowhere(
    live: stubs.Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine" / "recordings-command-r7b-12-2024.jsonl"
    live.misbehave("")
    live.misbehave("401")
    failed = record_it(tmp_path)
    assert failed[0] == 1
    assert "1 not run" in failed[2]
    assert "valid for this model in the environment variable CO_API_KEY: the server says 401" in failed[2]
    assert not file.exists()
    cheap = record_it(tmp_path, "--budget", "0.0000001")
    assert "the budget of $0.00 is used up" in cheap[2]

    said = record_it(tmp_path)
    status, out, _ = said
    assert status == 0, said
    assert f"{file}: 2 answers, 2 of them new" in out
    assert "-p llm=recorded:command-r7b-12-2024" in out
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {row["answer"] for row in rows} == {"answer to Question: why", "answer to Question: who"}
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
    assert len(live.requests) == 3  # one answered at once, one refused, and that one again
    before = file.read_bytes()

    again = record_it(tmp_path)  # nothing is asked again, and the file stays as it is
    assert "2 answers, 0 of them new" in again[1]
    assert file.read_bytes() == before

    monkeypatch.delenv("CO_API_KEY")
    monkeypatch.setenv("RAGKIT_CACHE", str(tmp_path / "another"))
    given = ["sweep", "41_asks", "-p", f"collection={tmp_path / 'mine'}"]
    replayed = ragkit(tmp_path, *given, "-p", "llm=recorded:command-r7b-12-2024")
    assert replayed[0] == 0, replayed
    assert len(live.requests) == 3
    shown = [path.read_text() for path in (tmp_path / "data" / "runs" / "41_asks").rglob("notebook.ipynb")]
    assert len(shown) == 2
    assert all("answer to Question: who" in text for text in shown)
    # without a key and without recordings a run says what it needs
    refused = ragkit(tmp_path, "record", "--llm", "cohere:command-a-03-2025", *given[1:])
    assert refused[0] == 1
    assert "1 not run:\n  41_asks" in refused[2]
    assert "needs a key of Cohere in the environment variable CO_API_KEY" in refused[2]
    everything = [*failed, *cheap, *said, *again, *replayed, *refused]
    everything += [p.read_bytes().decode("latin-1") for p in tmp_path.rglob("*") if p.is_file()]
    assert len(everything) > 26
    assert live.requests[0]["authorization"] == f"Bearer {KEY}"
    assert not [text for text in everything if KEY in str(text)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--llm", "cohere:x", "10_quiet"], "10_quiet has no parameter llm and collection: nothing"),
        (["--llm", "recorded", "41_asks"], "expected one live model, and in --llm: cohere:<model>, openai"),
        (["--llm", "cohere:x", "41_asks", "-p", "llm=cohere:y"], "expected one live model, and in --llm"),
        (
            ["--llm", "gpt", "41_asks"],
            "'gpt' is not known: expected recorded, recorded:<model>, cohere:<model>",
        ),
        (["--llm", "cohere:x", "41_asks", "--budget", "much"], "RAGKIT_BUDGET=much: expected dollars"),
        (
            ["--llm", "cohere:x", "41_asks", "-p", "collection=beir/scifact"],
            "has no folder to write recordings",
        ),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_anything_runs(
    live: stubs.Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], message: str
) -> None:
    assert main(["record", *given], tmp_path) == 2
    assert message in capsys.readouterr().err
    assert live.requests == []


def test_a_notebook_that_asked_nothing_leaves_nothing_to_record(
    live: stubs.Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"collection": str(tmp_path / "mine"), "llm": "cohere:x"}
    (run,) = plan.plan(["42_silent"], given, tmp_path)
    run.folder.mkdir(parents=True)
    (run.folder / "run.json").write_text("{}")  # as if it had been made
    status = main(
        ["record", "--llm", "cohere:x", "42_silent", "-p", f"collection={given['collection']}"], tmp_path
    )
    assert status == 2
    assert "asked its model nothing, so there is nothing to record" in capsys.readouterr().err
