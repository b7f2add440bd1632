import copy
from pathlib import Path
from typing import Any

import pytest

from ragkit import plan, publish
from ragkit.types import RagkitError


def notebook(source: str, **more: Any) -> dict[str, Any]:
    code = {"cell_type": "code", "source": [source], "metadata": {"tags": ["costs"]}, "outputs": []} | more
    return {
        "cells": [{"cell_type": "markdown", "source": ["# Ours"]}, code],
        "metadata": {"papermill": {"x": 1}},
    }


def test_outputs_come_under_the_present_prose_without_time_stamps() -> None:
    ours = notebook("1 + 1")
    output = {"output_type": "execute_result", "execution_count": 7, "data": {"text/plain": "2"}}
    theirs = notebook("1 + 1", outputs=[output], metadata={"execution": {"iopub.status.busy": "2026"}})
    theirs["cells"][0]["source"] = ["# As it was"]
    whole = publish.merged(copy.deepcopy(ours), theirs)
    assert whole["cells"][0] == ours["cells"][0]
    assert whole["cells"][1]["outputs"] == [output | {"execution_count": 1}]
    assert whole["cells"][1]["execution_count"] == 1
    assert whole["cells"][1]["metadata"] == {"tags": ["costs"]}
    assert set(whole["metadata"]) == {"kernelspec", "language_info"}


def test_nothing_is_published_while_a_published_run_on_the_second_collection_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = tmp_path / "data" / "published" / publish.SECOND / "10_bm25" / "run.json"
    held.parent.mkdir(parents=True)
    held.write_text("{}")
    monkeypatch.setattr(plan, "plan", lambda **_: [])
    with pytest.raises(RagkitError, match=r"out of date.*sweep 10_bm25 -p collection=pydocs$"):
        publish.publish(tmp_path)
    assert held.is_file()


def test_what_is_published_stays_as_it_was_when_the_findings_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {"data/published/10_bm25/run.json": "{}", "figures/old.png": "a picture",
              "notebooks/90_findings.ipynb": "{}", "README.md": "# Ours"}  # fmt: skip
    for name, text in before.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(plan, "plan", lambda **_: [])

    def no_findings(*_: Any) -> None:
        (tmp_path / "README.md").write_text("half of it")
        raise RagkitError("the findings fail")

    monkeypatch.setattr(plan, "plan_findings", no_findings)
    with pytest.raises(RagkitError, match="the findings fail"):
        publish.publish(tmp_path)
    assert {name: (tmp_path / name).read_text() for name in before} == before


def test_outputs_of_other_code_are_refused() -> None:
    with pytest.raises(RagkitError, match="changed while it was run"):
        publish.merged(notebook("1 + 1"), notebook("1 + 2"))
