"""The process of one run: executes its notebook and turns what came out into a record.

`python -m ragkit.worker FOLDER`: FOLDER is the run's temporary folder and holds .work/job.json, which
`sweep` writes. Exit 0: the record is in its place; else .work/failure.json says why not.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ragkit import keys, plan
from ragkit.types import RagkitError, Unavailable

STARTING = threading.Lock()  # held while a kernel starts: who ends this process must see the kernel


class CellFailed(RagkitError):
    """A cell raised; `cell` is its number in the executed notebook, `lacking` if it raised Unavailable."""

    def __init__(self, cell: int, message: str, lacking: bool = False) -> None:
        super().__init__(message)
        self.cell, self.lacking = cell, lacking


class Turn:
    """Whose turn it is in this checkout: many runs at once, or one run alone while it measures latency.

    Runs share the lock `turn`; the one that measures holds it alone. Those who wait for that hold
    `gate`, which keeps others from joining: else all would wait for a moment when none runs.
    """

    def __init__(self, runs: Path) -> None:
        self._turn = os.open(runs / ".turn", os.O_RDWR | os.O_CREAT)
        self._gate = os.open(runs / ".gate", os.O_RDWR | os.O_CREAT)
        self.waited = 0.0  # seconds

    def share(self) -> None:
        begin = time.monotonic()
        for lock, how in [
            (self._turn, fcntl.LOCK_UN),
            (self._gate, fcntl.LOCK_EX),
            (self._turn, fcntl.LOCK_SH),
            (self._gate, fcntl.LOCK_UN),
        ]:
            fcntl.flock(lock, how)
        self.waited += time.monotonic() - begin

    def alone(self) -> None:
        begin = time.monotonic()
        for lock, how in [
            (self._turn, fcntl.LOCK_UN),
            (self._gate, fcntl.LOCK_SH),
            (self._turn, fcntl.LOCK_EX),
        ]:
            fcntl.flock(lock, how)
        self.waited += time.monotonic() - begin


def work(folder: Path) -> None:
    """Execute the run that `folder` describes, write its run.json and move the folder to its place.

    Raises RagkitError with one line for a person, if a cell fails or the record is not whole.
    """
    job = json.loads((folder / ".work" / "job.json").read_text("utf-8"))
    begin, turn = time.monotonic(), Turn(Path(job["runs"]))
    turn.share()  # before the heavy imports, which would disturb the one that measures
    executed = folder / "notebook.ipynb"
    _execute(job, executed, turn)
    cells = json.loads(executed.read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    if "record.save(" in code and not (folder / "results.parquet").is_file():
        raise RagkitError("record.save(...) stands in the notebook but wrote no results.parquet")
    _mark_as_own(executed, job["changed"])
    root = Path(job["root"])
    now = plan.single(keys.read_notebook(Path(job["notebook"])), job["changed"], root, root)
    if now.key != job["run"]["key"]:
        changed = ", ".join(plan.differences(job["run"]["parts"], now.parts))
        raise RagkitError(f"what it depends on changed while it ran: {changed}; give the same command again")
    left = folder / "outcome.json"
    outcome = json.loads(left.read_text("utf-8")) if left.is_file() else {}
    precision = outcome.get("facts", {}).get("precision", job["run"]["parameters"].get("precision"))
    seconds = round(time.monotonic() - begin - turn.waited, 1)
    run = {**job["run"], "seconds": seconds, "precision": precision, "outcome": outcome}
    (folder / "run.json").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", "utf-8")
    shutil.rmtree(folder / ".work")
    place = Path(job["place"])
    if (place / "run.json").is_file():
        shutil.rmtree(folder)
        return
    shutil.rmtree(place, ignore_errors=True)  # somebody took run.json out of it
    folder.rename(place)  # from here on the run is done: a reader sees all of it or nothing


def _mark_as_own(executed: Path, changed: dict[str, Any]) -> None:
    """Say on top of a run that is not the default one that the prose was written for that one."""
    if not changed:
        return
    values = ", ".join(f"`{name} = {value!r}`" for name, value in changed.items())
    notice = (
        f"> **A run of your own:** {values}. The tables and figures below are this run's. The sentences "
        "around them were written for the default run, and the numbers in them are the published ones."
    )
    notebook = json.loads(executed.read_text("utf-8"))
    cell = {"cell_type": "markdown", "id": "own-run", "metadata": {}, "source": [notice]}
    notebook["cells"].insert(0, cell)
    executed.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _execute(job: dict[str, Any], executed: Path, turn: Turn) -> None:
    # jsonschema, which checks notebooks, would build a grammar of web addresses at import: 2 of 4 s a run.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from papermill import PapermillExecutionError, execute_notebook

    class ThisPython(AsyncKernelManager):
        """Starts the kernel on the python of the sweep, whatever kernels the machine has."""

        def _kernel_spec_manager_default(self) -> KernelSpecManager:
            return KernelSpecManager(kernel_dirs=[])

        def _connection_file_default(self) -> str:
            return str(executed.parent / ".work" / "kernel.json")

        # Its declared type is that of the synchronous parent.
        async def start_kernel(self, **kw: Any) -> None:  # type: ignore[override]
            with STARTING:
                await super().start_kernel(**kw)

    begun = 0  # code cells

    def before(cell: Any, cell_index: int) -> None:
        nonlocal begun
        begun += 1
        if "costs" in cell.metadata.get("tags", []):
            turn.alone()

    def after(cell: Any, cell_index: int, execute_reply: Any) -> None:
        if "costs" in cell.metadata.get("tags", []):
            turn.share()

    for attempt in range(3):
        try:
            execute_notebook(
                *(path.replace("{", "{{").replace("}", "}}") for path in (job["notebook"], str(executed))),
                parameters=job["changed"],
                kernel_name="python3",
                language="python",
                cwd=str(Path(job["notebook"]).parent),
                progress_bar=False,
                kernel_manager_class=ThisPython,
                on_cell_execute=before,
                on_cell_executed=after,
            )
            return
        except PapermillExecutionError as error:
            known = error.ename in (RagkitError.__name__, Unavailable.__name__)
            message = error.evalue if known else f"{error.ename}: {error.evalue}".rstrip(": ")
            raise CellFailed(error.exec_count, message, error.ename == Unavailable.__name__) from None
        except RuntimeError:  # DeadKernelError is one
            # Two kernels that start together may choose one port (1 in 1,000); no cell has run then.
            if begun:
                raise CellFailed(begun, "the kernel died, perhaps for want of memory") from None
            if attempt == 2:
                raise


def _end_with_parent() -> None:
    """The sweep holds the other end of stdin: when it ends, however it ends, so do this and the kernel."""
    while os.read(0, 1):
        pass
    import psutil

    STARTING.acquire()  # for good: the main thread starts no kernel any more
    while children := psutil.Process().children(recursive=True):
        for child in children:
            child.kill()
        psutil.wait_procs(children, timeout=1)
    os._exit(130)


def main(folder: Path) -> int:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work_folder = folder / ".work"
    # The kernel imports ragkit from the project, draws inline, and leaves nothing outside this folder.
    job = json.loads((work_folder / "job.json").read_text("utf-8"))
    os.environ.update(
        RAGKIT_RUN_DIR=str(folder),
        PYTHONPATH=os.pathsep.join(filter(None, [job["root"], os.environ.get("PYTHONPATH")])),
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        IPYTHONDIR=str(work_folder / "ipython"),
    )
    try:
        work(folder)
    except Exception as error:
        message = str(error) if isinstance(error, RagkitError) else f"{type(error).__name__}: {error}"
        failure = {
            "cell": getattr(error, "cell", None),
            "message": re.sub(r"\s+", " ", message).strip(),
            "lacking": getattr(error, "lacking", False),
        }
        (work_folder / "failure.json").write_text(json.dumps(failure), "utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
