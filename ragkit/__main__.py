"""The command line: python -m ragkit sweep | record | findings | publish | data check | trec ..."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ragkit import plan, record, sweep
from ragkit.types import Queries, RagkitError, Run, System, Unavailable


def main(arguments: Sequence[str] | None = None, root: Path = plan.CHECKOUT) -> int:
    """Run a command in the project at `root`; returns the exit status: 0 done, 1 runs failed, 2 bad input."""
    options = _parser().parse_args(arguments)
    try:
        actions = {"sweep": _sweep, "record": _record, "findings": _findings, "publish": _publish,
                   "check": _check, "export": _export, "import": _import,
                   "judgments": _judgments}  # fmt: skip
        return actions[options.action](options, root)
    except RagkitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        given = sys.argv[1:] if arguments is None else arguments
        again = shlex.join(["python", "-m", "ragkit", *given])
        print(f"\nstopped; what is done is kept. To continue: {again}", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ragkit", description=__doc__)
    commands = parser.add_subparsers(dest="action", required=True, metavar="COMMAND")

    made = commands.add_parser("sweep", help="run notebooks, each in its own process; skip what is done")
    made.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="10_bm25, 10 or a path; none: all")
    made.add_argument("-p", dest="given", action="append", default=[], metavar="NAME=VALUE,VALUE",
                      help="values of a parameter; several -p make a grid")  # fmt: skip
    made.add_argument(
        "--jobs", type=_positive, default=sweep.cores(), help="runs at once (cores: %(default)s)"
    )
    made.add_argument("--dry-run", action="store_true", help="say what would run, and why; run nothing")

    live = commands.add_parser("record", help="run a notebook with a live model; keep its answers for replay")
    live.add_argument("notebook", metavar="NOTEBOOK", help="41_hyde, 41 or a path")
    live.add_argument("--llm", required=True, metavar="MODEL", help="cohere:<model> or another live one")
    live.add_argument("-p", dest="given", action="append", default=[], metavar="NAME=VALUE,VALUE",
                      help="values of another parameter")  # fmt: skip
    live.add_argument("--budget", metavar="DOLLARS", help="of a run; none: no limit (default: 1.00)")

    found = commands.add_parser("findings", help="run 90_findings over the records and render it")
    found.add_argument("--published", action="store_true", help="over data/published instead of data/runs")

    commands.add_parser("publish", help="take the default runs into the repository")

    data = commands.add_parser("data", help="collections").add_subparsers(dest="action", required=True)
    check = data.add_parser("check", help="read a collection and name every problem in it")
    check.add_argument("path", metavar="PATH", help="a folder, a built-in name or an ir_datasets id")

    trec = commands.add_parser("trec", help="runs and judgments in TREC format")
    trec_commands = trec.add_subparsers(dest="action", required=True)
    export = trec_commands.add_parser("export", help="write a record's rankings and judgments")
    export.add_argument("record", metavar="RECORD_FOLDER", help="data/runs/<notebook>/<key>")
    export.add_argument("out", metavar="OUT", help="the folder to write to")
    judgments = trec_commands.add_parser("judgments", help="turn TREC judgments into qrels/<split>.tsv")
    judgments.add_argument("file", metavar="QRELS_FILE", help="query_id, 0, doc_id, grade in each line")
    judgments.add_argument("out", metavar="OUT", help="qrels/<split>.tsv beside the documents")
    imported = trec_commands.add_parser("import", help="compare TREC runs made elsewhere")
    imported.add_argument("files", nargs="+", metavar="RUN_FILE", help="a system each, named after the file")
    imported.add_argument(
        "--collection", required=True, help="a folder, a built-in name or an ir_datasets id"
    )
    imported.add_argument("--split", required=True, help="dev, test, ...")
    imported.add_argument("--baseline", metavar="NAME", help="the first file if not given")
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")
    return number


def _sweep(options: argparse.Namespace, root: Path) -> int:
    given = _given(options)
    planned = sweep.plan(options.notebooks, given, root)
    everything = not options.notebooks and not given and plan.findings_path(root).is_file()
    if options.dry_run:
        for run in planned:
            print(f"{run}: {plan.status(run)}")
        if everything:
            print(f"{plan.FINDINGS}: follows, if the records that it reads have changed")
        return 0
    begin, done_before = time.monotonic(), len(sweep.collect(planned))
    with _interruptible():
        failures = sweep.run(planned, options.jobs, root)
        if everything and not failures:
            findings = sweep.plan_findings(root=root)
            done_before += findings.done
            failures = sweep.run([findings], 1, root)
            planned.append(findings)
    done = sweep.collect(planned)
    lacking = [failure for failure in failures if failure.lacking]
    failed = [failure for failure in failures if not failure.lacking]
    if done_before == len(planned):
        print(f"nothing to do: all {len(planned)} runs are done")
    else:
        made, seconds = len(done) - done_before, time.monotonic() - begin
        print(
            f"{made} runs made, {done_before} done before, {len(failed)} failed"
            f"{f', {len(lacking)} not run' if lacking else ''}, in {seconds:.0f} s"
        )
        measured = [folder for folder in done if (folder / "costs.parquet").is_file()]  # record.save: last
        print(f"\n{record.summary(measured)}\n" if measured else "")
    for run in planned:
        if run.done:
            print(f"  {run}: {_shown(run.folder / 'notebook.ipynb')}")
    _tell(failures)
    if failed or (lacking and (everything or not done)):
        if everything and planned[-1].notebook.stem != plan.FINDINGS:
            print("the findings wait until every run is made", file=sys.stderr)
        return 1
    if everything:
        print(f"findings: {_shown(sweep.render(planned[-1]))}")
    return 0


def _tell(failures: list[sweep.Failure]) -> None:
    """The runs that could not be made: first those that lack something, then those that failed."""
    for how, lacking in [("not run", True), ("failed", False)]:
        if of := [failure for failure in failures if failure.lacking == lacking]:
            print(f"{len(of)} {how}:\n{sweep.failure_table(of)}", file=sys.stderr)


def _given(options: argparse.Namespace) -> dict[str, str]:
    """The parameters given with -p, as written."""
    given: dict[str, str] = {}
    for item in options.given:
        name, equals, text = item.partition("=")
        if not (equals and name) or name in given:
            raise RagkitError(f"-p {item}: expected name=value or name=value,value, each name once")
        given[name] = text
    return given


def _record(options: argparse.Namespace, root: Path) -> int:
    """Sweep a notebook with a live model; what it answered is then written beside the collection.

    A run that is done is not made again: its answers lie in its folder.
    """
    from ragkit import models, recordings

    given = _given(options)
    if recordings.file_of(root, options.llm) or "llm" in given:
        raise RagkitError(f"record: expected one live model, and in --llm: {', '.join(models.LLMS[2:])}")
    if options.budget is not None:
        os.environ["RAGKIT_BUDGET"] = options.budget  # of the process that runs the notebook
    models.llm(options.llm)  # refuses another name, and a budget that is none
    for run in sweep.plan([options.notebook], given, root):
        if missing := [name for name in ("llm", "collection") if name not in run.values]:
            raise RagkitError(
                f"{run.notebook.stem} has no parameter {' and '.join(missing)}: nothing to record; name a "
                "notebook that asks a language model (40_multi_query, 41_hyde, ...)"
            )
    planned = sweep.plan([options.notebook], given | {"llm": options.llm}, root)
    model = recordings.model_of(options.llm)
    files = {run: _collection(run) / recordings.file_name("recordings", model) for run in planned}
    with _interruptible():
        failures = sweep.run(planned, 1, root)
    for run, file in files.items():
        answers = run.folder / recordings.file_name("answers", model)
        if run.done and not answers.is_file():
            raise RagkitError(f"{run}: it asked its model nothing, so there is nothing to record")
        if run.done:
            held, new = recordings.merge(file, recordings.read_answers(answers).values())
            print(f"{_shown(file)}: {held} answers, {new} of them new")
    if failures:
        _tell(failures)
        return 1
    again = [f"-p {shlex.quote(item)}" for item in [*options.given, f"llm=recorded:{model}"]]
    print(f"without a key: python -m ragkit sweep {options.notebook} {' '.join(again)}")
    return 0


def _collection(run: plan.Planned) -> Path:
    """The folder of a run's collection; a default that is a path is relative to the notebook."""
    from ragkit import formats

    value = str(run.values["collection"])
    path = run.notebook.parent / value
    folder = formats.folder(str(path) if "/" in value and path.is_dir() else value)
    if folder is None:
        raise RagkitError(f"collection={value}: an id of ir_datasets has no folder to write recordings to")
    return folder


def _findings(options: argparse.Namespace, root: Path) -> int:
    records = root / "data" / ("published" if options.published else "runs")
    findings = sweep.plan_findings(records, root)
    with _interruptible():
        failures = sweep.run([findings], 1, root)
    if failures:
        _tell(failures)
        return 1
    print(f"{record.summary(record.newest(records))}\n")
    print(f"  {_shown(findings.folder / 'notebook.ipynb')}\nfindings: {_shown(sweep.render(findings))}")
    return 0


def _shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends a sweep as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _publish(options: argparse.Namespace, root: Path) -> int:
    from ragkit import publish

    publish.publish(root)
    return 0


def _check(options: argparse.Namespace, root: Path) -> int:
    from ragkit import data

    print(data.check(options.path))
    return 0


def _export(options: argparse.Namespace, root: Path) -> int:
    import pandas as pd

    from ragkit import data, trec

    made = record.read(Path(options.record)).run["outcome"]
    measured = pd.read_parquet(Path(options.record) / "per_query.parquet")["query_id"]
    collection = data.load(made["collection"], made["split"])
    qrels = collection.qrels
    with suppress(Unavailable):
        qrels = qrels | data.variants(collection).qrels
    # of the questions that were measured: a program that averages over all would count the others 0
    asked = {q: qrels.get(q, {}) for q in dict.fromkeys(measured)}
    judged = {q: grades for q, grades in asked.items() if max(grades.values(), default=0) > 0}
    if not judged:
        raise RagkitError(
            f"{options.record}: of its {len(asked)} questions ({next(iter(asked), 'none')!r} is the first) "
            f"{made['collection']} has no judgments: expected a run whose questions the collection has"
        )
    judgments = Path(options.out) / f"{Path(made['collection']).name}-{made['split']}.qrels"
    written = trec.export(options.record, options.out)
    trec.write_qrels(judged, judgments)
    print("\n".join(map(str, [*written, judgments])))
    return 0


def _import(options: argparse.Namespace, root: Path) -> int:
    from ragkit import data, evaluate, report, trec

    collection = data.load(options.collection, options.split)
    systems: dict[str, System] = {}
    for file in map(Path, options.files):
        if file.stem in systems:
            raise RagkitError(
                f"two files give the name {file.stem!r}: rename one, systems are named after files"
            )
        systems[file.stem] = _replay(trec.read_run(file), file, collection.queries, options.split)
    baseline = options.baseline or Path(options.files[0]).stem
    print(report.comparison_table(evaluate.compare(systems, collection, baseline)).to_string())
    return 0


def _judgments(options: argparse.Namespace, root: Path) -> int:
    from ragkit import formats, trec

    rows = [
        (q, d, str(grade))
        for q, judged in trec.read_qrels(options.file).items()
        for d, grade in judged.items()
    ]
    out = Path(options.out)
    if not rows or out.exists():
        raise RagkitError(
            f"{out} is there already: expected a new file; remove it first, or name another"
            if rows
            else f"{options.file} holds no judgments: expected lines of query_id 0 doc_id grade"
        )
    out.parent.mkdir(exist_ok=True)
    lines = [formats.HEADER, *map("\t".join, rows)]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{out}: {len(rows)} judgments")
    return 0


def _replay(run: Run, file: Path, queries: Queries, split: str) -> System:
    """A run made elsewhere as a system. Its queries of other splits are left out, and it is said."""
    others = run.keys() - queries.keys()
    if len(others) == len(run):
        raise RagkitError(
            f"{file}: none of its {len(run)} queries is in the split {split!r}; choose its own split"
        )
    if others:
        print(
            f"{file}: {len(others)} queries that are not in the split {split!r} are left out", file=sys.stderr
        )
    if lacking := queries.keys() - run.keys():
        print(
            f"{file}: {len(lacking)} of {len(queries)} queries have no line and count as 0", file=sys.stderr
        )
    return lambda asked: {query_id: run[query_id] for query_id in asked if query_id in run}


if __name__ == "__main__":
    sys.exit(main())
