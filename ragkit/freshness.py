"""Rankings that prefer what holds: a prior by date, the version that held at a date, and which date is asked.

Dates are ISO texts ("2026-06-30"), which compare as they stand. `asked` is query_id -> the date at which a
question stands: today, unless it names a past time. Groups of versions are doc_id -> group; a document
that is in none has no other version.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from ragkit.types import Queries, RagkitError, Run, Unavailable

MONTHS = [
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip
SEASONS = {"spring": 5, "summer": 8, "autumn": 11, "fall": 11}  # their last months, in the north
PERIOD = re.compile(
    rf"(?:(?:\b(?P<day>[0-3]?\d) )?\b(?P<part>{'|'.join([*MONTHS, *SEASONS])}) (?:of )?)?"
    r"(?<![-\d])(?P<year>(?:19|20)\d\d)(?![-\d])|(?P<last>\blast year\b)",
    re.IGNORECASE,
)


def dated(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """doc_id -> its date, of the documents that have one. Raises Unavailable where none has."""
    dates = {doc_id: str(info["date"]) for doc_id, info in documents.items() if info.get("date")}
    if not dates:
        raise Unavailable(
            f'needs documents with a "date": none of {len(documents)} has; take a collection that has them '
            "(larkfield)"
        )
    return dates


def asked_at(queries: Queries, today: str) -> dict[str, str]:
    """The date at which each question stands: the end of the past time that it names, or today.

    A rule over its words: a year, with a month, a day and a month, or a season before it, or "last
    year"; of several the latest. A time that ends today or later is no past time. The rule sees a
    time named, not whether the rules of that time are asked: "who led the team that failed in
    August 2024" stands in 2024 too.
    """
    _date(today, "today")
    found = {q: [_end(match, today) for match in PERIOD.finditer(text)] for q, text in queries.items()}
    return {q: min(max(ends, default=today), today) for q, ends in found.items()}


def _end(match: re.Match[str], today: str) -> str:
    """The last day of a time that a question names."""
    if match["last"]:
        return f"{int(today[:4]) - 1}-12-31"
    part, year = (match["part"] or "december").lower(), int(match["year"])
    month = SEASONS.get(part) or MONTHS.index(part) + 1
    last = calendar.monthrange(year, month)[1]
    return f"{year}-{month:02}-{min(int(match['day'] or last) or last, last):02}"


def prior(
    run: Run, dates: Mapping[str, str], asked: Mapping[str, str], weight: float, half_life: float
) -> Run:
    """Each score plus weight * 2^(-age / half_life): young documents gain, at most `weight`.

    Age is in days, half_life too, from the document's date to the date at which the question stands; a
    document without a date, or of a later one, gains nothing. The exponential prior is that of Li and
    Croft 2003 (Time-Based Language Models), who multiply a query likelihood by it; scores of rankings
    are no probabilities, so here it is added, to scores of a known range (fuse.minmax: 0 to 1).
    Raises RagkitError for a negative weight, a half-life that is not positive, a question without
    `asked`, or what is no date.
    """
    if not weight >= 0 or not half_life > 0:  # nan is neither
        raise RagkitError(
            f"freshness.prior: weight {weight}, half_life {half_life}: expected 0 or more, and more than 0"
        )
    days = {doc_id: _date(text, doc_id) for doc_id, text in dates.items()}
    aged: Run = {}
    for query_id, scores in run.items():
        stands = _date(_asked(asked, query_id), query_id)
        ages = {d: stands - days[d] if d in days else -1 for d in scores}
        aged[query_id] = {
            d: score + (weight * 2 ** (-ages[d] / half_life) if ages[d] >= 0 else 0.0)
            for d, score in scores.items()
        }
    return aged


def newest(run: Run, groups: Mapping[str, str], dates: Mapping[str, str], asked: Mapping[str, str]) -> Run:
    """Of each group of versions the newest that there was at the asked date, in the place of the best one.

    It comes in even where the run lacks it: who knows the versions of a document need not find each of
    them. The other versions go to the end, in the order they had (as in diversify.collapse). A group
    of which nothing is so old stays as it is; so does a document without a date. As documents come in that no
    search has found, `groups` must hold only what the person who asks may read: a filter before the search
    does not see them. Raises RagkitError for a question without `asked`.
    """
    members: dict[str, list[str]] = {}
    for doc_id, group in groups.items():
        if doc_id in dates:
            _date(dates[doc_id], doc_id)
            members.setdefault(group, []).append(doc_id)
    fresh: Run = {}
    for query_id, scores in run.items():
        stands = _asked(asked, query_id)
        _date(stands, query_id)
        drop = max(scores.values(), default=0.0) - min(scores.values(), default=0.0) + 1.0
        new = fresh.setdefault(query_id, dict(scores))
        for group in {groups[d] for d in scores if d in groups and d in dates}:
            held = [d for d in members.get(group, ()) if dates[d] <= stands]
            if held:
                known = [d for d in members[group] if d in scores]
                best = max(scores[d] for d in known)
                new |= {d: scores[d] - drop for d in known}
                new[max(held, key=lambda d: (dates[d], d))] = best
    return fresh


def written_by(run: Run, dates: Mapping[str, str], asked: Mapping[str, str]) -> Run:
    """The run without what is dated after the asked date; a document without a date stays.

    Raises RagkitError for a question without `asked`.
    """
    ends = {query_id: _asked(asked, query_id) for query_id in run}
    return {q: {d: s for d, s in scores.items() if dates.get(d, "") <= ends[q]} for q, scores in run.items()}


def _asked(asked: Mapping[str, str], query_id: str) -> str:
    if query_id not in asked:
        raise RagkitError(
            f"freshness: no date for query {query_id!r}: expected one for each query of the run"
        )
    return asked[query_id]


def _date(text: str, where: str) -> int:
    """The day's number. Raises RagkitError for what is no ISO date."""
    try:
        day = date.fromisoformat(text)
        if day.isoformat() != text:  # 20260630 is one too, but does not sort with the others
            raise ValueError
        return day.toordinal()
    except (TypeError, ValueError):
        raise RagkitError(f"freshness: {where}: found {text!r}, expected a date such as 2026-06-30") from None
