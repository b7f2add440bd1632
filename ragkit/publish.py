"""Take the default runs into the repository: outputs of notebooks, figures, tables, and numbers in prose."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ragkit import plan, prose, record, sweep
from ragkit.types import RagkitError

TABLES = ("results.parquet", "per_query.parquet", "costs.parquet", "run.json")
SECOND = "pydocs"  # the collection whose finished runs are published beside those on the defaults


def publish(root: Path = plan.CHECKOUT) -> list[Path]:
    """Run what is not done on defaults, and write it into notebooks/, figures/, data/published/ and README.

    Of the runs on SECOND those that are done are published too. The findings run last, over what is
    published. Returns the files written. Raises RagkitError when a run fails, or one on SECOND that was
    published is not done any more; nothing is published then.
    """
    planned = plan.plan(root=root)
    again = [run for run in plan.plan(given={"collection": SECOND}, root=root) if run.done]
    held = {path.parent.name for path in (root / "data" / "published" / SECOND).glob("*/run.json")}
    if lost := sorted(held - {run.notebook.stem for run in again}):
        raise RagkitError(
            f"publish: nothing is published: what was published on {SECOND} is out of date; make it again: "
            f"python -m ragkit sweep {' '.join(lost)} -p collection={SECOND}"
        )
    _run(planned, root)
    with _all_or_nothing(root):
        return _written(planned, again, root)


def _written(planned: list[plan.Planned], again: list[plan.Planned], root: Path) -> list[Path]:
    written = []
    shutil.rmtree(root / "data" / "published", ignore_errors=True)
    for figure in (root / "figures").glob("*.png"):
        figure.unlink()  # one that no notebook draws any more must not stay
    for run in planned:
        written += _copied(run, root / "data" / "published" / run.notebook.stem)
        written += [Path(shutil.copy(png, root / "figures")) for png in sorted(run.folder.glob("*.png"))]
    for run in again:
        written += _copied(run, root / "data" / "published" / SECOND / run.notebook.stem)
    findings = plan.plan_findings(root / "data" / "published", root)
    _run([findings], root)
    written += [Path(shutil.copy(png, root / "figures")) for png in sorted(findings.folder.glob("*.png"))]

    records = published(root)
    for run in [*planned, findings]:
        notebook = json.loads(run.notebook.read_text(encoding="utf-8"))
        executed = json.loads((run.folder / "notebook.ipynb").read_text(encoding="utf-8"))
        text = json.dumps(merged(notebook, executed), indent=1, ensure_ascii=False) + "\n"
        run.notebook.write_text(text, encoding="utf-8")
        written.append(run.notebook)
    written += refill(root, records)
    return written


@contextmanager
def _all_or_nothing(root: Path) -> Iterator[None]:
    """What is published, as it was, should the findings fail, or a text name what no record has any more."""
    held = [root / name for name in ("data/published", "figures", "notebooks", "README.md")]
    with TemporaryDirectory() as folder:
        kept = {path: Path(folder) / path.name for path in held if path.exists()}
        for path, copy in kept.items():
            shutil.copytree(path, copy) if path.is_dir() else shutil.copy2(path, copy)
        try:
            yield
        except BaseException:
            for path, copy in kept.items():
                if path.is_dir():
                    shutil.rmtree(path)
                shutil.copytree(copy, path) if copy.is_dir() else shutil.copy2(copy, path)
            raise


def published(root: Path = plan.CHECKOUT) -> dict[str, record.Record]:
    """The published records, by notebook; those on SECOND by "<SECOND>/<notebook>"."""
    folder = root / "data" / "published"
    found = {item.notebook: item for item in map(record.read, record.newest(folder))}
    again = map(record.read, record.newest(folder, SECOND))
    return found | {f"{SECOND}/{item.notebook}": item for item in again}


def refill(root: Path, records: dict[str, record.Record]) -> list[Path]:
    """Write every bound number of the notebooks' prose and of the README as the records have it."""
    written = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                text = prose.fill("".join(cell["source"]), records, path.stem)
                cell["source"] = text.splitlines(keepends=True)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    readme = root / "README.md"
    readme.write_text(prose.fill(readme.read_text(encoding="utf-8"), records), encoding="utf-8")
    return [*written, readme]


def merged(notebook: dict[str, Any], executed: dict[str, Any]) -> dict[str, Any]:
    """The notebook as it is, with the outputs of its executed copy, counted 1..n, without time stamps.

    Raises RagkitError when the two do not hold the same code.
    """
    ours = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    theirs = [
        cell
        for cell in executed["cells"]
        if cell["cell_type"] == "code" and "injected-parameters" not in cell["metadata"].get("tags", [])
    ]
    if ["".join(cell["source"]) for cell in ours] != ["".join(cell["source"]) for cell in theirs]:
        raise RagkitError("publish: a notebook changed while it was run; run `make publish` again")
    for number, (cell, done) in enumerate(zip(ours, theirs, strict=True), start=1):
        cell["execution_count"] = number
        cell["outputs"] = [_plain(output, number) for output in done["outputs"]]
        cell["metadata"] = {key: cell["metadata"][key] for key in ("tags",) if cell["metadata"].get(key)}
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _copied(run: plan.Planned, target: Path) -> list[Path]:
    target.mkdir(parents=True)
    return [Path(shutil.copy(run.folder / name, target / name)) for name in TABLES]


def _plain(output: dict[str, Any], number: int) -> dict[str, Any]:
    return {**output, "execution_count": number} if "execution_count" in output else output


def _run(planned: list[plan.Planned], root: Path) -> None:
    failures = sweep.run(planned, jobs=1, root=root)  # one by one: what building takes is measured too
    if failures:
        lines = "\n".join(f"  {failure.run}: {failure.message}" for failure in failures)
        raise RagkitError(f"publish: nothing is published, for these runs were not made:\n{lines}")
