"""Measures of answers: the words they should hold, the documents they cite, and when they decline."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING

from ragkit.types import Answers, Collection, Queries, Unavailable

if TYPE_CHECKING:
    from pandas import DataFrame

PRIMARY = "containment"
IN_CONTEXT = "answer in context"
_CITATION = re.compile(
    r"\s*\[([^\[\]\s,;]+(?:[,;] ?[^\[\]\s,;]+)*)\](?!\()"
)  # [doc_id] or [a, b]; no Markdown link
_WHOLE = r"(?<!\w)(?<!\d[.,]){}(?!\w)(?![.,]\d)"
_DASH = re.compile("[\u2010-\u2015\u2212]")
_DECLINED = re.compile(r"i (?:don['\u2019]t|do not) know\s*(?:[.!].*)?", re.IGNORECASE | re.DOTALL)


def accepted(query_ids: Queries, collection: Collection) -> dict[str, tuple[list[str], bool]]:
    """The accepted answers of each question that has some, and whether all of them are needed (`all_of`).

    Raises Unavailable where none of the questions has any.
    """
    known = {q: collection.answers[q] for q in query_ids if collection.answers.get(q)}
    if not known:
        raise Unavailable(
            f"needs accepted answers: none of {len(query_ids)} questions of {collection.name!r}, split "
            f"{collection.split!r}, has any; expected metadata like "
            '{"answers": ["25 days"]} in queries.jsonl; take a collection that has them (larkfield)'
        )
    return {q: (given, bool(collection.query_info.get(q, {}).get("all_of"))) for q, given in known.items()}


def containment(text: str, accepted: Sequence[str], all_of: bool = False) -> float:
    """1.0 when an accepted answer stands in the text; with `all_of`, when every one does.

    As whole words and whole numbers (no "6.1" in "6.1.1"); upper and lower case, white space, kinds of
    dashes and Markdown's asterisks aside.
    """
    plain = _plain(text)
    wanted = [_plain(answer) for answer in accepted]
    found = (bool(a) and re.search(_WHOLE.format(re.escape(a)), plain) is not None for a in wanted)
    return float(bool(wanted) and (all(found) if all_of else any(found)))


def exact_match(text: str, accepted: Sequence[str], all_of: bool = False) -> float:
    """1.0 when the text is an accepted answer, after the normalisation of SQuAD.

    Rajpurkar et al. 2016 (SQuAD, section 6.1), in the steps of the official script: lower case, ASCII
    punctuation away, articles away, white space collapsed. With `all_of`, all answers in their order.
    """
    return float(any(_squad(text) == _squad(reference) for reference in _references(accepted, all_of)))


def token_f1(text: str, accepted: Sequence[str], all_of: bool = False) -> float:
    """Harmonic mean of precision and recall over words, against the accepted answer that it fits best.

    Rajpurkar et al. 2016 (SQuAD, section 6.1), normalised as for `exact_match`. With `all_of`, against
    all answers together. 1.0 where both are empty.
    """
    return max((_f1(_squad(text), _squad(r)) for r in _references(accepted, all_of)), default=0.0)


def cited(answer: str) -> list[str]:
    """What an answer cites: the texts in [square brackets] without white space, each once, known or not."""
    found = (re.split(r"[,;] ?", match) for match in _CITATION.findall(answer))
    return list(dict.fromkeys(doc_id for group in found for doc_id in group))


def uncited(answer: str) -> str:
    """The answer without its citations."""
    return _CITATION.sub("", answer)


def citation_precision(doc_ids: Iterable[str], judged: Mapping[str, int]) -> float:
    """The share of cited documents that are judged relevant (grade over 0); 0 where none is cited.

    ALCE (Gao et al. 2023, section 3.3) asks of each citation whether it entails its statement, by a model
    of entailment. Here judgments of documents stand in for that model: a citation is right when the
    document answers the question or helps, whatever the statement says.
    """
    given = list(doc_ids)
    return sum(judged.get(doc_id, 0) > 0 for doc_id in given) / len(given) if given else 0.0


def citation_recall(doc_ids: Iterable[str], evidence: Set[str], parts: Sequence[str] = ()) -> float:
    """How far what is cited bears the whole answer: the share of `parts`, the documents that are all needed.

    Without parts, 1.0 when any document of the evidence is cited. In ALCE (Gao et al. 2023, section
    3.3) it is the share of statements that their citations entail; here no statement is looked at.
    """
    given = set(doc_ids)
    if parts:
        return len(given.intersection(parts)) / len(set(parts))
    return float(not given.isdisjoint(evidence))


def declined(answer: str) -> bool:
    """Whether an answer is empty, or begins with the sentence "I don't know"; citations aside."""
    bare = uncited(answer).strip()
    return not bare or _DECLINED.fullmatch(bare) is not None


def words(answers: Answers) -> float:
    """The mean number of words of the answers that were not declined, citations aside; 0 without any."""
    lengths = [len(uncited(answer).split()) for answer in answers.values() if not declined(answer)]
    return sum(lengths) / len(lengths) if lengths else 0.0


def scored(answers: Answers, collection: Collection) -> DataFrame:
    """Each measure on each question that it applies to: columns query_id, measure, value (0 to 1).

    Containment (the primary measure), token F1 and exact match on the questions with accepted answers;
    citation precision and recall on those with a positive judgment; declined on the answerable ones, where
    it is wrong, and on the unanswerable ones, where it is right. Which questions count never depends on
    the answers. Raises RagkitError for a collection without accepted answers.
    """
    import pandas as pd

    known = accepted(answers, collection)
    matching = {PRIMARY: containment, "token F1": token_f1, "exact match": exact_match}
    rows: list[tuple[str, str, float]] = []
    for name, measure in matching.items():
        rows += [(q, name, measure(uncited(answers[q]), *wanted)) for q, wanted in known.items()]
    for query_id in [q for q in collection.answerable if q in answers]:
        judged, given = collection.qrels[query_id], cited(answers[query_id])
        parts = collection.query_info.get(query_id, {}).get("parts") or ()
        rows.append((query_id, "citation precision", citation_precision(given, judged)))
        rows.append(
            (query_id, "citation recall", citation_recall(given, collection.evidence[query_id], parts))
        )
    rows += [(q, "declined, answerable", float(declined(answers[q]))) for q in known]
    silent = [q for q in answers if _unanswerable(q, collection)]
    rows += [(q, "declined, unanswerable", float(declined(answers[q]))) for q in silent]
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def right(answers: Answers, collection: Collection) -> float:
    """The share of questions handled right, for tuning: the answer is contained, or rightly declined.

    Over the questions with accepted answers and the unanswerable ones together, in the numbers in which
    they are asked, as SQuAD 2.0 counts (Rajpurkar et al. 2018, Know What You Don't Know). Raises
    RagkitError for a collection without accepted answers.
    """
    values = scored(answers, collection)
    return float(values.loc[values["measure"].isin([PRIMARY, "declined, unanswerable"]), "value"].mean())


def handled(read: Mapping[tuple[str, str], str]) -> Callable[[Answers, Collection], DataFrame]:
    """Makes `scored` for whether a question was handled right: by rule, and where it cannot tell, by reading.

    Right by rule is an answer that holds the accepted one, and a declined unanswerable question. The rule
    cannot tell where an answer neither holds an accepted answer nor is declined: it may say it in other
    words. `read`: (query_id, answer) -> what somebody who compared it called it, "right" or what was amiss;
    an answer that nobody read stays wrong. "right", the primary measure, and "right by rule" are on the
    questions with accepted answers and the unanswerable ones, "not told by rule" on the former, "declined,
    unanswerable" on the latter. Raises RagkitError for a collection without accepted answers.
    """

    def measured(answers: Answers, collection: Collection) -> DataFrame:
        import pandas as pd

        known = accepted(answers, collection)
        silent = {q: declined(text) for q, text in answers.items()}
        rule = {q: containment(uncited(answers[q]), *wanted) > 0 for q, wanted in known.items()}
        open_ = {q for q, contained in rule.items() if not contained and not silent[q]}
        rule |= {q: silent[q] for q in answers if _unanswerable(q, collection)}
        right = {q: ok or (q in open_ and read.get((q, answers[q])) == "right") for q, ok in rule.items()}
        rows = [(q, "right", float(ok)) for q, ok in right.items()]
        rows += [(q, "right by rule", float(ok)) for q, ok in rule.items()]
        rows += [(q, "not told by rule", float(q in open_)) for q in known]
        rows += [(q, "declined, answerable", float(silent[q])) for q in known]
        rows += [(q, "declined, unanswerable", float(silent[q])) for q in rule if q not in known]
        return pd.DataFrame(rows, columns=["query_id", "measure", "value"])

    return measured


def in_context(
    contexts: Answers, collection: Collection, tokens: Callable[[str], float] | None = None
) -> DataFrame:
    """`scored` for what a reader is given: whether the answer stands in it, and its length by `tokens`.

    "answer in context", the primary measure, is containment: no reader can quote an answer that is not
    there. "tokens", where they are asked for, is on the same questions. Raises RagkitError for a
    collection without accepted answers.
    """
    import pandas as pd

    known = accepted(contexts, collection)
    rows = [(q, IN_CONTEXT, containment(uncited(contexts[q]), *wanted)) for q, wanted in known.items()]
    rows += [(q, "tokens", tokens(contexts[q])) for q in known] if tokens else []
    return pd.DataFrame(rows, columns=["query_id", "measure", "value"])


def answer_in_context(contexts: Answers, collection: Collection) -> float:
    """The share of questions with accepted answers whose answer stands in their context, for tuning."""
    return float(in_context(contexts, collection)["value"].mean())


def _unanswerable(query_id: str, collection: Collection) -> bool:
    """Marked as such; a question that merely lacks judgments may well have an answer."""
    return collection.query_info.get(query_id, {}).get("answerable") is False


def _references(accepted: Sequence[str], all_of: bool) -> list[str]:
    return [" ".join(accepted)] if all_of else list(accepted)


def _plain(text: str) -> str:
    return " ".join(_DASH.sub("-", text.lower()).replace("*", "").split())


def _squad(text: str) -> list[str]:
    """The words that SQuAD compares; removing punctuation before articles is the official order."""
    bare = text.lower().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\b(?:a|an|the)\b", " ", bare).split()


def _f1(given: list[str], reference: list[str]) -> float:
    shared = (Counter(given) & Counter(reference)).total()
    if not given or not reference:
        return float(given == reference)
    return 2 * shared / (len(given) + len(reference))
