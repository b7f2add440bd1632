"""The record of a run: what a notebook leaves behind, and the findings that are read from it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ragkit.types import RagkitError, ranking

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ragkit.evaluate import Comparison

VERDICT_COLORS = {"better": "#4f8a4c", "worse": "#c8553d", "equivalent": "#1b6ca8"}  # else grey


def save(
    comparison: Comparison,
    costs: pd.DataFrame,
    figures: Mapping[str, Figure],
    noted: Mapping[str, float | str],
    headline: Sequence[str] | None = None,
) -> None:
    """Leave tables, figures and facts (`noted`: other numbers that the prose names) in this run's folder.

    Of rankings and answers there is a table of what was compared, none of the other.
    `headline`: the systems that answer the notebook's question, which the findings draw; None: all that
    were compared. The sweep names the folder in RAGKIT_RUN_DIR; a notebook that is run by hand leaves
    nothing. Raises RagkitError for a headline that is no system.
    """
    if unknown := sorted(set(headline or ()) - set(comparison.results["system"])):
        raise RagkitError(f"record.save: headline {unknown}: expected some of the systems compared")
    if "RAGKIT_RUN_DIR" not in os.environ:
        return
    import pandas as pd

    folder = Path(os.environ["RAGKIT_RUN_DIR"])
    rankings = [
        (system, query_id, doc_id, rank, scores[doc_id])
        for system, run in comparison.runs.items()
        for query_id, scores in run.items()
        for rank, doc_id in enumerate(ranking(scores), start=1)
    ]
    columns = ["system", "query_id", "doc_id", "rank", "score"]
    answers = [(system, q, text) for system, given in comparison.answers.items() for q, text in given.items()]
    tables = {"results": comparison.results, "per_query": comparison.per_query, "costs": costs}
    if rankings:
        tables["rankings"] = pd.DataFrame(rankings, columns=columns)
    if answers:
        tables["answers"] = pd.DataFrame(answers, columns=["system", "query_id", "answer"])
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    save_figures(figures)
    usage = {system: vars(used) for system, used in comparison.usage.items()}
    outcome = {"baseline": comparison.baseline, "primary": comparison.primary, "headline": headline,
               "collection": comparison.collection, "split": comparison.split,
               "not_run": comparison.not_run, "facts": dict(noted), "usage": usage}  # fmt: skip
    (folder / "outcome.json").write_text(json.dumps(outcome, indent=1, sort_keys=True) + "\n")


def facts(name: str, comparison: Comparison, system: str) -> dict[str, float | str]:
    """A second comparison's outcome, to be recorded beside the first: "<name> difference", low, high, ..."""
    rows = comparison.results.query("measure == @comparison.primary and type == 'all' and system == @system")
    row = rows.iloc[0]
    return {f"{name} {field}": row[field] for field in ("difference", "low", "high", "p_holm", "verdict")}


def save_figures(figures: Mapping[str, Figure]) -> None:
    """Leave the figures in the folder of this run, as <name>.png; nothing when it is run by hand."""
    if "RAGKIT_RUN_DIR" in os.environ:
        for name, figure in figures.items():
            path = Path(os.environ["RAGKIT_RUN_DIR"]) / f"{name}.png"
            figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Software": None})


@dataclass(frozen=True)
class Record:
    """A finished run: run.json, and the tables that its notebook left."""

    notebook: str
    key: str
    run: dict[str, Any]
    results: pd.DataFrame
    costs: pd.DataFrame

    @property
    def title(self) -> str:
        """The notebook, and the parameters of a run that is not the default one."""
        changed = {
            n: Path(v).name if n in ("collection", "distractors") else v
            for n, v in self.run.get("changed", {}).items()
        }
        return " ".join([self.notebook, *(f"{name}={value}" for name, value in changed.items())])

    @property
    def measure(self) -> str:
        """The primary measure: nDCG@10, or that of answers."""
        return str(self.run["outcome"]["primary"])

    @property
    def headline(self) -> pd.DataFrame:
        """Of `primary` the systems that answer the notebook's question: those it names, or all compared."""
        named = self.run["outcome"]["headline"]
        rows = self.primary.dropna(subset=["difference"])
        return rows if named is None else rows[rows["system"].isin(named)]

    @property
    def primary(self) -> pd.DataFrame:
        """The rows of the primary measure over all questions, one a system."""
        rows = self.results
        return rows[(rows["measure"] == self.measure) & (rows["type"] == "all")]

    @property
    def baseline(self) -> str:
        """The system that all others were compared with."""
        return str(self.run["outcome"]["baseline"])

    @property
    def facts(self) -> dict[str, float | str]:
        """What the notebook recorded besides its tables: tuned values, counts."""
        return dict(self.run["outcome"]["facts"])


def newest(folder: str | Path, collection: str = "") -> list[Path]:
    """The folders of the newest finished run on default parameters of each notebook, in their order.

    With `collection`: of the runs that changed nothing but the collection, to that one; there may be none.
    Raises RagkitError when there is no run on default parameters below `folder`.
    """
    wanted = {"collection": collection} if collection else {}
    found: dict[str, tuple[str, Path]] = {}
    for path in Path(folder).rglob("run.json"):
        run = _run_json(path)
        half_made = path.parent.name.startswith(".")
        if run["changed"] == wanted and (path.parent / "results.parquet").exists() and not half_made:
            # a record that holds again, since code went back to what it was, counts from that day on
            candidate = (run.get("confirmed", run["started"]), path.parent)
            found[run["notebook"]] = max(found.get(run["notebook"], candidate), candidate)
    if not found and not collection:
        raise RagkitError(
            f"{Path(folder).resolve()}: no finished run on default parameters; make some: `make sweep`"
        )
    return [path for _, (_, path) in sorted(found.items())]


def _run_json(path: Path) -> dict[str, Any]:
    try:
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise RagkitError(f"{path} is not whole; remove its folder, and the run is made again") from None
    return run


def read(folder: Path) -> Record:
    """The record of one finished run. Raises RagkitError for a folder that holds none."""
    import pandas as pd

    if not (folder / "run.json").is_file() or not (folder / "results.parquet").is_file():
        raise RagkitError(f"{folder}: no record of a run with results; expected data/runs/<notebook>/<key>")
    run = _run_json(folder / "run.json")
    tables = [pd.read_parquet(folder / f"{name}.parquet") for name in ("results", "costs")]
    return Record(run["notebook"], run["key"], run, *tables)


def origins(found: Sequence[Record]) -> pd.DataFrame:
    """A row a run: what it asked, how many questions it measured, and what made it."""
    import pandas as pd

    rows = [
        {
            "notebook": item.notebook,
            "collection": item.run["outcome"]["collection"],
            "split": item.run["outcome"]["split"],
            "questions": int(item.primary["n"].max()),
            "baseline": item.baseline,
            "precision": item.facts.get("precision", ""),
            "run": item.key[:8],
        }
        for item in found
    ]
    return pd.DataFrame(rows).set_index("notebook")


def findings_table(found: Sequence[Record]) -> pd.DataFrame:
    """A row a notebook and system: quality, difference, interval, corrected p, price, and the run's key."""
    import pandas as pd

    rows = []
    for item in found:
        times = _times(item)
        for row in item.primary.to_dict("records"):
            compared = pd.notna(row["difference"])
            rows.append(
                {
                    "notebook": item.title,
                    "system": row["system"],
                    "measure": item.measure,
                    "value": f"{row['value']:.3f}" if pd.notna(row["value"]) else "",
                    "difference": f"{row['difference']:+.3f}" if compared else "",
                    "95 % interval": f"{row['low']:+.3f} to {row['high']:+.3f}" if compared else "",
                    "p (Holm)": f"{row['p_holm']:.4f}" if compared else "",
                    "ms a question": times.get(row["system"], ""),
                    "verdict": row["verdict"],
                    "run": item.key[:8],
                }
            )
    return pd.DataFrame(rows).set_index(["notebook", "system"])


def _times(item: Record) -> dict[str, str]:
    """Median milliseconds of a question by system; ~ where a model's part is not measured but modelled."""
    rows = item.costs.to_dict("records")
    return {row["system"]: f"{'~' * row['modelled']}{1000 * row['seconds_median']:.1f}" for row in rows}


def beside(found: Sequence[Record], again: Sequence[Record]) -> pd.DataFrame:
    """The headline systems that two collections both measured: a row a notebook and system.

    Of each collection the difference to the notebook's baseline (`against`: both, where they are not the
    same), its interval, and the verdict. `together` says "agree" where the verdicts are one word, "open"
    where one of them is no finding (not shown, no verdict), else "disagree".
    """
    import pandas as pd

    there = {item.notebook: item for item in again}
    rows = []
    for item in (item for item in found if item.notebook in there):
        pair = item, there[item.notebook]
        names = [_collection(one) for one in pair]
        measured = {
            row["system"]: row for row in pair[1].primary.dropna(subset=["difference"]).to_dict("records")
        }
        for row in item.headline.to_dict("records"):
            if row["system"] in measured:
                both = row, measured[row["system"]]
                words = {one["verdict"] for one in both}
                shown = [f"{o['difference']:+.3f} ({o['low']:+.3f} to {o['high']:+.3f})" for o in both]
                verdicts = {f"{name}: verdict": o["verdict"] for name, o in zip(names, both, strict=True)}
                none = words - VERDICT_COLORS.keys()  # not shown, no verdict
                told = "open" if none else "agree" if len(words) == 1 else "disagree"
                rows.append(
                    {"notebook": item.notebook, "system": row["system"]}
                    | {"against": "; ".join(dict.fromkeys(one.baseline for one in pair))}
                    | dict(zip(names, shown, strict=True))
                    | verdicts
                    | {"together": told}
                )
    return pd.DataFrame(rows).set_index(["notebook", "system"]) if rows else pd.DataFrame()


def _collection(item: Record) -> str:
    return Path(item.run["outcome"]["collection"]).name


def findings_figure(found: Sequence[Record]) -> Figure:
    """The headline systems' differences to their notebook's baseline: interval, verdict, median time."""
    import matplotlib.pyplot as plt

    from ragkit.report import HOUSE_STYLE

    rows = [
        (item, row, _times(item).get(row["system"]))
        for item in found
        for row in item.headline.to_dict("records")
    ]
    with plt.style.context(HOUSE_STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 0.8 + 0.32 * len(rows)))
        for y, (_, row, _) in enumerate(rows):
            half = [[row["difference"] - row["low"]], [row["high"] - row["difference"]]]
            axes.errorbar(row["difference"], -y, xerr=half, fmt="o", ms=5, capsize=2,
                          color=VERDICT_COLORS.get(row["verdict"], "0.6"))  # fmt: skip
        names = [f"{i.notebook}: {row['system']} vs. {i.baseline}" for i, row, _ in rows]
        axes.set_yticks([-y for y in range(len(rows))], names)
        for y, (_, row, time) in enumerate(rows):
            note = row["verdict"] + (f", {time} ms a question" if time else "")
            axes.annotate(note, (1.02, -y), xycoords=("axes fraction", "data"), va="center", fontsize=8)
        axes.axvline(0, color="0.4", lw=0.8)
        measures = " or ".join(dict.fromkeys(item.measure for item in found))
        asked = {(_collection(i), i.run["outcome"]["split"]) for i in found}
        axes.set_title("; ".join(", ".join(names) for names in sorted(asked)), loc="left")
        axes.set_xlabel(f"difference in {measures} to the baseline of the notebook (95 % interval)")
    plt.close(figure)
    return figure


def summary(folders: Sequence[Path]) -> str:
    """`findings_table` of the runs in these folders, as text."""
    return findings_table([read(folder) for folder in folders]).to_string()
