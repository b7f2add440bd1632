"""What a sweep has to run: notebooks times the grid of their parameters, checked before anything runs."""

from __future__ import annotations

import ast
import csv
import difflib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragkit import keys, record
from ragkit.types import RagkitError

CHECKOUT = Path(__file__).resolve().parent.parent
FINDINGS = "90_findings"


@dataclass(frozen=True, eq=False)
class Planned:
    """A run that is to be: `values` are all its parameters, `changed` those that are not the defaults."""

    notebook: Path
    values: dict[str, Any]
    changed: dict[str, Any]
    parts: dict[str, Any]
    runs: Path  # data/runs

    @property
    def key(self) -> str:
        return keys.digest({"notebook": self.notebook.stem, **self.parts})

    @property
    def folder(self) -> Path:
        return self.runs / self.notebook.stem / self.key[:16]

    @property
    def done(self) -> bool:
        return (self.folder / "run.json").is_file()

    @property
    def workplace(self) -> Path:
        return self.folder.with_name(f".tmp-{self.folder.name}")

    def __str__(self) -> str:
        return " ".join([self.notebook.stem, *(f"{name}={value}" for name, value in self.changed.items())])


def plan(
    names: Sequence[str] = (),
    given: Mapping[str, str] | None = None,
    root: Path = CHECKOUT,
    cwd: Path | None = None,
) -> list[Planned]:
    """The runs of the notebooks `names` (none: all numbered ones but 00_ and 90_) over the grid `given`.

    `given` maps a parameter to its values as written, separated by commas. Raises RagkitError
    before anything runs for what is misspelt, of the wrong type or not to be had.
    """
    given = given or {}
    notebooks = [keys.read_notebook(path) for path in _select(names, root, cwd or Path.cwd())]
    for name in given:
        _refuse_unknown(name, notebooks)
    planned: dict[str, Planned] = {}
    for notebook in notebooks:
        grid = {n: _typed(n, text, notebook.defaults[n], notebook.name) for n, text in given.items()}
        for values in itertools.product(*grid.values()):
            run = single(notebook, dict(zip(grid, values, strict=True)), root, cwd or Path.cwd())
            planned.setdefault(run.key, run)
    return list(planned.values())


def plan_findings(records: Path | None = None, root: Path = CHECKOUT) -> Planned:
    """The run of 90_findings over a folder of records, data/runs unless another is named.

    data/published is its default, so that this is the run which the repository shows. Raises
    RagkitError where there is no record.
    """
    folder = (records or root / "data" / "runs").resolve()
    record.newest(folder)
    notebook = keys.read_notebook(findings_path(root))
    _refuse_unknown("records", [notebook])
    published = folder == (notebook.path.parent / notebook.defaults["records"]).resolve()
    return single(notebook, {} if published else {"records": str(folder)}, root, root)


def findings_path(root: Path = CHECKOUT) -> Path:
    return root / "notebooks" / f"{FINDINGS}.ipynb"


def single(notebook: keys.Notebook, given: dict[str, Any], root: Path, cwd: Path) -> Planned:
    """The run of a notebook with these values over its defaults; paths among them are relative to `cwd`."""
    values, paths = keys.resolve(notebook, given, cwd)
    changed = {name: value for name, value in values.items() if value != notebook.defaults[name]}
    parts = keys.parts_of(notebook, values, paths, root)
    return Planned(notebook.path, values, changed, parts, root / "data" / "runs")


def _select(names: Sequence[str], root: Path, cwd: Path) -> list[Path]:
    every = sorted((root / "notebooks").glob("*.ipynb"))
    if not names:
        # 00_start_here is an entrance: it measures nothing
        return [
            p for p in every if p.name[0].isdigit() and not p.name.startswith("00") and p.stem != FINDINGS
        ]
    selected = []
    for name in names:
        path = (cwd / name).resolve()
        exact = [p for p in every if name in (p.stem, p.name) or p.resolve() == path]
        found = exact or [p for p in every if p.stem.startswith(name)]
        if len(found) > 1:
            raise RagkitError(f"notebook {name!r} is not one: {', '.join(p.stem for p in found)}")
        if not found:
            raise RagkitError(f"no notebook {name!r} in notebooks/; {_near(name, [p.stem for p in every])}")
        selected.extend(found)
    return list(dict.fromkeys(selected))


def _near(name: str, known: Sequence[str]) -> str:
    """What was probably meant; all there is where nothing comes near."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"


def _refuse_unknown(name: str, notebooks: Sequence[keys.Notebook]) -> None:
    lacking = [notebook.name for notebook in notebooks if name not in notebook.defaults]
    if len(lacking) == len(notebooks):
        known = sorted({name for notebook in notebooks for name in notebook.defaults})
        raise RagkitError(f"no parameter {name!r} in {', '.join(lacking)}; {_near(name, known)}")
    if lacking:
        having = [notebook.name for notebook in notebooks if notebook.name not in lacking]
        raise RagkitError(
            f"no parameter {name!r} in {', '.join(lacking)}; name the notebooks that you mean, those that "
            f"have it: {' '.join(having)}"
        )


def _typed(name: str, text: str, default: Any, notebook: str) -> list[Any]:
    """The values of `name=value,value`, each of the default's type; text is taken as it is written."""
    if isinstance(default, str):
        return list(dict.fromkeys(next(csv.reader([text])) or [""]))
    values = _literals(text)
    if isinstance(default, float):
        values = [float(v) if type(v) is int else v for v in values]
    if isinstance(default, tuple):
        values = [tuple(v) if isinstance(v, list) else v for v in values]
    wrong = [v for v in values if default is not None and type(v) is not type(default)]
    if wrong or not values:
        raise RagkitError(
            f"{name}={text}: {notebook} has {name} = {default!r}, expected {type(default).__name__} values "
            f"separated by commas, found {', '.join(map(repr, wrong)) or 'none'}"
        )
    return [value for i, value in enumerate(values) if value not in values[:i]]


def _literals(text: str) -> list[Any]:
    """JSON or Python literals separated by commas; words where they are neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return list(read(f"[{text}]"))
        except (ValueError, SyntaxError):
            continue
    return [word.strip() for word in text.split(",")]


def status(run: Planned) -> str:
    """done, new, or what has changed since the newest run of this notebook with these parameters."""
    if run.done:
        return "done"
    before = []
    for file in run.folder.parent.glob("[!.]*/run.json"):
        made = json.loads(file.read_text("utf-8"))
        if made["parameters"] == json.loads(json.dumps(run.values)):
            before.append((made["started"], made["parts"]))
    if not before:
        return "new"
    return "changed: " + ", ".join(differences(max(before, key=lambda b: b[0])[1], run.parts))


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The names of the parts of a key that differ, versions with what they were and are."""
    found = []
    for part in sorted(old.keys() | new.keys()):
        was, now = old.get(part), new.get(part)
        if part == "versions" and was and now:
            found += [
                f"{name} {was.get(name, 'none')} -> {now.get(name, 'none')}"
                for name in sorted(was.keys() | now.keys())
                if was.get(name) != now.get(name)
            ]
        elif isinstance(was, dict) and isinstance(now, dict):
            found += [name for name in sorted(was.keys() | now.keys()) if was.get(name) != now.get(name)]
        elif was != now:
            found.append(part)
    return found
