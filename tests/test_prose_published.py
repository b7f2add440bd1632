"""The write-up against the record: every number that a reader takes home leads to the run that made it."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ragkit import prose, publish, record
from tests.expected import CHECKS, GATES, readme_row
from tests.project import CHECKOUT

NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("[1-9]*.ipynb"))  # 00 measures nothing
WORDS = r"\b(better|worse|equivalent|not shown)\b"


@pytest.fixture(scope="module")
def records() -> dict[str, record.Record]:
    return publish.published(CHECKOUT)


def markdown(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: str(path.stem))
def test_bound_numbers_are_those_of_the_record(notebook: Path, records: dict[str, record.Record]) -> None:
    for cell in markdown(notebook):
        assert prose.fill(cell, records, notebook.stem) == cell, "run `make publish`"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: str(path.stem))
def test_title_answer_and_conclusion_hold_no_number_without_a_record(notebook: Path) -> None:
    cells = markdown(notebook)
    assert cells[0].startswith("# ")
    assert cells[0].splitlines()[0].endswith("?")
    assert cells[-1].startswith("## Conclusion")
    assert prose.loose_numbers(cells[0]) == []
    assert prose.loose_numbers(cells[-1]) == []


def test_the_readme_is_bound_to_the_record(records: dict[str, record.Record]) -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert prose.fill(text, records) == text, "run `make publish`"
    findings = text.partition("## What was found")[2].partition("\n## ")[0]
    assert len(re.findall(prose.BOUND, findings)) > 10
    assert prose.loose_numbers(findings) == []


def test_every_headline_stands_in_the_readme_and_has_a_gate(records: dict[str, record.Record]) -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    defaults = {
        name: item for name, item in records.items() if "/" not in name
    }  # the others: a second collection
    assert set(GATES) == set(defaults)
    for name, item in defaults.items():
        for system in item.headline["system"]:
            assert f"<!--= {name} | {system} | {item.measure} | verdict -->" in text
            assert system in GATES[name], f"{name}: no gate for {system} in tests/expected.yaml"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: str(path.stem))
def test_notebooks_are_committed_as_run_from_top_to_bottom(notebook: Path) -> None:
    whole = json.loads(notebook.read_text(encoding="utf-8"))
    code = [cell for cell in whole["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    kinds = {(o["output_type"], o.get("name")) for cell in code for o in cell["outputs"]}
    assert kinds <= {("execute_result", None), ("display_data", None), ("stream", "stdout")}
    assert code[0]["metadata"]["tags"] == ["parameters"]
    for cell in code:  # tests/notebook_cells.py asks fewer questions for costs: compared with nothing
        if "evaluate.costs(" in "".join(cell["source"]):
            assert not cell["outputs"] or "nbval-ignore-output" in cell["metadata"]["tags"]
    outputs = [o.get("data", {}).get("text/markdown", "") for cell in code for o in cell["outputs"]]
    shown = [text for output in outputs if (text := "".join(output)).startswith("```python")]
    assert all(len(text.splitlines()) - 2 <= 20 for text in shown)  # code from the package, to be read


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: str(path.stem))
def test_a_notebook_defines_nothing_that_belongs_in_the_package(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            for node in ast.walk(ast.parse(source)):
                assert not isinstance(node, ast.ClassDef)
                assert not isinstance(node, ast.FunctionDef) or len(node.body) <= 5
            assert not re.search(r"sys\.path|import \*|^[!%]", source, re.M)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: f"{c['collection']}: {c['system']}")
def test_the_readme_shows_what_was_measured_on_published_collections(check: dict[str, Any]) -> None:
    assert readme_row(check) in (CHECKOUT / "README.md").read_text(encoding="utf-8")
