"""Reading collections: BEIR files, folders of documents, ir_datasets; every problem with file and line.

Readers report each problem to `fail`: `data.load` raises the first one, `data.check` collects them.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ragkit import pydocs
from ragkit.types import Qrels, Queries, RagkitError

BUILT_IN = Path(__file__).resolve().parent.parent / "data"
SUFFIXES = (".md", ".markdown", ".txt", ".html", ".htm")
HEADER = "query-id\tcorpus-id\tscore"

Fail = Callable[[str], None]


class Line(NamedTuple):
    """A line of corpus.jsonl, queries.jsonl, variants.jsonl or messages.jsonl."""

    line: int
    title: str
    text: str
    metadata: dict[str, Any]


@dataclass
class Content:
    """What was read of a collection, with the judgments of the splits that were asked for."""

    corpus: dict[str, str] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    queries: Queries = field(default_factory=dict)
    info: dict[str, dict[str, Any]] = field(default_factory=dict)
    qrels: dict[str, Qrels] = field(default_factory=dict)  # split -> judgments
    differs: str = ""  # what of the documents of pydocs is not as it was judged
    gone: set[str] = field(default_factory=set)  # judged documents that are therefore no longer there

    def add(self, doc_id: str, title: str, text: str, info: dict[str, Any]) -> None:
        # By its first line, not its first words: many texts begin with their subject ("Rush is a band").
        first_line = text.lstrip().split("\n", 1)[0].strip("# \t")
        self.corpus[doc_id] = text if title in ("", first_line) else f"{title}\n{text}"
        self.documents[doc_id] = ({"title": title} if title else {}) | info

    def ask(self, queries: dict[str, Line]) -> None:
        self.queries = {q: row.text for q, row in queries.items()}
        self.info = {q: row.metadata for q, row in queries.items()}

    def questions(self, split: str) -> list[str]:
        """The query_ids of a split: judged in it, or not judged and said to be of it."""
        judged = self.qrels[split]
        return [q for q in self.queries if q in judged or self.info[q].get("split") == split]


def cache_folder() -> Path:
    """data/cache in the checkout, or what RAGKIT_CACHE names. All of it can be deleted and comes back."""
    return Path(os.environ.get("RAGKIT_CACHE") or BUILT_IN / "cache")


def corpus_file(where: Path) -> Path:
    """The corpus.jsonl of a folder, there or not; that of pydocs is in the cache, and made when it is not."""
    return pydocs.collected(cache_folder()) if is_pydocs(where) else where / "corpus.jsonl"


def is_pydocs(where: Path) -> bool:
    return where == BUILT_IN / pydocs.NAME


def built_in() -> list[str]:
    """The names of the collections that are here, in alphabetical order."""
    return sorted(path.parent.name for path in BUILT_IN.glob("*/queries.jsonl"))


def beside(name: str) -> Path:
    """Where a collection's own files are looked for; those of an ir_datasets id are nowhere."""
    return folder(name) or Path(name)


def folder(name: str) -> Path | None:
    """Where the files of a collection are, absolute; None for an ir_datasets id.

    Raises RagkitError, with names that are near, where `name` is none of the three.
    """
    if name in built_in():
        return BUILT_IN / name
    path = Path(name).expanduser()
    if name and path.is_dir():
        return path.resolve()
    if path.is_file():
        raise RagkitError(f"{path.resolve()} is a file; expected a folder. Name the one that it is in.")
    import ir_datasets

    known = list(ir_datasets.registry)
    if name in known:
        return None
    siblings = {other.name: str(other) for other in path.parent.glob("*") if other.is_dir()}
    near = difflib.get_close_matches(name, [*built_in(), *known], n=3, cutoff=0.7)
    near += [siblings[match] for match in difflib.get_close_matches(path.name, siblings, n=3, cutoff=0.7)]
    raise RagkitError(
        f"There is no collection {name!r}: it is not built in ({', '.join(built_in())}), no folder "
        f"{path.absolute()}, no id of ir_datasets. "
        + (f"Did you mean {' or '.join(dict.fromkeys(near))}?" if near else "Check the spelling.")
    )


# --- a folder ---------------------------------------------------------------------------------------


def raise_it(problem: str) -> NoReturn:
    raise RagkitError(problem)


def read(name: str, wanted: list[str], fail: Fail) -> Content:
    """A collection with the judgments of the splits `wanted`. Raises or reports to `fail` what is wrong."""
    where = folder(name)
    if where is None:
        return read_dataset(name, wanted)
    beir = corpus_file(where)
    content = _read_beir(beir, fail) if beir.is_file() else _read_documents(where, fail)
    content.differs = pydocs.difference(where, beir) if is_pydocs(where) else ""
    if not content.corpus:
        expected = f"a corpus.jsonl, or files that end in {', '.join(SUFFIXES)}"
        fail(f"{beir if beir.is_file() else where} holds no documents; expected {expected}.")
    path = where / "queries.jsonl"
    if not path.is_file():
        if wanted:
            fail(f"{path} is missing; the judgments in {where / 'qrels'} are of its queries. Put it there.")
        return content
    queries = read_lines(path, fail)
    for query_id, row in queries.items():
        if problem := _unaskable(row):
            fail(f"{path}, line {row.line}: query {query_id!r} {problem}. Mend it.")
    content.ask(queries)
    for split in wanted:
        path = where / "qrels" / f"{split}.tsv"
        content.qrels[split] = _judgments(path, content, queries, fail)
    return content


def _read_beir(path: Path, fail: Fail) -> Content:
    content = Content()
    for doc_id, row in read_lines(path, fail).items():
        content.add(doc_id, row.title, row.text, row.metadata)
    return content


def _read_documents(where: Path, fail: Fail) -> Content:
    """Markdown, text and HTML: id and title from the front matter, else the path and <title> or heading."""
    content = Content()
    files: dict[str, Path] = {}
    for path in document_files(where):
        info, text = _front_matter(path, decoded(path, fail), fail)
        title = str(info.pop("title", None) or "")
        if path.suffix.lower() in (".html", ".htm"):
            html_title, text = _html(text)
            title = title or html_title
        elif path.suffix.lower() != ".txt" and not title:
            outside_code = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)
            heading = re.search(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", outside_code, re.M)
            title = heading[1] if heading else ""
            if heading and text.lstrip().startswith(heading[0]):  # a title is found without its marks
                text = title + text.lstrip().removeprefix(heading[0])
        doc_id = str(info.pop("id", None) or path.relative_to(_document_root(where)).as_posix())
        try:
            doc_id.encode()
        except UnicodeEncodeError:
            fail(f"{str(path)!a}: the name is not UTF-8; expected UTF-8. Rename the file.")
            continue
        if doc_id in files:
            fail(f"{path}: has the id {doc_id!r}, as {files[doc_id]} has; expected a unique id. Change one.")
        files[doc_id] = path
        content.add(doc_id, title, text.strip(), info)
    return content


def _document_root(where: Path) -> Path:
    return where / "corpus" if (where / "corpus").is_dir() else where


def document_files(where: Path) -> list[Path]:
    root = _document_root(where)
    found = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(root).parts))


def _front_matter(path: Path, text: str, fail: Fail) -> tuple[dict[str, Any], str]:
    """(what the YAML between the two --- lines says, the text after it); dates as ISO strings."""
    import yaml

    found = re.match(r"---[ \t]*\n(.*?\n)?---[ \t]*(\n|$)", text, re.S)
    if not found or path.suffix.lower() not in (".md", ".markdown"):
        return {}, text
    try:
        info = yaml.load(found[1] or "", yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:  # a date that no calendar has is a ValueError
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 1  # counted from 0, after the first ---
        what = getattr(error, "problem", None) or error
        fail(f"{path}, line {line}: the front matter is not YAML ({what}). Mend it, or quote the value.")
        return {}, text[found.end() :]
    if not isinstance(info, dict):  # two rules with prose between them
        return {}, text
    plain = {
        str(key): value.isoformat() if hasattr(value, "isoformat") else value for key, value in info.items()
    }
    return plain, text[found.end() :]


def _html(source: str) -> tuple[str, str]:
    """(<title>, the visible text, a line a block)."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(source, "html.parser")
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    for tag in soup(["title", "script", "style", "template"]):
        tag.decompose()
    for tag in soup(["p", "div", "section", "li", "tr", "br", "pre", "h1", "h2", "h3", "h4", "h5", "h6"]):
        tag.insert_before("\n")
        tag.append("\n")
    for tag in soup(["td", "th"]):
        tag.append(" ")
    lines = (" ".join(line.split()) for line in soup.get_text().split("\n"))
    return title, "\n".join(line for line in lines if line)


def decoded(path: Path, fail: Fail) -> str:
    raw = path.read_bytes()
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        fail(f"{path}, line {line}: holds a NUL byte; expected text in UTF-8. Take the file out.")
        return ""
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fail(
            f"{path}, line {line}: byte 0x{raw[error.start]:02x} at offset {error.start} is not UTF-8; "
            "expected UTF-8. Convert the file (iconv -f WINDOWS-1252 -t UTF-8, if that is what it is)."
        )
        return ""


def read_lines(path: Path, fail: Fail) -> dict[str, Line]:
    """The lines of a BEIR .jsonl file by `_id`, which is unique."""
    rows: dict[str, Line] = {}
    for number, line in enumerate(decoded(path, fail).split("\n"), start=1):
        if not line.strip():
            continue
        problem, row = "", {}
        try:
            row = json.loads(line)
        except ValueError as error:
            problem = f"is not JSON ({error})"
        if not problem:
            problem = _malformed(row)
        if not problem and row["_id"] in rows:
            problem = f"has _id {row['_id']!r}, as line {rows[row['_id']].line} has"
        if problem:
            expected = 'a unique {"_id": "...", "text": "..."}, with "title" and "metadata" if there are any'
            fail(f"{path}, line {number}: it {problem}; expected {expected}. Mend or remove the line.")
        else:
            rows[row["_id"]] = Line(number, row.get("title") or "", row["text"], row.get("metadata") or {})
    return rows


def _malformed(row: object) -> str:
    if not isinstance(row, dict):
        return f"is a JSON {type(row).__name__}"
    for key, kind in (("_id", str), ("text", str), ("title", str | None), ("metadata", dict | None)):
        if key not in row and key in ("_id", "text"):
            return f"has no field {key!r} (it has {', '.join(map(repr, row)) or 'none'})"
        if not isinstance(row.get(key), kind):
            return f"has a {key!r} that is {row[key]!r:.60}"
    return "" if row["_id"] else "has an empty '_id'"


def _unaskable(row: Line) -> str:
    answers = row.metadata.get("answers")
    texts = answers if isinstance(answers, list) else [answers or ""]
    if not all(isinstance(text, str) for text in texts):
        return f"has answers {answers!r:.60}; expected a text or a list of texts"
    return "" if row.text.strip() else "has no text; expected a question"


def read_variants(path: Path, fail: Fail) -> dict[str, Line]:
    """The rewordings whose metadata says of which query: `variant_of`, a query_id."""
    rows = read_lines(path, fail)
    for row in rows.values():
        if "variant_of" not in row.metadata:
            fail(f"{path}, line {row.line}: no 'variant_of' in its metadata; expected a query's _id. Add it.")
    return {v: row for v, row in rows.items() if "variant_of" in row.metadata}


def _judgments(path: Path, content: Content, queries: dict[str, Line], fail: Fail) -> Qrels:
    """qrels/<split>.tsv: a header, then query_id, doc_id and an integer grade, 0 = judged, not relevant.

    A judgment of a document that is not there is left out, and is a mistake unless the documents differ.
    """
    qrels: Qrels = {}
    no_document, no_query, moved = [], [], []
    for number, query_id, doc_id, grade in read_judgments(path, fail):
        grades = qrels.setdefault(query_id, {})
        if doc_id in grades:
            fail(f"{path}, line {number}: judges {doc_id!r} for {query_id!r} a second time; expected once.")
        if doc_id in content.corpus:
            grades[doc_id] = grade
        else:
            no_document.append((number, doc_id))
        if query_id not in queries:
            no_query.append((number, query_id))
        elif queries[query_id].metadata.get("split", path.stem) != path.stem:
            moved.append((number, query_id))
    if content.differs:
        content.gone |= {doc_id for _, doc_id in no_document}
    else:
        gone = "judges document {!r}, which the corpus does not have"
        if (path.parent.parent / "judgments").is_dir():
            gone += " (opened under Judge in 00_start_here, the folder leaves it out by itself)"
        fail_once(path, no_document, gone, fail)
    fail_once(path, no_query, "judges query {!r}, which queries.jsonl does not have", fail)
    fail_once(path, moved, "judges query {!r}, which is of another split in queries.jsonl", fail)
    return qrels


def read_judgments(path: Path, fail: Fail) -> list[tuple[int, str, str, int]]:
    """(line, query_id, doc_id, grade) of a file of judgments in BEIR's form, under its header."""
    lines = decoded(path, fail).split("\n")  # splitlines() cuts a file name at U+2028
    if lines[0] != HEADER:
        trec = " That is TREC form: python -m ragkit trec judgments." if len(lines[0].split()) == 4 else ""
        fail(f"{path}, line 1: found the header {lines[0]!r:.80}; expected {HEADER!r}.{trec}")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) == 3 and re.fullmatch(r"[+-]?\d+", cells[2].strip()):
            rows.append((number, cells[0], cells[1], int(cells[2])))
        elif line.strip():
            fail(f"{path}, line {number}: found {line!r:.80}; expected query_id, doc_id, integer, with tabs.")
    return rows


def fail_once(path: Path, cases: list[tuple[int, str]], what: str, fail: Fail) -> None:
    """One problem for all lines that have it: judgments of another corpus would give thousands."""
    if cases:
        line, wrong = cases[0]
        others = f" (and {len(cases) - 1:,} more such lines)" if len(cases) > 1 else ""
        fail(f"{path}, line {line}: {what.format(wrong)}{others}. Remove such lines, or mend what they name.")


# --- ir_datasets ------------------------------------------------------------------------------------


def split_ids(name: str) -> dict[str, str]:
    """split -> ir_datasets id: `name` itself where it has judgments, else those below it that have."""
    import ir_datasets

    if ir_datasets.load(name).has_qrels():
        named = [part for part in name.split("/") if part in ("train", "dev", "validation", "test")]
        return {named[-1] if named else "test": name}
    below = [other for other in ir_datasets.registry if other.startswith(f"{name}/")]
    return {other.removeprefix(f"{name}/"): other for other in below if ir_datasets.load(other).has_qrels()}


def read_dataset(name: str, wanted: list[str]) -> Content:
    import ir_datasets

    content = Content()
    queries: dict[str, Line] = {}
    try:
        for doc in ir_datasets.load(name).docs_iter():
            # default_text joins what a collection holds of a document, which may have no field named text
            title = doc.title or "" if hasattr(doc, "title") and hasattr(doc, "text") else ""
            content.add(doc.doc_id, title, doc.text if title else doc.default_text(), {})
        for split in wanted:
            dataset = ir_datasets.load(split_ids(name)[split])
            queries |= {q.query_id: Line(0, "", q.default_text(), {}) for q in dataset.queries_iter()}
            judgments = content.qrels.setdefault(split, {})
            for judgment in dataset.qrels_iter():
                judgments.setdefault(judgment.query_id, {})[judgment.doc_id] = judgment.relevance
    except Exception as error:  # a download fails in as many ways as there are hosts
        raise RagkitError(
            f"ir_datasets could not give {name} ({type(error).__name__}: {error!s:.200}). It downloads a "
            "collection on first use: run this once with a network, or name a folder in BEIR form."
        ) from error
    content.ask(queries)
    return content
