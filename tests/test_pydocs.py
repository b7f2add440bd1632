"""pydocs: what is collected from the installed packages, the same everywhere, and what load says of it."""

import hashlib
import inspect
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ragkit import data, formats, pydocs
from ragkit.types import Collection, RagkitError
from tests.project import CHECKOUT

HERE = CHECKOUT / "data" / "pydocs"
JUDGED = json.loads((HERE / "versions.json").read_text("utf-8"))
as_judged = pytest.mark.skipif(
    [f"{platform.system()} {platform.machine()}", "{}.{}".format(*sys.version_info)]
    != [JUDGED["platform"], JUDGED["python"]],
    reason="the counts and the digest are those of another platform or Python",
)


@pytest.fixture(scope="module")
def collection() -> Collection:
    return data.load("pydocs")


# --- what is collected ------------------------------------------------------------------------------


def test_a_text_stands_under_the_shortest_public_name_that_is_its_origin(collection: Collection) -> None:
    kinds = {
        "numpy": "module",
        "numpy.reshape": "function",
        "numpy.abs": "function",  # and numpy.absolute, a longer name of the same function
        "numpy.int64": "class",  # numpy.intp is shorter, but is another type elsewhere
        "numpy.r_": "object",
        "numpy.ndarray.shape": "attribute",
        "scipy.stats.norm": "object",
        "scipy.linalg.svd": "function",
        "pandas.DataFrame": "class",
        "pandas.DataFrame.pivot": "method",
        "pandas.DataFrame.head": "method",  # Series inherits it too, and is smaller
        "pandas.Series.str.split": "method",
        "pandas.Series.dt.year": "attribute",
        "sklearn.base.BaseEstimator.get_params": "method",  # and not one of all that inherit it
        "sklearn.model_selection.train_test_split": "function",
        "matplotlib.pyplot.plot": "function",
        "matplotlib.axes.Axes.get_xbound": "method",  # and not Axes3D's, whose name is as deep
        "mpl_toolkits.mplot3d.Axes3D": "class",
    }
    assert {name: collection.documents.get(name, {}).get("kind") for name in kinds} == kinds
    assert "numpy.absolute" in collection.documents["numpy.abs"]["aliases"]
    assert "pandas.Series.head" in collection.documents["pandas.DataFrame.head"]["aliases"]
    assert collection.documents["sklearn.base.BaseEstimator.get_params"]["aliases"] == []
    assert "pandas.Series.head" not in collection.corpus


def test_a_document_has_its_name_for_a_title_and_the_docstring_for_a_text(collection: Collection) -> None:

    doc = np.reshape.__doc__
    assert doc is not None
    title, text = collection.corpus["numpy.reshape"].split("\n", 1)
    assert title == "numpy.reshape"
    assert text == inspect.cleandoc(doc)  # without the indentation of the source
    assert collection.documents["numpy.reshape"] == {
        "title": "numpy.reshape",
        "package": "numpy",
        "version": np.__version__,
        "kind": "function",
        "aliases": ["numpy.matlib.reshape"],
    }


def test_names_are_public_and_texts_distinct_and_not_trivial(collection: Collection) -> None:
    texts = {name: text.removeprefix(f"{name}\n") for name, text in collection.corpus.items()}
    assert all(not part.startswith("_") for name in texts for part in name.split("."))
    assert not [name for name in texts if ".tests." in name or name.startswith("pandas.core")]
    assert len(set(texts.values())) == len(texts)
    assert min(len(text.split()) for text in texts.values()) >= pydocs.FEWEST_WORDS
    assert list(texts) == sorted(texts)


def test_no_text_holds_what_changes_from_machine_to_machine(collection: Collection) -> None:
    whole = "\n".join(collection.corpus.values())
    for changing in (sys.prefix, str(CHECKOUT), str(Path.home() / "."), "Alias on this platform"):
        assert changing == "/" or f"{changing}/" not in whole, changing
    normal = collection.corpus["scipy.stats.Normal"]  # its example draws when scipy is imported
    assert "array([])  # may vary" in normal


@as_judged
def test_another_process_with_another_environment_collects_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 7\n")
    (tmp_path / "numpy.py").write_text("raise RuntimeError('the numpy.py of the folder one stands in')\n")
    monkeypatch.chdir(tmp_path)
    changed = {"PYTHONHASHSEED": "7", "PYTHONOPTIMIZE": "2", "SCIPY_ARRAY_API": "1", "MPLBACKEND": "svg"}
    changed |= {"HOME": str(tmp_path), "TZ": "Asia/Tokyo", "LC_ALL": "C", "COLUMNS": "33"}
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    found = pydocs.collected(tmp_path / "cache").read_bytes()
    assert hashlib.sha256(found).hexdigest() == JUDGED["digest"]
    assert found == pydocs.collected(formats.cache_folder()).read_bytes()


@as_judged
def test_the_data_card_has_the_counts(collection: Collection) -> None:
    assert pydocs.versions() == JUDGED["versions"]
    assert len(collection.corpus) == JUDGED["documents"]
    readme = (HERE / "README.md").read_text("utf-8")
    kinds = ("module", "class", "function", "method", "attribute", "object")
    for package in (*pydocs.PACKAGES, "all"):
        of_it = [d for d, info in collection.documents.items() if package in (info["package"], "all")]
        words = sum(len(collection.corpus[d].split()) - 1 for d in of_it)  # the title is one word
        counts = Counter(collection.documents[d]["kind"] for d in of_it)
        version = JUDGED["versions"].get(package, "")
        cells = [package, version, f"{len(of_it):,}", f"{words:,}", *(f"{counts[kind]:,}" for kind in kinds)]
        assert f"| {' | '.join(cells)} |\n".replace("|  |", "| |") in readme


# --- cache and fingerprint --------------------------------------------------------------------------


def test_what_is_in_the_cache_is_not_collected_again(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", no_process)
    start = time.process_time()
    assert data.fingerprint("pydocs") == collection.fingerprint
    assert time.process_time() - start < 0.3
    assert pydocs.collected(formats.cache_folder()).parent == formats.cache_folder()


def test_another_version_is_another_file_and_another_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collection: Collection
) -> None:
    here = pydocs.collected(formats.cache_folder())

    def collects_less(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        Path(command[-1]).write_text('{"_id": "numpy", "text": "less"}\n')
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", collects_less)
    monkeypatch.setattr(pydocs, "version", lambda name: "99.0" if name == "numpy" else "1.0")
    monkeypatch.setenv("RAGKIT_CACHE", str(tmp_path))
    assert pydocs.collected(tmp_path).name != here.name
    assert data.fingerprint("pydocs") != collection.fingerprint


def test_a_package_that_cannot_be_imported_is_one_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('numpy is broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RagkitError, match=r"could not be collected .*: ImportError: numpy is broken$"):
        pydocs.collected(tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.jsonl"))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pydocs.PACKAGES, "no-such-package", ("nothing",))
    with pytest.raises(RagkitError, match="no-such-package is not installed"):
        pydocs.versions()


# --- versions other than those that were judged -----------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """data/pydocs in a folder of its own, with two judged questions; the documents are those of the cache."""
    folder = tmp_path / "data" / "pydocs"
    (folder / "qrels").mkdir(parents=True)
    questions = [{"_id": "q1", "text": "rows into columns"}, {"_id": "q2", "text": "why a view"}]
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in questions))
    rows = ["q1\tpandas.DataFrame.pivot\t2", "q1\tpandas.gone\t1", "q2\tnumpy.gone\t2", "q2\tnumpy.view\t0"]
    (folder / "qrels" / "test.tsv").write_text("\n".join([formats.HEADER, *rows]) + "\n")
    shutil.copy(HERE / "versions.json", folder)
    monkeypatch.setenv("RAGKIT_CACHE", os.path.abspath(formats.cache_folder()))
    monkeypatch.setattr(formats, "BUILT_IN", tmp_path / "data")
    data._warn_once.cache_clear()
    return folder


def judged_with(folder: Path, change: dict[str, object]) -> None:
    (folder / "versions.json").write_text(json.dumps(JUDGED | change))


def test_another_version_is_said_once_and_loading_goes_on_without_what_is_gone(elsewhere: Path) -> None:
    judged_with(elsewhere, {"versions": pydocs.versions() | {"pandas": "2.9.9"}})
    now = pydocs.versions()["pandas"]
    with pytest.warns(
        UserWarning, match=f"^pydocs: judged with pandas 2.9.9, but installed is pandas {now};"
    ):
        found = data.load("pydocs", "test")
    assert found.qrels == {"q1": {"pandas.DataFrame.pivot": 2}, "q2": {}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert data.load("pydocs", "test").qrels == found.qrels


def test_check_names_all_documents_that_are_judged_and_gone(elsewhere: Path) -> None:
    judged_with(elsewhere, {"versions": pydocs.versions() | {"pandas": "2.9.9"}})
    with pytest.raises(
        RagkitError, match=r"judged and no longer there: numpy\.gone, numpy\.view, pandas\.gone$"
    ):
        data.check("pydocs")
    (elsewhere / "qrels" / "test.tsv").write_text(f"{formats.HEADER}\nq1\tpandas.DataFrame.pivot\t2\n")
    assert data.check("pydocs").splitlines()[-1].startswith("judged with pandas 2.9.9, but installed is")


def test_other_texts_of_the_same_versions_are_said_too(elsewhere: Path) -> None:
    judged_with(elsewhere, {"versions": pydocs.versions(), "digest": "0" * 64})
    with pytest.warns(UserWarning, match="not all texts are"):
        data.load("pydocs", "test")


@as_judged
def test_with_the_judged_versions_an_unknown_document_is_an_error_as_everywhere(elsewhere: Path) -> None:
    with pytest.raises(RagkitError, match=r"judges document 'pandas\.gone', which the corpus does not have"):
        data.load("pydocs", "test")


def test_pydocs_is_known_by_name_and_its_documents_are_not_in_the_repository() -> None:
    assert formats.folder("pydocs") == HERE
    assert not list(HERE.rglob("corpus*"))
    with pytest.raises(RagkitError, match="Did you mean pydocs"):
        formats.folder("pydoc")


RUN = 9  # words in a row that a document and something of ours do not share by chance
TASKS = ["query_id", "multi_query", "hyde", "step_back", "decompose", "route", "closed_book"]


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    return {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}


def test_the_questions_are_as_many_as_the_card_says_and_each_is_recorded_once() -> None:
    questions, recorded = rows("queries.jsonl"), rows("recordings.jsonl")
    kinds = Counter((q["metadata"]["type"], q["metadata"]["split"]) for q in questions)
    for kind in {kind for kind, _ in kinds}:
        dev, test = kinds[kind, "dev"], kinds[kind, "test"]
        assert f"| {kind} | {dev} | {test} | {dev + test} |" in (HERE / "README.md").read_text("utf-8")
    assert [row["query_id"] for row in recorded] == [question["_id"] for question in questions]
    assert len({question["text"] for question in questions}) == len(questions)
    assert all(list(row) == TASKS for row in recorded)


@as_judged
def test_the_judgments_are_of_its_questions_and_documents_and_the_card_counts_them(
    collection: Collection,
) -> None:
    known = {row["_id"]: row["metadata"] for row in rows("queries.jsonl")}
    counts = Counter[tuple[str, int]]()
    for split in ("dev", "test"):
        part = data.load("pydocs", split)
        assert part.qrels.keys() == {q for q, of in known.items() if of["split"] == split}
        assert part.answerable.keys() == {q for q in part.qrels if known[q]["answerable"]}
        for judged in part.qrels.values():
            assert len(judged) >= 10
            assert judged.keys() <= collection.corpus.keys()
            counts.update((split, grade) for grade in judged.values())
    for grade in (2, 1, 0):
        dev, test = counts["dev", grade], counts["test", grade]
        assert f"| {grade} | {dev:,} | {test:,} | {dev + test:,} |" in (HERE / "README.md").read_text("utf-8")
    assert {grade for _, grade in counts} == {0, 1, 2}


def test_the_second_round_is_part_of_the_judgments_and_the_card_counts_it() -> None:
    later = formats.read_judgments(HERE / "second_round.tsv", formats.raise_it)
    judged = {
        (q, d): grade
        for split in ("dev", "test")
        for _, q, d, grade in formats.read_judgments(HERE / "qrels" / f"{split}.tsv", formats.raise_it)
    }
    assert all(judged[q, d] == grade for _, q, d, grade in later)
    grades, first = Counter(grade for *_, grade in later), len(judged) - len(later)
    card = (HERE / "README.md").read_text("utf-8")
    assert f"added {grades[2]} grades of 2 and {grades[1]} of 1, in {len(later):,} pairs" in card
    assert f"had expected: {first:,} pairs. Second:" in card


def test_nothing_of_ours_repeats_a_document(collection: Collection) -> None:
    written = {row["query_id"]: runs("\n".join(map(str, row.values()))) for row in rows("recordings.jsonl")}
    asked = {question["_id"]: runs(question["text"]) for question in rows("queries.jsonl")}
    ours = set[tuple[str, ...]]().union(*written.values(), *asked.values())
    taken = {run for text in collection.corpus.values() for run in runs(text) & ours}
    assert [query_id for query_id, found in written.items() if found & taken] == []
    pasted = [query_id for query_id, found in asked.items() if found & taken]
    assert pasted == ["all-05", "sk-13"]  # messages of the packages, as people paste them
