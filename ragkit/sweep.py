"""Make the runs that are planned, each in its own process, and keep whole records only.

The record of a run stands in data/runs/<notebook>/<key>/ when, and only when, it is whole (`worker`
moves it there), so that a sweep that ended in any way is continued by the same command.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ragkit import record
from ragkit.plan import CHECKOUT, Planned, plan, plan_findings
from ragkit.types import RagkitError

__all__ = [
    "CHECKOUT",
    "Failure",
    "Planned",
    "collect",
    "cores",
    "failure_table",
    "plan",
    "plan_findings",
    "render",
    "run",
]

THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR", "VECLIB_MAXIMUM")  # ..._NUM_THREADS


@dataclass(frozen=True)
class Failure:
    """A run that did not come to its end: where, why, and the notebook as far as it came.

    `lacking`: nothing went wrong, but it needs what is not here, a key or an input of the collection.
    """

    run: Planned
    cell: int | None
    message: str
    kept: Path | None
    lacking: bool = False


def run(planned: Sequence[Planned], jobs: int, root: Path = CHECKOUT) -> list[Failure]:
    """Make the runs that are not done, up to `jobs` at once; a failed one stops no other.

    Raises RagkitError if another sweep runs in this checkout. A KeyboardInterrupt ends the
    workers, removes what is half-made and goes on up.
    """
    runs = root / "data" / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with _alone(runs / ".sweep") as lock:
        for left in runs.glob("*/.tmp-*"):  # of a sweep that was killed: nobody else works here now
            _remove(left)
        for done in planned:
            if done.done and done.changed.keys() <= {"collection"}:  # what the findings read
                _confirm(done.folder, str(done.changed.get("collection", "")))
        waiting = [run for run in planned if not run.done]
        return _work_off(waiting, min(jobs, len(waiting)), root, lock) if waiting else []


def _work_off(waiting: list[Planned], jobs: int, root: Path, lock: int) -> list[Failure]:
    from tqdm import tqdm

    about, failures = _circumstances(root, jobs), []
    workers: dict[Planned, subprocess.Popen[bytes]] = {}
    terminal, total = sys.stderr.isatty(), len(waiting)
    bar = tqdm(total=total, unit="run", miniters=0, mininterval=1, disable=not terminal)
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                run = waiting.pop(0)
                workers[run] = _start(run, jobs, about, lock)
                bar.set_postfix_str(", ".join(map(str, workers)))
            time.sleep(0.05)
            bar.update(0)  # the time left goes on while runs do
            for run in [run for run, worker in workers.items() if worker.poll() is not None]:
                failure = _finish(run, workers.pop(run).returncode)
                failures += [failure] if failure else []
                bar.update()
                bar.set_postfix_str(", ".join(map(str, workers)))
                if not terminal:
                    count = total - len(waiting) - len(workers)
                    how = ("not run" if failure.lacking else "failed") if failure else "done"
                    print(f"[{count}/{total}] {run}: {how}", file=sys.stderr)
    finally:
        bar.close()
        _end(workers)
    return failures


def _start(run: Planned, jobs: int, about: dict[str, Any], lock: int) -> subprocess.Popen[bytes]:
    """Start the process of a run. It ends when its stdin does, so it cannot outlive this one."""
    work = run.workplace / ".work"
    work.mkdir(parents=True)
    entry = {
        "key": run.key,
        "notebook": run.notebook.stem,
        "parameters": run.values,
        "default": not run.changed,
        "changed": run.changed,
        "started": _now(),
        **about,
        "versions": run.parts["versions"],
        "parts": run.parts,
    }
    job = {
        "root": str(run.runs.parents[1]),
        "runs": str(run.runs),
        "notebook": str(run.notebook),
        "changed": run.changed,
        "place": str(run.folder),
        "run": entry,
    }
    (work / "job.json").write_text(json.dumps(job), "utf-8")
    environment = dict(os.environ)
    if jobs > 1:
        environment |= {f"{name}_NUM_THREADS": str(about["machine"]["threads"]) for name in THREADS}
    with (work / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "ragkit.worker", str(run.workplace)],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the workers
            pass_fds=[lock],  # the checkout stays taken until the last worker has gone, too
        )


def _finish(run: Planned, returncode: int) -> Failure | None:
    """Clear up after a worker has ended; what it says of a failure, and the notebook that failed."""
    kept = run.folder.with_name(f"failed-{run.folder.name}.ipynb")
    kept.unlink(missing_ok=True)
    if returncode == 0 and run.done:
        return None
    work = run.workplace / ".work"
    try:
        told = json.loads((work / "failure.json").read_text("utf-8"))
    except (OSError, ValueError):
        log = (work / "log").read_text("utf-8", "replace").strip() if (work / "log").is_file() else ""
        why = "killed, perhaps for want of memory" if returncode == -signal.SIGKILL else log.split("\n")[-1]
        told = {"cell": None, "message": f"its process ended with {returncode}: {why}"}
    executed, lacking = run.workplace / "notebook.ipynb", told.get("lacking", False)
    if executed.is_file() and not lacking:
        executed.replace(kept)
    _remove(run.workplace)
    return Failure(run, told["cell"], told["message"], kept if kept.is_file() else None, lacking)


def _end(workers: Mapping[Planned, subprocess.Popen[bytes]]) -> None:
    """End workers that still run, and remove what they had begun; a second Ctrl-C waits meanwhile."""
    if not workers:
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        for worker in workers.values():
            assert worker.stdin
            worker.stdin.close()
        for run, worker in workers.items():
            try:
                worker.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
            _remove(run.workplace)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _remove(folder: Path) -> None:
    """Remove a folder; a kernel just killed may still write into it for a moment."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    raise RagkitError(f"{folder} cannot be removed; remove it by hand, then give the same command again")


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Hold the lock of this checkout; its file names the process. Yields the file descriptor."""
    with path.open("a+", encoding="utf-8") as file:
        for patience in range(100, -1, -1):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                pid = file.read().strip()
                # The workers of a sweep that was killed hold the lock until they are gone: a moment.
                if patience == 0 or (pid and _alive(int(pid))):
                    raise RagkitError(
                        f"another sweep runs here (process {pid or 'unknown'}); wait for it or end it"
                    ) from None
                time.sleep(0.1)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _confirm(folder: Path, collection: str) -> None:
    """Note in a record that it holds again: code went back to what it was, and a later one was newest."""
    if (folder / "results.parquet").is_file() and record.newest(folder.parent, collection) != [folder]:
        file = folder / "run.json"
        run = json.loads(file.read_text("utf-8")) | {"confirmed": _now()}
        file.with_suffix(".new").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", "utf-8")
        file.with_suffix(".new").replace(file)


def _circumstances(root: Path, jobs: int) -> dict[str, Any]:
    """What a record tells of where it was made; no name of a machine or a person."""
    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", info.read_text("utf-8")) if info.is_file() else []
    machine = {
        "cpu": models[0] if models else platform.machine(),
        "cores": cores(),
        "threads": max(1, cores() // jobs),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "os": f"{platform.system()} {platform.release()}",
    }
    dirty = _git(root, "status", "--porcelain")
    return {
        "commit": _git(root, "rev-parse", "HEAD"),
        "dirty": None if dirty is None else bool(dirty),
        "machine": machine,
        "python": platform.python_version(),
    }


def _git(root: Path, *command: str) -> str | None:
    command = ("git", "--no-optional-locks", "-C", str(root), *command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None  # no git, no repository or no commit yet
    return done.stdout.strip()


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def collect(planned: Sequence[Planned]) -> list[Path]:
    """The record folders of the runs that are done."""
    return [run.folder for run in planned if run.done]


def failure_table(failures: Sequence[Failure]) -> str:
    """Of each failure: the run, the cell, what was raised, and where the notebook is, as far as it came.

    Of what could not run: the run, and what it needs.
    """
    lines = []
    for failure in failures:
        if failure.lacking:
            lines.append(f"  {failure.run}  |  {failure.message}")
            continue
        cell = f"cell [{failure.cell}]" if failure.cell else "no cell"
        lines.append(f"  {failure.run}  |  {cell}  |  {failure.message}")
        lines += [f"    executed so far: {failure.kept}"] if failure.kept else []
    return "\n".join(lines)


def render(findings: Planned) -> Path:
    """The executed findings as HTML, made once beside the notebook; returns the copy in data/runs."""
    made, shown = findings.folder / "findings.html", findings.runs / "findings.html"
    if not made.is_file():
        from nbconvert import HTMLExporter

        html, _ = HTMLExporter().from_filename(  # type: ignore[no-untyped-call]
            str(findings.folder / "notebook.ipynb")
        )
        made.with_suffix(".new").write_text(html, "utf-8")
        made.with_suffix(".new").replace(made)
    shutil.copyfile(made, shown)
    return shown
