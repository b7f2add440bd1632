from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from ragkit import evaluate, fuse, report
from ragkit.types import Collection, Queries, Run, Unavailable

QUESTIONS = {f"q{n:02d}": f"question {n}" for n in range(40)}
COLLECTION = Collection(
    name="toy",
    split="test",
    context="",
    corpus={"a": "A title\nwords here", "b": "more words"},
    queries=QUESTIONS | {"none": "unanswerable"},
    qrels={q: {"a": 1} for q in QUESTIONS},
    documents={"a": {"title": "A title"}, "b": {}},
    query_info={q: {"type": "often" if n < 35 else "rare"} for n, q in enumerate(QUESTIONS)},
)


def first(queries: Queries) -> Run:
    return {q: {"a": 2.0, "b": 1.0} for q in queries}


def sometimes(queries: Queries) -> Run:
    return {q: {"a": 2.0 if q < "q10" else 0.5, "b": 1.0} for q in queries}


def absent(queries: Queries) -> Run:
    raise Unavailable("needs a key: set CO_API_KEY")


@pytest.fixture(scope="module")
def comparison() -> evaluate.Comparison:
    systems: dict[str, Any] = {"base": sometimes, "first": first, "absent": absent}
    return evaluate.compare(systems, COLLECTION, "base")


def test_describe_counts_documents_and_questions() -> None:
    text = report.describe(COLLECTION).data
    assert "2 documents, 6 words; 41 questions, 40 of them with an answer" in text
    assert "35 often, 5 rare" in text
    assert "> question 0" in text
    wild = replace(COLLECTION, name="<b>x</b>", query_info={"q00": {"type": "<img src=x onerror=y>"}})
    assert "<" not in report.describe(wild).data


def test_source_is_the_code_without_its_docstring() -> None:
    shown = report.source(fuse.rrf).data
    assert shown.startswith("```python\ndef rrf(")
    assert "Cormack" not in shown
    assert "1 / (k + rank)" in shown


def test_extremes_are_the_largest_gain_and_the_largest_loss(comparison: evaluate.Comparison) -> None:
    assert report.extremes(comparison, "first") == ("q10", "q00")


def test_look_shows_titles_grades_and_what_nobody_judged(comparison: evaluate.Comparison) -> None:
    text = report.look(COLLECTION, comparison, "q10", ["base", "first"], k=3).data
    assert text == (
        "> question 10\n\n"
        "| rank | base: 0.63 | first: 1.00 |\n"
        "| --: | --- | --- |\n"
        "| 1 | [?] b | [1] A title |\n"
        "| 2 | [1] A title | [?] b |\n"
        "| 3 |  |  |"
    )


def test_text_of_a_collection_never_becomes_markup(comparison: evaluate.Comparison) -> None:
    wild = replace(COLLECTION, queries={"q10": "<script>alert(1)</script> | **x**\n# y"})
    text = report.look(wild, comparison, "q10", ["base"]).data
    assert text.startswith("> &lt;script&gt;alert(1)&lt;/script&gt; \\| \\*\\*x\\*\\* \\# y\n\n")
    assert "<script>" not in report.describe(replace(wild, qrels={"q10": {"a": 1}})).data


def test_the_comparison_shows_every_system_also_one_that_did_not_run(comparison: evaluate.Comparison) -> None:
    table = report.comparison_table(comparison)
    assert table.columns[:5].tolist() == ["nDCG@10", "difference", "95 % interval", "p (Holm)", "verdict"]
    assert table.loc["base", "verdict"] == "baseline"
    assert table.loc["first", "wins/losses/ties"] == "30/0/10"
    assert table.loc["first", "p (Holm)"] == "0.0001"
    assert table.loc["absent", "verdict"] == "not run: needs a key: set CO_API_KEY"


def test_a_long_reason_is_cut_in_the_table_and_kept_in_the_comparison(
    comparison: evaluate.Comparison,
) -> None:
    reasons = {"absent": "needs " + "x" * 45, "other": "needs " + "y" * 46}  # behind "not run: ", 60 and 61
    table = report.comparison_table(replace(comparison, not_run=reasons))
    assert table.loc["absent", "verdict"] == "not run: needs " + "x" * 45
    assert table.loc["other", "verdict"] == "not run: needs " + "y" * 44 + "…"


def test_types_under_30_questions_have_no_interval(comparison: evaluate.Comparison) -> None:
    table = report.type_table(comparison)
    assert "(" in str(table.loc["often (35)", "first"])
    assert table.loc["rare (5)", "first"] == "1.000"


def test_tables_and_figures_show_the_systems_that_are_named(comparison: evaluate.Comparison) -> None:
    assert report.type_table(comparison, ["first"]).columns.tolist() == ["base", "first"]
    assert report.type_table(comparison, ["absent"]).columns.tolist() == ["base"]
    legend = report.difference_figure(comparison, ["first"]).axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["first"]


def test_a_quotation_is_never_markup() -> None:
    assert report.quote("<b>*x*</b>").data == "> &lt;b&gt;\\*x\\*&lt;/b&gt;"


def test_the_grid_marks_the_setting_that_was_taken() -> None:
    dev = Collection("toy", "dev", "", {"a": "", "b": ""}, {"q": "?"}, {"q": {"a": 1}})

    def at(setting: dict[str, float]) -> Any:
        return lambda queries: {q: {"a": setting["x"], "b": setting["y"]} for q in queries}

    tuning = evaluate.tune(at, {"x": [0, 1], "y": [0.5, 2]}, {"x": 0, "y": 2}, dev)
    table = report.grid_table(tuning)
    assert table.columns.name == "nDCG@10, dev, 1 questions; y:"
    assert table.to_numpy().tolist() == [["0.631", "0.631"], ["1.000*", "0.631"]]
    assert report.grid_table(evaluate.tune(at, {"x": [0]}, {"x": 0}, None)).empty


def test_the_figure_has_a_point_for_each_system_and_type(comparison: evaluate.Comparison) -> None:
    axes = report.difference_figure(comparison).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all (40)", "often (35)", "rare (5)"]
    assert "base" in axes.get_xlabel()


def test_the_tradeoff_has_a_line_for_each_family_and_the_baseline_at_zero() -> None:
    texts = {"base": "yes " * 8, "short": "no", "long": "yes yes"}

    def measured(given: dict[str, str], _: Collection) -> pd.DataFrame:
        rows = [(q, "right", float("yes" in text)) for q, text in given.items()]
        rows += [(q, "words", float(len(text.split()))) for q, text in given.items()]
        return pd.DataFrame(rows, columns=["query_id", "measure", "value"])

    readers: dict[str, Any] = {n: lambda queries, t=t: dict.fromkeys(queries, t) for n, t in texts.items()}
    compared = evaluate.compare_answers(readers, COLLECTION, "base", measured)
    axes = report.tradeoff_figure(compared, "words", {"some": ["short", "long"], "all": ["base"]}).axes[0]
    some, whole = (container.lines[0] for container in axes.containers)  # type: ignore[attr-defined]
    assert [list(some.get_xdata()), list(some.get_ydata())] == [[1, 2], [-1, 0]]
    assert [list(whole.get_xdata()), list(whole.get_ydata())] == [[8], [0]]
    assert "words" in axes.get_xlabel()
    assert "difference in right" in axes.get_ylabel()


def test_curves_are_solid_as_far_as_was_measured_and_dotted_beyond() -> None:
    curves = pd.DataFrame({"whole": [1.0, 2.0, 4.0], "part": [1.0, 1.0, 1.0]}, index=[10.0, 100.0, 1000.0])
    axes = report.curves_figure(curves, 100, "tokens", "dollars").axes[0]
    solid, dotted = axes.get_lines()[:2]
    assert solid.get_xydata().tolist() == [[10, 1], [100, 2]]  # type: ignore[union-attr]
    assert dotted.get_xydata().tolist() == [[100, 2], [1000, 4]]  # type: ignore[union-attr]
    assert (solid.get_linestyle(), dotted.get_linestyle()) == ("-", ":")
    assert axes.get_legend_handles_labels()[1] == ["whole", "part"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("tokens", "dollars")


def test_surfaces_show_each_mean_and_colour_its_change_since_the_start_on_one_scale() -> None:
    index = pd.MultiIndex.from_product([["P@5", "R@5"], ["bm25", "dense"], ["all", "rare"]])
    values = pd.DataFrame({0.5: 0.6, 1.0: 0.5, 2.0: 0.5}, index=index)
    values.loc[("R@5", "dense", "rare"), 2.0] = 0.1
    *panels, bar = report.surfaces_figure(values, 1.0).axes
    assert [axes.get_title(loc="left") for axes in panels] == [
        "P@5, bm25", "P@5, dense", "R@5, bm25", "R@5, dense"
    ]  # fmt: skip
    last = panels[-1]
    assert [text.get_text() for text in last.texts] == ["0.60", "0.50", "0.50", "0.60", "0.50", "0.10"]
    colours = last.images[0].get_array()
    assert colours is not None
    assert colours.tolist() == [pytest.approx([0.1, 0, 0]), pytest.approx([0.1, 0, -0.4])]
    for axes in panels:
        assert axes.images[0].get_clim() == pytest.approx((-0.4, 0.4))  # the greatest change: 0.5 to 0.1
    assert [label.get_text() for label in last.get_xticklabels()] == ["0.5", "1", "2"]
    assert [label.get_text() for label in panels[2].get_yticklabels()] == ["all", "rare"]
    assert bar.get_ylabel() == "change since size 1"


def test_costs_are_shown_in_the_units_of_the_heading() -> None:
    costs = evaluate.costs({"first": first}, COLLECTION, {}, questions=3).assign(seconds_median=0.0125)
    assert report.cost_table(costs).loc["first", "median ms"] == "12.5"


def test_what_was_taken_says_on_what_ground() -> None:
    one = evaluate.Tuning({"k1": 1.2, "b": 0.6}, pd.DataFrame(), "dev", 224)
    assert report.taken(one).data == "Taken: k1 = 1.2, b = 0.6, tuned on 224 questions of dev."
    none = evaluate.tune(lambda at: first, {"k1": [1.5]}, {"k1": 1.5}, None)
    assert "k1 = 1.5, the defaults: there are no dev or train questions" in report.taken(none).data


def test_a_waterfall_goes_from_all_questions_down_to_those_that_nothing_lost() -> None:
    lost = pd.DataFrame({"declined": [3, 0], "answered": [1, 2]}, index=["ranking", "reading"])
    (axes,) = report.waterfall_figure(lost, COLLECTION).axes
    rectangles = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    bars = {(bar.get_x(), bar.get_width()) for bar in rectangles if bar.get_width()}
    assert bars == {(0, 41), (38, 3), (37, 1), (35, 2), (0, 35)}  # 41 - 3 - 1 - 2 = 35
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["all questions", "ranking", "reading", "handled right"]
    assert [text.get_text() for text in axes.texts] == ["41", "\N{MINUS SIGN}4", "\N{MINUS SIGN}2", "35"]
    (one,) = report.waterfall_figure(lost[["answered"]], COLLECTION).axes  # one kind of loss is enough
    assert [text.get_text() for text in one.texts] == ["41", "\N{MINUS SIGN}1", "\N{MINUS SIGN}2", "38"]
