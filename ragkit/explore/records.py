"""Recorded runs: which there are, what they measured, and how two systems differ, question by question."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ragkit import data, record
from ragkit.explore.engine import open_collection
from ragkit.formats import BUILT_IN
from ragkit.types import Collection, RagkitError, Unavailable

if TYPE_CHECKING:
    import pandas as pd

FOLDERS = (BUILT_IN / "runs", BUILT_IN / "published")  # one's own, and the repository's


@dataclass(frozen=True, eq=False)
class Made:
    """A recorded run as run.json tells of it; its tables are read when they are asked for."""

    folder: Path
    run: dict[str, Any]

    @property
    def notebook(self) -> str:
        return str(self.run["notebook"])

    @property
    def collection(self) -> str:
        return Path(str(self.run["outcome"].get("collection", ""))).name

    @property
    def parameters(self) -> str:
        """Those that are not the defaults, as they are given with -p."""
        return ", ".join(f"{name}={value}" for name, value in self.run.get("changed", {}).items())

    @property
    def executed(self) -> Path | None:
        """The notebook with its outputs: beside the record, or in notebooks/ where it is the default run."""
        own, shown = self.folder / "notebook.ipynb", BUILT_IN.parent / "notebooks" / f"{self.notebook}.ipynb"
        return own if own.is_file() else None if self.parameters else shown

    def __str__(self) -> str:
        published = "published" in [folder.name for folder in self.folder.parents][:2]
        where = "published" if published else str(self.run["started"])[:16]
        return " · ".join(filter(None, [self.notebook, self.collection, self.parameters, where]))


def folders_of(given: str | Path | Sequence[str | Path]) -> list[Path]:
    """One folder, or several; FOLDERS where none is given."""
    return [Path(f) for f in ([given] if isinstance(given, str | Path) else given)] or list(FOLDERS)


def found(folders: Sequence[Path] = FOLDERS) -> list[Made]:
    """Every whole record that holds results below `folders`: by notebook, the newest first."""
    made = []
    walks = (walk for folder in folders for walk in os.walk(folder))
    for path in (Path(where) for where, _, files in walks if {"run.json", "results.parquet"} <= set(files)):
        if path.name.startswith("."):
            continue
        try:
            run = json.loads((path / "run.json").read_text(encoding="utf-8"))
            made += [Made(path, run)] if {"notebook", "started", "outcome"} <= set(run) else []
        except (ValueError, OSError):
            continue  # a sweep is at work, or was killed, or somebody clears up: the next look shows it whole
    newest_first = sorted(made, key=lambda one: str(one.run["started"]), reverse=True)
    return sorted(newest_first, key=lambda one: one.notebook)


def chosen(made: Sequence[Made], notebook: str, collection: str, parameters: str) -> list[Made]:
    """Those of a notebook, of a collection and with these words among their parameters; "" is any."""
    words = parameters.replace(",", " ").split()

    def said(one: Made, word: str) -> bool:
        told = [f"{name}={value}" for name, value in one.run["parameters"].items()]
        return word in told or ("=" not in word and any(word in one for one in told))

    return [
        one
        for one in made
        if notebook in ("", one.notebook)
        and collection in ("", one.collection)
        and all(said(one, word) for word in words)
    ]


def compared(made: Sequence[Made]) -> list[tuple[str, ...]]:
    """A row a system and run: run, system, measure, value, difference, interval, p, verdict."""
    rows: list[tuple[str, ...]] = []
    for one in made:
        for row in record.read(one.folder).primary.to_dict("records"):
            has = row["difference"] == row["difference"]
            cells = (f"{row['value']:.3f}", f"{row['difference']:+.3f}" if has else "",
                     f"{row['low']:+.3f} to {row['high']:+.3f}" if has else "",
                     f"{row['p_holm']:.4f}" if has else "")  # fmt: skip
            rows.append((str(one), row["system"], row["measure"], *cells, str(row["verdict"])))
    return rows


def per_query(made: Sequence[Made]) -> pd.DataFrame:
    """The values of all systems of these runs: columns system, query_id, measure, value.

    With several runs a system is named after its run too. Raises RagkitError for runs of different
    collections or splits: their questions are not the same.
    """
    import pandas as pd

    asked = {(one.run["outcome"]["collection"], one.run["outcome"]["split"]) for one in made}
    if len(asked) != 1:
        told = "; ".join(sorted(f"{Path(c).name}, {split}" for c, split in asked)) or "none"
        raise RagkitError(f"wins: runs of one collection and split can be compared; found {told}")
    tables = []
    for one in made:
        if not (one.folder / "per_query.parquet").is_file():
            raise RagkitError(f"wins: {one.folder} is no more; look again")
        table = pd.read_parquet(one.folder / "per_query.parquet")
        if len(made) > 1:
            table["system"] = [f"{one}: {system}" for system in table["system"]]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def differ(made: Sequence[Made]) -> bool:
    """Whether documents, questions or judgments changed between these runs of one collection."""
    return len({one.run.get("parts", {}).get("collection") for one in made}) > 1


def differences(values: pd.DataFrame, system: str, baseline: str, measure: str) -> dict[str, float]:
    """query_id -> value of the system minus that of the baseline, largest first; of questions both have."""
    rows = values[values["measure"] == measure]
    ours, theirs = (
        dict(zip(part["query_id"], part["value"], strict=True))
        for part in (rows[rows["system"] == system], rows[rows["system"] == baseline])
    )
    gained = {q: float(value - theirs[q]) for q, value in ours.items() if q in theirs}
    return dict(sorted(gained.items(), key=lambda item: (-item[1], item[0])))


def ranked(made: Sequence[Made], query_id: str) -> dict[str, list[str]]:
    """system -> what it found for a question, best first, named as in `per_query`; none without rankings.

    Published records hold none; those of the same run in data/runs, where it was made here, do. Only the
    rows of the question are read: a record holds up to a million.
    """
    import pandas as pd

    held: dict[str, list[str]] = {}
    for one in made:
        places = [one.folder, FOLDERS[0] / one.notebook / str(one.run["key"])[:16]]
        files = [p / "rankings.parquet" for p in places if (p / "rankings.parquet").is_file()]
        if not files:
            continue
        columns, this = ["system", "doc_id", "rank"], [("query_id", "==", query_id)]
        table = pd.read_parquet(files[0], columns=columns, filters=this).sort_values("rank")
        for system, rows in table.groupby("system", sort=False):
            held[f"{one}: {system}" if len(made) > 1 else str(system)] = rows["doc_id"].tolist()
    return held


def asked(made: Made) -> Collection:
    """The collection of a run, with the questions that it asked, rewordings among them where there are any.

    Raises RagkitError where it is no more to be had, or where its rewordings cannot be read.
    """
    outcome = made.run["outcome"]
    held = open_collection(str(outcome["collection"]), str(outcome["split"]))
    try:
        reworded = data.variants(held)
    except Unavailable:
        return held
    return replace(held, queries=held.queries | reworded.queries, qrels=held.qrels | reworded.qrels)


def address(path: Path) -> str:
    """Where the Jupyter server of this kernel shows a file; "" where no server does."""
    from jupyter_server.serverapp import list_running_servers

    for server in list_running_servers():
        root = Path(server["root_dir"])
        if server["pid"] == os.getppid() and path.resolve().is_relative_to(root.resolve()):
            inside = path.resolve().relative_to(root.resolve()).as_posix()
            return f"{server['base_url']}lab/tree/{quote(inside)}"
    return ""
