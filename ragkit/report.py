"""What a notebook shows: counts, code, one question by eye, tables and figures."""

from __future__ import annotations

import html
import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ragkit.types import Collection, ranking

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import Markdown
    from matplotlib.figure import Figure

    from ragkit.evaluate import Comparison, Tuning

SHOWN = {"R@5": "R@5", "RR": "MRR", "AllParts@5": "all parts@5", "Judged@10": "judged@10",
         "nDCG@10 judged": "nDCG@10 judged"}  # fmt: skip
HOUSE_STYLE = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
               "axes.grid": True, "grid.alpha": 0.25}  # fmt: skip
REASON = 60  # characters that a table shows of why a system was not run; the record has all of them
COLORS = ("#1b6ca8", "#c8553d", "#4f8a4c", "#8a6bb1", "#b08900", "#5a5a5a")


def describe(collection: Collection) -> Markdown:
    """Counts of documents, words and questions by type, and the first question, word for word."""
    from IPython.display import Markdown

    words = sum(len(text.split()) for text in collection.corpus.values())
    types = Counter(_plain(str(info["type"])) for info in collection.query_info.values() if info.get("type"))
    grades = [g for judged in collection.qrels.values() for g in judged.values()]
    name = _plain(Path(collection.name).name)
    lines = [
        f"**{name}**, split {collection.split}: {len(collection.corpus):,} documents, {words:,} words; "
        f"{len(collection.queries):,} questions, {len(collection.answerable):,} of them with an answer in "
        f"the documents; {len(grades):,} judgments, {sum(g > 0 for g in grades):,} of them positive.",
        ", ".join(f"{n} {name}" for name, n in types.most_common()),
    ]
    for query_id, text in list(collection.answerable.items())[:1]:
        lines.append(
            f"> {_plain(text)}  \n> (`{query_id.replace('`', '')}`, "
            f"{_plain(str(collection.query_info.get(query_id, {}).get('type', '')))})"
        )
    return Markdown("\n\n".join(line for line in lines if line))  # type: ignore[no-untyped-call]


def source(function: Callable[..., Any]) -> Markdown:
    """The code of a function or class as it stands in the package, without its docstring."""
    import ast

    from IPython.display import Markdown

    text = textwrap.dedent(inspect.getsource(function))
    lines, node = text.splitlines(), ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        del lines[first.lineno - 1 : first.end_lineno]
    return Markdown("```python\n" + "\n".join(lines).strip() + "\n```")  # type: ignore[no-untyped-call]


def extremes(comparison: Comparison, system: str) -> tuple[str, str]:
    """The query_id that a system helps most against the baseline, and the one that it hurts most."""
    scores = comparison.per_query.query("measure == @comparison.primary").pivot(
        index="query_id", columns="system", values="value"
    )
    gain = (scores[system] - scores[comparison.baseline]).sort_index()
    return str(gain.idxmax()), str(gain.idxmin())


def look(
    collection: Collection, comparison: Comparison, query_id: str, systems: Sequence[str], k: int = 3
) -> Markdown:
    """One question by eye: each system's quality, and its first k titles, graded (? where nobody judged)."""
    from IPython.display import Markdown

    judged = collection.qrels.get(query_id, {})

    def cell(system: str, rank: int) -> str:
        found = ranking(comparison.runs[system].get(query_id, {}))[rank : rank + 1]
        return "".join(f"[{judged.get(d, '?')}] {_plain(collection.titles.get(d, d))}" for d in found)

    values = [f"{name}: {_value(comparison, name, query_id):.2f}" for name in systems]
    rows = [["rank", *values], ["--:", *["---"] * len(systems)]]
    rows += [[str(rank + 1), *(cell(name, rank) for name in systems)] for rank in range(k)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return Markdown(f"> {_plain(collection.queries[query_id])}\n\n{table}")  # type: ignore[no-untyped-call]


def _plain(text: str) -> str:
    """Text of a collection is anybody's: nothing in it is to become a tag, a column or a heading."""
    return re.sub(r"([\\`*_\[\]#|~$])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def quote(text: str) -> Markdown:
    """A text of the collection or of a model, as a quotation and never as markup."""
    from IPython.display import Markdown

    return Markdown(f"> {_plain(text)}")  # type: ignore[no-untyped-call]


def _value(comparison: Comparison, system: str, query_id: str) -> float:
    rows = comparison.per_query
    mine = (
        (rows["system"] == system) & (rows["query_id"] == query_id) & (rows["measure"] == comparison.primary)
    )
    return float(rows.loc[mine, "value"].iloc[0])


def taken(tuning: Tuning) -> Markdown:
    """The setting that was taken, and on what ground."""
    from IPython.display import Markdown

    values = ", ".join(f"{name} = {value:g}" for name, value in tuning.best.items())
    ground = (
        f"tuned on {tuning.questions} questions of {tuning.split}"
        if tuning.questions
        else ("the defaults: there are no dev or train questions to tune on")
    )
    return Markdown(f"Taken: {values}, {ground}.")  # type: ignore[no-untyped-call]


def grid_table(tuning: Tuning) -> pd.DataFrame:
    """The quality of every setting tried: one dial down, a second one across; * marks the one taken."""
    import pandas as pd

    table = tuning.table.astype(object)
    chosen = (tuning.table[list(tuning.best)] == pd.Series(tuning.best)).all(axis=1)
    table[tuning.measure] = [
        f"{v:.3f}{'*' * t}" for v, t in zip(tuning.table[tuning.measure], chosen, strict=True)
    ]
    first, *second = tuning.best
    where = f"{tuning.measure}, {tuning.split}, {tuning.questions} questions"
    if not second:
        return table.set_index(first).rename(columns={tuning.measure: where})
    return table.pivot(index=first, columns=second[0], values=tuning.measure).rename_axis(
        columns=f"{where}; {second[0]}:"
    )


def comparison_table(comparison: Comparison) -> pd.DataFrame:
    """A row a system: quality, its difference to the baseline, and what may be said of it."""
    import pandas as pd

    results = comparison.results[comparison.results["type"] == "all"]
    other = results.pivot(index="system", columns="measure", values="value")
    beside = {m: m for m in results["measure"].unique()[1:]} if comparison.answers else SHOWN
    rows = {}
    for row in results[results["measure"] == comparison.primary].to_dict("records"):
        name = row["system"]
        shown = {comparison.primary: f"{row['value']:.3f}"}
        if name != comparison.baseline:
            shown |= {
                "difference": f"{row['difference']:+.3f}",
                "95 % interval": f"{row['low']:+.3f} to {row['high']:+.3f}",
                "p (Holm)": f"{row['p_holm']:.4f}",
                "wins/losses/ties": f"{row['wins']:.0f}/{row['losses']:.0f}/{row['ties']:.0f}",
                "could show": f"{row['smallest']:.3f}",
            }
        shown |= {title: f"{other.loc[name, m]:.3f}" for m, title in beside.items()
                  if m in other and pd.notna(other.loc[name, m])}  # fmt: skip
        rows[name] = shown | {"verdict": row["verdict"]}
    rows |= {name: {"verdict": _short(f"not run: {why}")} for name, why in comparison.not_run.items()}
    order = [
        comparison.primary,
        "difference",
        "95 % interval",
        "p (Holm)",
        "verdict",
        "wins/losses/ties",
        "could show",
    ]
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.reindex(columns=[c for c in [*order, *beside.values()] if c in table]).fillna("")


def _short(text: str) -> str:
    return text if len(text) <= REASON else f"{text[: REASON - 1].rstrip()}…"


def type_table(comparison: Comparison, systems: Sequence[str] = ()) -> pd.DataFrame:
    """The primary measure by type of question, with the interval of the difference where 30 questions allow.

    Of the baseline and `systems`; without any named, of all.
    """
    import pandas as pd

    results = _named(comparison, systems).query("type != 'all'")
    rows: dict[str, dict[str, str]] = {}
    for row in results.to_dict("records"):
        cell = f"{row['value']:.3f}"
        if row["system"] != comparison.baseline and pd.notna(row["low"]):
            cell += f" ({row['low']:+.2f} to {row['high']:+.2f})"
        rows.setdefault(f"{row['type']} ({row['n']:.0f})", {})[row["system"]] = cell
    return pd.DataFrame.from_dict(rows, orient="index").fillna("")


def cost_table(costs: pd.DataFrame) -> pd.DataFrame:
    """A row a system: milliseconds a question, calls, tokens, dollars, size and build time of the index.

    `modelled`: the language model's part was not measured but taken from the dated price table.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "median ms": (1000 * costs["seconds_median"]).map("{:.1f}".format),
            "95th percentile ms": (1000 * costs["seconds_p95"]).map("{:.1f}".format),
            "LLM calls": costs["calls"].map("{:.2f}".format),
            "tokens in": costs["tokens_in"].map("{:.0f}".format),
            "tokens out": costs["tokens_out"].map("{:.0f}".format),
            "$ per 1,000": costs["dollars_per_1000"].map("{:.2f}".format),
            "index MB": (costs["index_bytes"] / 1e6).map("{:.2f}".format),
            "build s": costs["build_seconds"].map("{:.1f}".format),
            "modelled": costs["modelled"].map({True: "yes", False: ""}),
        }
    ).set_index(costs["system"])


def difference_figure(comparison: Comparison, systems: Sequence[str] = ()) -> Figure:
    """Difference in the primary measure to the baseline, 95 % interval: all questions, then each type.

    Of `systems`; without any named, of all.
    """
    import matplotlib.pyplot as plt

    results = _named(comparison, systems).query("system != @comparison.baseline").dropna(subset="difference")
    types = ["all", *sorted(set(results["type"]) - {"all"})]
    systems = list(dict.fromkeys(results["system"]))
    with plt.style.context(HOUSE_STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 0.5 + 0.2 * len(types) * (len(systems) + 1.2)))
        for s, system in enumerate(systems):
            rows = results[results["system"] == system].set_index("type").reindex(types)
            y = [-(t * (len(systems) + 1.2)) - s for t in range(len(types))]
            half = [rows["difference"] - rows["low"], rows["high"] - rows["difference"]]
            axes.errorbar(rows["difference"], y, xerr=half, fmt="o", ms=4, capsize=2,
                          color=COLORS[s % len(COLORS)], label=system)  # fmt: skip
        counts = results.drop_duplicates("type").set_index("type")["n"]
        centre = (len(systems) - 1) / 2
        axes.set_yticks([-(t * (len(systems) + 1.2)) - centre for t in range(len(types))],
                        [f"{name} ({counts[name]:.0f})" for name in types])  # fmt: skip
        axes.axvline(0, color="0.4", lw=0.8)
        axes.set_xlabel(f"difference in {comparison.primary} to {comparison.baseline} (95 % interval)")
        axes.set_ylabel("type of question (number)")
        axes.set_title(f"{Path(comparison.collection).name}, {comparison.split}", loc="left")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    plt.close(figure)  # the cell shows the object; pyplot would show it a second time
    return figure


def waterfall_figure(lost: pd.DataFrame, collection: Collection) -> Figure:
    """How many questions each stage lost, from all of the collection down to those that none lost.

    lost: a row a stage, in the order in which they come, a column a kind of loss (two at most); counts.
    """
    import matplotlib.pyplot as plt

    left = total = len(collection.queries)
    names = ["all questions", *lost.index, "handled right"]
    colors = (COLORS[4], COLORS[1])[: len(lost.columns)]
    with plt.style.context(HOUSE_STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 0.8 + 0.3 * len(names)))
        notes = [(total, f"{total}")]
        for y, counts in enumerate(lost.to_numpy(), start=1):
            notes.append((left, f"{-counts.sum()}".replace("-", "\N{MINUS SIGN}")))
            for kind, color, count in zip(lost.columns, colors, counts, strict=True):
                left -= count
                axes.barh(y, count, left=left, color=color, label=kind if y == 1 else None)
        notes.append((left, f"{left}"))
        axes.barh([0, len(names) - 1], [total, left], color=[COLORS[5], COLORS[2]])
        for y, (x, note) in enumerate(notes):
            axes.annotate(note, (x, y), (3, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, total * 1.1)
        axes.set_xlabel("questions")
        axes.set_title(f"{Path(collection.name).name}, {collection.split}", loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(0, 0.9), frameon=False)
    plt.close(figure)
    return figure


def tradeoff_figure(comparison: Comparison, price: str, families: Mapping[str, Sequence[str]]) -> Figure:
    """The primary measure's difference to the baseline, 95 % interval, against the mean of measure `price`.

    A line a family of systems, in the order given; the baseline, at 0, may be one. `price` on a log scale.
    """
    import matplotlib.pyplot as plt

    rows = comparison.results.query("type == 'all'").pivot(index="system", columns="measure")
    quality = rows.xs(comparison.primary, axis=1, level="measure").fillna({"difference": 0.0})
    with plt.style.context(HOUSE_STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 3.6))
        for color, (name, systems) in zip(COLORS, families.items(), strict=False):
            own = quality.loc[list(systems)]
            half = [(own["difference"] - own["low"]).fillna(0), (own["high"] - own["difference"]).fillna(0)]
            axes.errorbar(rows["value"][price].loc[list(systems)], own["difference"], yerr=half,
                          fmt="o-", ms=4, lw=1, capsize=2, color=color, label=name)  # fmt: skip
        axes.axhline(0, color="0.4", lw=0.8)
        axes.set_xscale("log")
        axes.set_xlabel(f"{price}, mean of a question (log scale)")
        axes.set_ylabel(f"difference in {comparison.primary}\nto {comparison.baseline} (95 % interval)")
        axes.set_title(f"{Path(comparison.collection).name}, {comparison.split}", loc="left")
        axes.legend(frameon=False)
    plt.close(figure)
    return figure


def curves_figure(curves: pd.DataFrame, measured: float, across: str, up: str) -> Figure:
    """A line a column over the index, both on log scales: solid as far as was measured, dotted beyond."""
    import matplotlib.pyplot as plt

    with plt.style.context(HOUSE_STYLE):
        figure, axes = plt.subplots(figsize=(7.5, 3.6))
        for color, (name, line) in zip(COLORS, curves.items(), strict=False):
            axes.plot(line.loc[:measured], color=color, label=name)
            axes.plot(line.loc[measured:], ":", color=color)
        axes.axvline(measured, color="0.6", lw=0.8)
        axes.annotate(" extrapolated", (measured, 0.02), xycoords=("data", "axes fraction"), fontsize=8)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.legend(frameon=False)
    plt.close(figure)
    return figure


def surfaces_figure(values: pd.DataFrame, start: float) -> Figure:
    """Heat maps: a row of panels a measure, a column a system; in each the rows of questions, sizes across.

    values: index (measure, system, questions), a column a size in multiples of the collection. The number
    is the mean; the colour what it lost (red) or gained (blue) since the size `start`, on one scale.
    """
    import matplotlib.pyplot as plt

    change = values.sub(values[start], axis=0)
    most = max(0.05, float(change.abs().max().max()))  # changes that nobody could see stay pale
    measures, systems = (values.index.unique(level) for level in (0, 1))
    rows = len(values.loc[measures[0], systems[0]])
    size = (1 + 2.6 * len(systems), len(measures) * (0.7 + 0.24 * rows))
    with plt.style.context(HOUSE_STYLE | {"axes.grid": False}):
        figure, grid = plt.subplots(
            len(measures), len(systems), figsize=size, sharex=True, sharey=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        for measure, panels in zip(measures, grid, strict=True):
            for system, axes in zip(systems, panels, strict=True):
                own, moved = values.loc[measure, system], change.loc[measure, system]
                image = axes.imshow(moved, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
                for (y, x), value in np.ndenumerate(own.to_numpy()):
                    far = abs(moved.iat[y, x]) > 0.65 * most
                    axes.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=7,
                              color="white" if far else "black")  # fmt: skip
                axes.set_title(f"{measure}, {system}", loc="left")
                axes.set_xticks(range(own.shape[1]), [f"{step:g}" for step in own.columns])
                axes.set_yticks(range(len(own)), own.index)
        for axes in grid[-1]:
            axes.set_xlabel("documents, times the collection")
        bar = figure.colorbar(image, ax=grid, shrink=0.6)
        bar.set_label(f"change since size {start:g}")
    plt.close(figure)
    return figure


def _named(comparison: Comparison, systems: Sequence[str]) -> pd.DataFrame:
    """The rows of the primary measure of the baseline and the systems named, or of all."""
    results = comparison.results[comparison.results["measure"] == comparison.primary]
    return results[results["system"].isin([comparison.baseline, *systems])] if systems else results
