"""Plan, key, run, resume: on small projects in tmp_path, with real kernels where a run is made."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from ragkit import data, plan, record, sweep, worker
from ragkit.keys import read_notebook, versions
from ragkit.types import RagkitError
from tests.project import DRAW, ragkit, start, wait_for, write_collection, write_notebook, write_project

USES_ALPHA = [("code", "seed = 1\nname = 'x'", ["parameters"]),
              ("markdown", "Prose.", []),
              ("code", "from ragkit import alpha", []),
              ("code", "alpha.work(seed)", [])]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """10_alpha imports ragkit.alpha, which imports beta inside a function; gamma is imported by nobody."""
    write_notebook(tmp_path / "notebooks" / "10_alpha.ipynb", USES_ALPHA)
    package = tmp_path / "ragkit"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "alpha.py").write_text("def work(seed):\n    from .beta import half\n    return half(seed)\n")
    (package / "beta.py").write_text("import numpy\nfrom ragkit import sweep\nhalf = lambda x: x / 2\n")
    (package / "gamma.py").write_text("")
    (package / "sweep.py").write_text("from ragkit import gamma\n")
    return tmp_path


def only(project: Path, **given: str) -> plan.Planned:
    (run,) = plan.plan([], given, project, project)
    return run


def with_cells(project: Path, *changes: tuple[int, str, list[str]]) -> plan.Planned:
    cells = list(USES_ALPHA)
    for i, source, tags in changes:
        cells[i] = (cells[i][0], source, tags)
    write_notebook(project / "notebooks" / "10_alpha.ipynb", cells)
    return only(project)


# ---- the key


@pytest.mark.parametrize(
    "change",
    [(1, "Other prose.", []), (0, "seed = 1  # now with a comment\nname = 'x'", ["parameters"]),
     (3, "alpha.work(seed)", ["costs"])],
    ids=["prose", "comment on a parameter", "tag"],
)  # fmt: skip
def test_key_stays_when_no_number_can_change(project: Path, change: tuple[int, str, list[str]]) -> None:
    assert with_cells(project, change).key == with_cells(project).key


@pytest.mark.parametrize(
    ("change", "differences"),
    [((3, "alpha.work(seed + 1)", []), ["code"]),
     ((0, "seed = 2\nname = 'x'", ["parameters"]), ["seed"]),
     ((2, "from ragkit import alpha, gamma", []), ["code", "ragkit.gamma"])],
)  # fmt: skip
def test_key_changes_with_code_and_defaults(
    project: Path, change: tuple[int, str, list[str]], differences: list[str]
) -> None:
    before, after = with_cells(project), with_cells(project, change)
    assert before.key != after.key
    assert plan.differences(before.parts, after.parts) == differences


def test_key_is_the_same_for_a_default_that_is_given(project: Path) -> None:
    assert only(project, seed="1").key == only(project).key != only(project, seed="2").key


@pytest.mark.parametrize(
    ("module", "changes"),
    [("alpha", True), ("beta", True), ("__init__", True), ("gamma", False), ("sweep", False)],
)
def test_key_changes_with_the_modules_that_are_imported_and_no_other(
    project: Path, module: str, changes: bool
) -> None:
    before = only(project).key
    with (project / "ragkit" / f"{module}.py").open("a") as file:
        file.write("# one more line\n")
    assert (only(project).key != before) == changes


@pytest.mark.parametrize(
    "code",
    ["import ragkit.beta", "from ragkit.beta import half", "from ragkit import (alpha as a, beta as b)",
     "%matplotlib inline\ndef f():\n    import ragkit.beta as b",
     "if True:\n    !ls\n    import ragkit.beta"],
)  # fmt: skip
def test_key_sees_every_form_of_import(project: Path, code: str) -> None:
    assert "ragkit.beta" in with_cells(project, (2, code, [])).parts["modules"]


def test_key_leaves_out_what_is_imported_for_types_alone(project: Path) -> None:
    typed = "if TYPE_CHECKING:\n    import pandas\n    import ragkit.gamma\nelse:\n    import ragkit.beta"
    parts = with_cells(project, (2, f"from typing import TYPE_CHECKING\n{typed}", [])).parts
    assert parts["modules"].keys() == {"ragkit", "ragkit.beta"}
    assert "pandas" not in parts["versions"]


def test_key_holds_the_version_of_what_an_imported_module_imports(project: Path) -> None:
    assert only(project).parts["versions"] == {"numpy": np.__version__}


def test_versions_follow_what_a_distribution_requires_and_name_what_is_absent() -> None:
    found = versions({"pandas", "bs4", "no_such_module"})
    assert {"pandas", "numpy", "python-dateutil", "beautifulsoup4", "soupsieve"} <= found.keys()
    assert found["no-such-module"] == "absent"


def collection_folder(folder: Path, text: str = "a text") -> Path:
    return write_collection(folder, {"d1": text}, {"q1": "which text?"}, [("q1", "d1", 1)])


@pytest.mark.parametrize("name", ["collection", "distractors"])
def test_key_holds_a_collections_bytes_and_not_its_place(project: Path, name: str) -> None:
    write_notebook(
        project / "notebooks" / "10_alpha.ipynb",
        [("code", "collection = 'larkfield'\ndistractors = 'pydocs'", ["parameters"]), *USES_ALPHA[1:]],
    )
    here = collection_folder(project / "here")
    elsewhere = Path(shutil.copytree(here, project / "else" / "where"))
    changed = collection_folder(project / "changed", "another text")
    keys = [only(project, **{name: str(folder)}).key for folder in (here, elsewhere, changed)]
    assert keys[0] == keys[1] != keys[2]
    relative = only(project, **{name: "here"})
    assert relative.key == keys[0]
    assert relative.changed == {name: str(here)}  # the kernel works in another folder
    assert relative.parts[name] == data.fingerprint(str(here))
    assert relative.parts["collection"] != relative.parts["distractors"]


def test_key_holds_recordings_only_where_a_parameter_llm_exists(project: Path) -> None:
    folder = collection_folder(project / "mine")
    keys = {}
    for recorded in ("one", "two"):
        (folder / "recordings.jsonl").write_text(recorded)
        for llm in ("", "\nllm = 'recorded'"):
            write_notebook(
                project / "notebooks" / "10_alpha.ipynb",
                [("code", f"collection = 'larkfield'{llm}", ["parameters"]), *USES_ALPHA[1:]],
            )
            keys[recorded, bool(llm)] = only(project, collection="mine").key
    assert keys["one", False] == keys["two", False]
    assert keys["one", True] != keys["two", True]


def test_key_holds_what_stands_behind_the_name_of_a_live_model(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook(
        project / "notebooks" / "10_alpha.ipynb",
        [("code", "collection = 'larkfield'\nllm = 'recorded'", ["parameters"]), *USES_ALPHA[1:]],
    )
    collection_folder(project / "mine")
    (project / "weights").mkdir()
    (project / "weights" / "model").write_text("one")
    first = only(project, collection="mine", llm="hf:weights")
    assert first.changed["llm"] == f"hf:{project / 'weights'}"  # the kernel works in another folder
    assert only(project, collection="mine", llm=f"hf:{project / 'weights'}").key == first.key
    (project / "weights" / "model").write_text("two")
    assert only(project, collection="mine", llm="hf:weights").key != first.key
    served = set()
    for url in ("http://one/v1", "http://two/v1"):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        served.add(only(project, collection="mine", llm="openai:m").key)
    assert len(served) == 2
    with pytest.raises(RagkitError, match="'gpt' is not known: expected recorded"):
        only(project, collection="mine", llm="gpt")
    with pytest.raises(RagkitError, match="keys belong in the environment alone"):
        only(project, collection="mine", llm="openai:m@http://me:secret@host")


def test_key_holds_a_files_bytes_where_a_text_names_one_with_a_slash(project: Path) -> None:
    for name, text in [("a.txt", "same"), ("b.txt", "same"), ("c.txt", "other")]:
        (project / name).write_text(text)
    keys = [only(project, name=f"./{name}").key for name in ("a.txt", "b.txt", "c.txt")]
    assert keys[0] == keys[1] != keys[2]
    assert only(project, name="a.txt").parts["parameters"]["name"] == "a.txt"  # a bare word is a name


# ---- the plan


def test_grid_is_the_product_with_values_typed_after_the_defaults(project: Path) -> None:
    cells = [
        ("code", "n = 1\nx = 0.5\non = False\nname = 'a'\nw = [1, 1]\nnone = None\nk = -1", ["parameters"])
    ]
    write_notebook(project / "notebooks" / "10_alpha.ipynb", cells)
    given = {"n": "1,2", "x": "1,1e-3", "on": "true", "name": "1.0,no", "w": "[1,2]", "none": "3", "k": "-5"}
    runs = plan.plan([], given, project, project)
    assert len(runs) == 2 * 2 * 2
    assert runs[-1].values == {
        "n": 2, "x": 0.001, "on": True, "name": "no", "w": [1, 2], "none": 3, "k": -5,
    }  # fmt: skip
    assert [type(run.values["x"]) for run in runs] == [float] * 8
    assert str(runs[0]) == "10_alpha x=1.0 on=True name=1.0 w=[1, 2] none=3 k=-5"


def test_runs_that_are_the_same_are_planned_once(project: Path) -> None:
    assert len(plan.plan([], {"seed": "1,1,2"}, project, project)) == 2
    assert len(plan.plan(["10", "10_alpha", "notebooks/10_alpha.ipynb"], {}, project, project)) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [({"seed": "abc"}, "seed=abc: 10_alpha has seed = 1, expected int values .* found 'abc'"),
     ({"seed": "1,2.5"}, "expected int values separated by commas, found 2.5"),
     ({"seed": "true"}, "found True"),
     ({"seed": ""}, "found none"),
     ({"sed": "1"}, "no parameter 'sed' in 10_alpha; did you mean seed"),
     ({"zzz": "1"}, "no parameter 'zzz' in 10_alpha; there are: name, seed")],
)  # fmt: skip
def test_wrong_parameters_are_refused(project: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(RagkitError, match=message):
        plan.plan([], given, project, project)


@pytest.mark.parametrize(("default", "text"), [("True", "1"), ("False", "yes"), ("0.5", "x"), ("[1]", "1,2")])
def test_types_are_strict(project: Path, default: str, text: str) -> None:
    write_notebook(project / "notebooks" / "10_alpha.ipynb", [("code", f"v = {default}", ["parameters"])])
    with pytest.raises(RagkitError, match=rf"v={text}: 10_alpha has v = "):
        plan.plan([], {"v": text}, project, project)


def test_a_parameter_that_only_some_notebooks_have_is_refused_with_their_names(project: Path) -> None:
    write_notebook(project / "notebooks" / "20_other.ipynb", [("code", "k = 1", ["parameters"])])
    with pytest.raises(RagkitError, match=r"no parameter 'seed' in 20_other; .* have it: 10_alpha"):
        plan.plan([], {"seed": "2"}, project, project)
    assert len(plan.plan(["10"], {"seed": "2"}, project, project)) == 1


def test_notebooks_that_are_not_there_are_refused(project: Path) -> None:
    write_notebook(project / "notebooks" / "11_also.ipynb", [("code", "", ["parameters"])])
    write_notebook(project / "notebooks" / "90_findings.ipynb", [("code", "records = 'x'", ["parameters"])])
    write_notebook(project / "notebooks" / "00_start.ipynb", [("code", "", ["parameters"])])  # no experiment
    assert [run.notebook.stem for run in plan.plan([], {}, project, project)] == ["10_alpha", "11_also"]
    with pytest.raises(RagkitError, match="no notebook '10_alhpa' in notebooks/; did you mean 10_alpha"):
        plan.plan(["10_alhpa"], {}, project, project)
    with pytest.raises(RagkitError, match="notebook '1' is not one: 10_alpha, 11_also"):
        plan.plan(["1"], {}, project, project)


@pytest.mark.parametrize(
    ("cells", "message"),
    [([("code", "seed = 1", [])], "0 cells tagged 'parameters', expected one"),
     ([("code", "a = 1", ["parameters"])] * 2, "2 cells tagged 'parameters'"),
     ([("code", "a = 1\nb = a + 1", ["parameters"])], r"line 2: found 'b = a \+ 1', expected only"),
     ([("code", "import os", ["parameters"])], "found 'import os'"),
     ([("code", "a = b = 1", ["parameters"])], "found 'a = b = 1'"),
     ([("code", "a = {1, 2}", ["parameters"])], "found 'a = {1, 2}'"),
     ([("code", "a: int", ["parameters"])], "found 'a: int'"),
     ([("code", "", ["parameters"]), ("code", "if :", [])], "a code cell that Python cannot read")],
)  # fmt: skip
def test_notebooks_that_papermill_would_get_wrong_are_refused(
    tmp_path: Path, cells: list[tuple[str, str, list[str]]], message: str
) -> None:
    with pytest.raises(RagkitError, match=message):
        read_notebook(write_notebook(tmp_path / "a.ipynb", cells))


def test_a_file_that_is_no_notebook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("{")
    with pytest.raises(RagkitError, match=r"a\.ipynb cannot be read as a notebook"):
        read_notebook(tmp_path / "a.ipynb")


def test_parameters_are_read_with_signs_containers_and_annotations(tmp_path: Path) -> None:
    source = '"""What varies."""\na = -1  # a unit\nb: float = 1.5\nc = {"x": [1, None], "y": (True, "s")}'
    notebook = read_notebook(write_notebook(tmp_path / "a.ipynb", [("code", source, ["parameters"])]))
    assert notebook.defaults == {"a": -1, "b": 1.5, "c": {"x": [1, None], "y": (True, "s")}}


def test_an_unknown_collection_is_refused_before_anything_runs(project: Path) -> None:
    write_notebook(
        project / "notebooks" / "10_alpha.ipynb", [("code", "collection = 'larkfield'", ["parameters"])]
    )
    with pytest.raises(RagkitError, match="larkfeild"):
        plan.plan([], {"collection": "larkfeild"}, project, project)


# ---- runs


def tables(root: Path) -> dict[str, pd.DataFrame]:
    """Every results.parquet and per_query.parquet of a project's records."""
    found = sorted((root / "data" / "runs").glob("*/*/*.parquet"))
    return {str(file.relative_to(root)): pd.read_parquet(file) for file in found}


def records(root: Path) -> list[Path]:
    return list((root / "data" / "runs").glob("*/[!.]*/run.json"))


def leftovers(root: Path) -> list[str]:
    """What a sweep must not leave: temporary folders, processes that work in the project."""
    found = [str(path) for path in (root / "data" / "runs").glob("*/.*")]
    for process in psutil.process_iter():
        try:
            at_work = [process.cwd(), *process.cmdline()]
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if any(str(root) in where for where in at_work):
            found.append(f"{process.pid}: {' '.join(process.cmdline())}")
    return found


FAILS = [*DRAW[:3], ("code", "from ragkit.types import RagkitError", []),
         ("code", "raise RagkitError('no such thing: expected\\nanother')", [])]  # fmt: skip


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[int, str, str]]:
    """A project after a sweep of a good notebook beside one that fails and one that records nothing."""
    root = write_project(tmp_path_factory.mktemp("swept"))
    shutil.copy(Path(sweep.__file__).with_name("types.py"), root / "ragkit")
    write_notebook(root / "notebooks" / "05_fails.ipynb", FAILS)
    write_notebook(
        root / "notebooks" / "20_empty.ipynb",
        [("code", "seed = 1", ["parameters"]), ("code", "class record:\n    save = print", []),
         ("code", "record.save('nothing')", [])],
    )  # fmt: skip
    lacks = "raise Unavailable('needs a second\\nmoon')"
    cells = [*DRAW[:3], ("code", "from ragkit.types import Unavailable", []), ("code", lacks, [])]
    write_notebook(root / "notebooks" / "40_lacks.ipynb", cells)
    for name, code in [("30_died", "os._exit(1)"), ("31_killed", "os.kill(os.getppid(), 9); time.sleep(60)")]:
        cells = [("code", "seed = 1", ["parameters"]), ("code", f"import os, time; {code}", [])]
        write_notebook(root / "notebooks" / f"{name}.ipynb", cells)
    return root, ragkit(root, "sweep", "-p", "seed=3")


def test_a_failed_run_stops_no_other_and_is_told(swept: tuple[Path, tuple[int, str, str]]) -> None:
    root, (status, out, err) = swept
    assert status == 1
    assert "1 runs made, 0 done before, 4 failed, 1 not run" in out
    assert "1 not run:\n  40_lacks seed=3  |  needs a second moon\n4 failed:\n" in err
    assert list((root / "data" / "runs" / "40_lacks").iterdir()) == []
    assert (
        ragkit(root, "sweep", "40_lacks", "-p", "seed=3")[0] == 1
    )  # nothing of what was asked for could run
    assert "05_fails seed=3  |  cell [5]  |  no such thing: expected another\n" in err
    assert "20_empty seed=3  |  no cell  |  record.save(...) stands in the notebook but wrote no" in err
    assert "30_died seed=3  |  cell [3]  |  the kernel died, perhaps for want of memory" in err
    assert "31_killed seed=3  |  no cell  |  its process ended with -9: killed, perhaps for" in err
    assert "Traceback" not in err
    (kept,) = (root / "data" / "runs" / "05_fails").iterdir()
    assert kept.name.startswith("failed-")
    assert str(kept) in err
    assert "no such thing" in kept.read_text()
    wait_for(lambda: leftovers(root) == [])  # the kernel whose process was killed sees it within a second


def test_a_record_is_whole(swept: tuple[Path, tuple[int, str, str]]) -> None:
    root, _ = swept
    (folder,) = (root / "data" / "runs" / "10_draw").iterdir()
    assert {f.name for f in folder.iterdir()} == {
        "notebook.ipynb", "run.json", "results.parquet", "per_query.parquet",
    }  # fmt: skip
    run = json.loads((folder / "run.json").read_text())
    assert folder.name == run["key"][:16]
    assert run["notebook"] == "10_draw"
    assert run["parameters"] == {"seed": 3, "pause": 0.0}
    assert run["default"] is False
    assert run["versions"]["pandas"] == pd.__version__
    assert run["started"].endswith("+00:00")
    assert run["seconds"] > 0
    import platform

    assert platform.node() not in (folder / "run.json").read_text()


def test_a_run_whose_code_changes_under_it_is_not_kept(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    edit = "open('../ragkit/record.py', 'a').write('# a new line')"
    write_notebook(root / "notebooks" / "10_draw.ipynb", [*DRAW, ("code", edit, [])])
    status, out, err = ragkit(root, "sweep")
    assert (status, "0 runs made" in out) == (1, True)
    assert "what it depends on changed while it ran: ragkit.record; give the same command again" in err
    assert tables(root) == {}


def test_a_failed_run_is_tried_again_and_a_done_one_is_not(
    swept: tuple[Path, tuple[int, str, str]], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(swept[0], tmp_path / "copy"))
    (run,) = plan.plan(["10"], {"seed": "3"}, root, root)
    assert plan.status(run) == "done"
    before = (run.folder / "run.json").stat().st_mtime_ns
    for name in ("05_fails", "30_died", "31_killed"):
        (root / "notebooks" / f"{name}.ipynb").unlink()
    write_notebook(root / "notebooks" / "20_empty.ipynb", [("code", "seed = 1", ["parameters"])])
    status, out, err = ragkit(root, "sweep", "-p", "seed=3")
    first, second, *rest = err.splitlines()  # two at once: whichever ends first is told first
    assert (first[:6], second[:6]) == ("[1/2] ", "[2/2] ")
    assert {first[6:], second[6:]} == {"20_empty seed=3: done", "40_lacks seed=3: not run"}
    assert (status, rest) == (0, ["1 not run:", "  40_lacks seed=3  |  needs a second moon"])
    assert "1 runs made, 1 done before, 0 failed, 1 not run" in out
    assert (run.folder / "run.json").stat().st_mtime_ns == before

    (root / "notebooks" / "40_lacks.ipynb").unlink()
    status, out, err = ragkit(root, "sweep", "-p", "seed=3")
    assert (status, err) == (0, "")
    assert out.startswith("nothing to do: all 2 runs are done\n")


def test_dry_run_says_what_has_changed(swept: tuple[Path, tuple[int, str, str]], tmp_path: Path) -> None:
    root = Path(shutil.copytree(swept[0], tmp_path / "copy"))
    with (root / "ragkit" / "record.py").open("a") as file:
        file.write("\n")
    (changed,) = plan.plan(["10"], {"seed": "3"}, root, root)
    (new,) = plan.plan(["10"], {"seed": "4"}, root, root)
    assert plan.status(changed) == "changed: ragkit.record"
    assert plan.status(new) == "new"


def test_a_record_that_holds_again_is_the_newest(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    module = root / "ragkit" / "record.py"
    before = module.read_text()
    assert ragkit(root, "sweep")[0] == 0
    (first,) = plan.plan([], {}, root, root)
    module.write_text(before + "\n# changed\n")
    assert ragkit(root, "sweep")[0] == 0
    (second,) = plan.plan([], {}, root, root)
    assert record.newest(root) == [second.folder]
    module.write_text(before)
    assert ragkit(root, "sweep")[1].startswith("nothing to do")
    assert record.newest(root) == [first.folder]


def test_a_second_sweep_at_once_is_refused(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    first = start(root, "sweep", "-p", "pause=30")
    lock = root / "data" / "runs" / ".sweep"
    wait_for(lambda: lock.is_file() and lock.read_text() == str(first.pid))
    status, _, err = ragkit(root, "sweep", "-p", "seed=2")
    assert (status, err.count("\n")) == (2, 1)
    assert f"error: another sweep runs here (process {first.pid})" in err
    wait_for(lambda: len(list((root / "data" / "runs").glob("*/.tmp-*/notebook.ipynb"))) == 1)
    first.send_signal(signal.SIGTERM)
    _, err = first.communicate(timeout=30)
    assert first.returncode == 130
    assert leftovers(root) == []


def test_ctrl_c_leaves_nothing_half_written_and_says_how_to_continue(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    process = start(root, "sweep", "-p", "seed=1,2", "-p", "pause=30", "--jobs", "2")
    wait_for(lambda: len(list((root / "data" / "runs").glob("*/.tmp-*/notebook.ipynb"))) == 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    again = "python -m ragkit sweep -p seed=1,2 -p pause=30 --jobs 2"
    assert err.splitlines()[-1] == f"stopped; what is done is kept. To continue: {again}"
    assert leftovers(root) == []


def test_a_sweep_killed_five_times_ends_with_the_values_of_one_left_alone(tmp_path: Path) -> None:
    seeds = "1,2,3,4,5,6,7,8,9,10,11,12"
    command = ["sweep", "-p", f"seed={seeds}", "-p", "pause=0.1", "--jobs", "2"]
    killed = write_project(tmp_path)
    moments, done, under_way = random.Random(5), 0, 0
    for _ in range(5):
        process = start(killed, *command)
        # At any moment, from before the first worker has started to some time after a run is done.
        wanted = done + moments.randint(0, 1)
        wait_for(lambda wanted=wanted: len(records(killed)) >= wanted)  # type: ignore[misc]
        time.sleep(moments.uniform(0.2, 2))
        assert process.poll() is None
        process.kill()
        process.communicate()
        done = len(records(killed))
        under_way += len(list(killed.glob("data/runs/*/.tmp-*")))
    assert 0 < done < 12
    assert under_way > 0
    status, out, _ = ragkit(killed, *command)
    assert status == 0
    assert "0 failed" in out
    assert leftovers(killed) == []
    runs = plan.plan([], {"seed": seeds, "pause": "0.1"}, killed, killed)
    assert len(tables(killed)) == 2 * len(runs) == 2 * 12
    for run in runs:
        values = np.random.default_rng(run.values["seed"]).random(5)  # as tests.project.RECORD draws them
        assert pd.read_parquet(run.folder / "per_query.parquet")["value"].tolist() == values.tolist()
        assert pd.read_parquet(run.folder / "results.parquet")["value"].tolist() == [values.mean()]


MARK = """
import glob, time
from pathlib import Path
def mark(what):
    with open(Path("..") / f"times-{seed}", "a") as file:
        file.write(f"{what} {time.time()}\\n")
"""


def test_a_costs_cell_runs_while_no_other_run_does_anything(tmp_path: Path) -> None:
    write_notebook(
        tmp_path / "notebooks" / "10_costs.ipynb",
        [("code", "seed = 1", ["parameters"]), ("code", MARK, []),
         ("code", "mark('work')\nwhile len(glob.glob('../times-*')) < 2: time.sleep(0.01)", []),
         ("code", "time.sleep(0.2); mark('end')", []),
         ("code", "mark('work'); time.sleep(0.4 * seed); mark('end')", []),
         ("code", "mark('costs'); time.sleep(1); mark('end')", ["costs"]),
         ("code", "mark('work'); time.sleep(0.5); mark('end')", [])],
    )  # fmt: skip
    status, _, err = ragkit(tmp_path, "sweep", "-p", "seed=1,2", "--jobs", "2")
    assert (status, err.count("done")) == (0, 2)
    spans = []
    for seed in (1, 2):
        marks = [line.split() for line in (tmp_path / f"times-{seed}").read_text().splitlines()]
        spans += [
            (seed, what, float(begin), float(end))
            for (what, begin), (_, end) in zip(marks[::2], marks[1::2], strict=True)
        ]
    together = {
        frozenset((one[1], two[1]))
        for one in spans
        for two in spans
        if one[0] < two[0] and one[2] < two[3] and two[2] < one[3]
    }
    assert together == {frozenset(["work"])}  # the runs did overlap, and never while one measured


def test_a_split_that_the_collection_lacks_is_refused_before_anything_runs() -> None:
    with pytest.raises(RagkitError, match=r"split=tset: .*larkfield has the splits dev, test"):
        plan.plan(["10_bm25"], {"split": "tset"})


def test_a_run_of_ones_own_says_so_on_top_and_the_default_run_does_not(tmp_path: Path) -> None:
    executed = tmp_path / "notebook.ipynb"
    executed.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": ["# Title"]}]}))
    worker._mark_as_own(executed, {})
    assert len(json.loads(executed.read_text())["cells"]) == 1
    worker._mark_as_own(executed, {"k": 20})
    notice, title = json.loads(executed.read_text())["cells"]
    assert "A run of your own:** `k = 20`" in notice["source"][0]
    assert title["source"] == ["# Title"]
