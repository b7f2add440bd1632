"""What other words for the same question do to a system: loss by style, the worst wording, overlap."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from ragkit import evaluate
from ragkit.types import PRIMARY, Collection, Queries, Run, ranking

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def shifts(pairs: Mapping[str, tuple[Run, Run]], asked: Collection, measure: str = PRIMARY) -> DataFrame:
    """The measure of each rewording less that of its original: a row a rewording, a column a system.

    `pairs`: system -> (its run of the rewordings, its run of their originals), both by the rewordings'
    query_ids. Each system is held against itself, as Penha, Camara and Hauff 2022 (Evaluating the
    Robustness of Retrieval Pipelines with Query Variation Generators, section 4) do.
    """
    import pandas as pd

    def quality(run: Run) -> Series[float]:
        return evaluate.score(run, asked, [measure]).set_index("query_id")["value"]

    return pd.DataFrame({name: quality(own) - quality(first) for name, (own, first) in pairs.items()})


def by_style(differences: DataFrame, asked: Collection, seed: int = 0, measure: str = PRIMARY) -> DataFrame:
    """Mean and 95 % interval of each column, over all rewordings and by style: rows of `results`.

    `measure` is what was measured. The rewordings of one question are one cluster; no interval under 30
    questions.
    """
    import pandas as pd

    info = {query_id: asked.query_info[query_id] for query_id in differences.index}
    styles = pd.Series({query_id: str(known["style"]) for query_id, known in info.items()})
    origins = pd.Series({query_id: str(known["variant_of"]) for query_id, known in info.items()})
    rows = []
    for system in differences:
        for style in ["all", *styles.unique()]:
            values = differences[system] if style == "all" else differences[system][styles == style]
            row = {"system": system, "type": style, "measure": measure, "n": len(values)}
            rows.append(row | evaluate.described(values, origins[values.index], by_type=True, seed=seed))
    return pd.DataFrame(rows, columns=["system", "type", "measure", "n", "difference", "low", "high"])


def wordings(run: Run, asked: Collection, k: int = 5) -> DataFrame:
    """A row an original question: is its evidence among the first k, over all of its wordings?

    Columns: mean, worst, best (of 0 or 1: a document of the question's highest grade is there), overlap
    (mean share of the first k documents that two wordings have in common; nan where there is but one).
    """
    import pandas as pd

    found: dict[str, dict[str, set[str]]] = {}  # original -> its wordings -> the first k
    for query_id in asked.answerable:
        origin = str(asked.query_info[query_id]["variant_of"])
        found.setdefault(origin, {})[query_id] = set(ranking(run.get(query_id, {}), k))
    rows = {}
    for origin, tops in found.items():
        hits = [float(bool(top & asked.evidence[query_id])) for query_id, top in tops.items()]
        common = [len(one & other) / k for one, other in combinations(tops.values(), 2)]
        overlap = sum(common) / len(common) if common else float("nan")
        rows[origin] = (sum(hits) / len(hits), min(hits), max(hits), overlap)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "worst", "best", "overlap"])


def vocabulary(asked: Collection, first: Queries, terms: Callable[[str], set[str]]) -> DataFrame:
    """A row a style, "first asked" on top: where the words of the rewordings come from, means of a question.

    `first`: the original of each rewording; `terms`: a text -> its terms. Columns: words; kept (share of the
    original's terms); in evidence (share of its own terms that the documents of the highest grade have);
    new (number of those that the original lacks).
    """
    import pandas as pd

    rows = []
    for query_id, text in asked.answerable.items():
        known = {term for doc_id in asked.evidence[query_id] for term in terms(asked.corpus[doc_id])}
        original = terms(first[query_id])
        for style, said in (("first asked", first[query_id]), (asked.query_info[query_id]["style"], text)):
            own = terms(said)
            rows.append({
                "style": style,
                "words": len(said.split()),
                "kept": len(own & original) / max(len(original), 1),
                "in evidence": len(own & known) / max(len(own), 1),
                "new": len(own & known - original),
            })  # fmt: skip
    return pd.DataFrame(rows).groupby("style", sort=False).mean()
