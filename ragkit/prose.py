"""Numbers in prose, bound to the record that they come from, so that a text cannot drift from its runs.

A bound number stands between two comments that no reader sees once the Markdown is rendered:

    <!--= 12_hybrid | rrf | nDCG@10 | difference -->+0.098<!--/-->

The first part, the notebook, may be left out inside that notebook. `rrf / table` asks for one type of
question. `| costs | seconds_median*1000` reads the table of costs, in thousandths. `| facts | name` reads
what the notebook recorded as a fact. `make publish` writes each value as the record has it, in the
form that it finds (sign, decimals); a test refuses a number that is bound to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ragkit.types import RagkitError

if TYPE_CHECKING:
    from ragkit.record import Record

BOUND = re.compile(r"<!--=\s*(?P<reference>[^>]*?)\s*-->(?P<value>.*?)<!--/-->", re.DOTALL)
# what a text may name without a record: code, links, comments, methods and their constants, years of papers
FREE = re.compile(
    r"`[^`]*`"
    r"|\]\([^)]*\)|<!--.*?-->"
    r"|\b\d\d_\w+|nDCG@10|recall@5|R@5|parts@5|judged@10|BM25|bm25s?|query2doc|MiniLM-L6-v2"
    r"|9[05] % (?:confidence )?interval|p (?:<|under) 0\.05|±0\.02|1,000 questions|top (?:10|50)"
    r"|\b[A-Z][a-z]+(?: et al\.)? (?:19|20)\d\d\b",
    re.DOTALL,
)


def fill(text: str, records: Mapping[str, Record], here: str = "") -> str:
    """The text with every bound number as the records (by notebook) have it.

    Raises RagkitError that names a reference which leads nowhere.
    """

    def written(match: re.Match[str]) -> str:
        value = _value(match["reference"], records, here)
        return f"<!--= {match['reference']} -->{_like(match['value'], value)}<!--/-->"

    return BOUND.sub(written, text)


def loose_numbers(text: str) -> list[str]:
    """The numbers of a text that are bound to no record, each with the words around it."""
    rest = FREE.sub(" ", BOUND.sub(" ", text))
    return [
        rest[max(0, m.start() - 25) : m.end() + 15].strip() for m in re.finditer(r"\d+(?:[.,]\d+)*", rest)
    ]


def _like(shown: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    form = re.fullmatch(r"(?P<sign>[+-]?)(?P<whole>[\d,]+)(?:\.(?P<decimals>\d+))?", shown.strip())
    if form is None:
        return f"{value:.3f}"
    sign, comma = "+" if form["sign"] else "", "," if "," in form["whole"] else ""
    return f"{value:{sign}{comma}.{len(form['decimals'] or '')}f}"


def _value(reference: str, records: Mapping[str, Record], here: str) -> float | str:
    parts = [part.strip() for part in reference.split("|")]
    if parts[0] not in records:
        parts = [here, *parts]
    wrong = RagkitError(
        f"the reference {reference!r} in {here or 'the README'} leads to no published value: expected "
        f"[notebook |] system [/ type] | measure | field, with notebook one of {', '.join(sorted(records))}"
    )
    if parts[0] not in records:
        raise wrong
    record = records[parts[0]]
    if len(parts) == 3 and parts[1] == "facts" and parts[2] in record.facts:
        return record.facts[parts[2]]
    if len(parts) != 4:
        raise wrong
    system, _, kind = (part.strip() for part in parts[1].partition("/"))
    field, _, factor = parts[3].partition("*")
    table = record.results
    if parts[2] == "costs":
        rows = record.costs[record.costs["system"] == system]
    else:
        rows = table[
            (table["system"] == system) & (table["measure"] == parts[2]) & (table["type"] == (kind or "all"))
        ]
    if len(rows) != 1 or field not in rows:
        raise wrong
    value = rows[field].iloc[0]
    return value if isinstance(value, str) else float(value) * float(factor or 1)
