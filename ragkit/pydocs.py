"""pydocs: the documentation strings of five installed packages, collected on first use and kept in the cache.

They are collected in a process of their own (`python -m ragkit.pydocs`): what the caller has imported,
registered or set in its environment cannot change them, and importing five packages costs it nothing. They
are imported and not read from their sources, because many of these texts are made at run time (decorators
of pandas and matplotlib, scipy's distributions) or stand in C.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

NAME = "pydocs"
PACKAGES = {  # distribution -> its packages
    "numpy": ("numpy",),
    "scipy": ("scipy",),
    "pandas": ("pandas",),
    "scikit-learn": ("sklearn",),
    "matplotlib": ("matplotlib", "mpl_toolkits"),
}
# No public API, or modules that can be imported or not with what else a machine has (windows, mypy, Sphinx).
LEFT_OUT = re.compile(
    r"numpy\.(distutils|f2py\.|typing\.mypy_plugin)|pandas\.(core|compat|util\.version)"
    r"|pandas\.io\.(?!formats$|formats\.style$)|sklearn\.(externals|utils\.estimator_checks)"
    r"|matplotlib\.(sphinxext|testing|backends\.(?!backend_(agg|pdf|pgf|ps|svg)$))"
    r"|.*\.(tests|conftest|setup|test_.*)(\.|$)"
)
# What packages write into their texts when they are imported: a platform's names of numpy's scalar types, and
# the numbers that scipy's distributions draw for their examples.
CHANGING = re.compile(r"^ *:Alias on this platform .*\n?|(?<=^array\(\[)[^]\n]*(?=\]\)  # may vary$)", re.M)
FEWEST_WORDS = 8  # a text with fewer says no more than its name


class Found(NamedTuple):
    """A public name that has a documentation string."""

    name: str
    text: str
    kind: str  # module, class, function, method, attribute or object
    distribution: str
    renamed: bool  # a class that calls itself otherwise: numpy.intp is an int64 here, and another elsewhere
    holder: type | None  # the class that it is in
    size: int  # members of the outermost class that it is in

    def descends(self, holders: set[type | None]) -> bool:
        """Whether the class that it is in has it from another of these, or repeats that one's text."""
        return self.holder is not None and any(base in holders for base in self.holder.__mro__[1:])

    def rank(self, holders: set[type | None]) -> tuple[Any, ...]:
        """Of all names of a text the one with the lowest is its doc_id."""
        depth, is_object = self.name.count("."), self.kind == "object"
        return depth, self.renamed, is_object, self.descends(holders), -self.size, len(self.name), self.name


def versions() -> dict[str, str]:
    """The installed version of each of the five. Raises RagkitError where one is missing."""
    from ragkit.types import RagkitError

    try:
        return {name: version(name) for name in PACKAGES}
    except PackageNotFoundError as error:
        raise RagkitError(
            f"{NAME} is made of the documentation of {', '.join(PACKAGES)}; {error.name} is not installed. "
            "Install what requirements.txt pins."
        ) from None


def collected(cache: Path) -> Path:
    """The documents as a BEIR corpus.jsonl in the folder `cache`; collected first where it is not there yet.

    The file is named by the versions, the Python and this module, so that a change of any makes another.
    """
    from filelock import FileLock

    from ragkit.types import RagkitError

    made_of = [versions(), sys.version_info[:2], hashlib.sha256(Path(__file__).read_bytes()).hexdigest()]
    key = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    path = cache / f"{NAME}-{key}.jsonl"
    if path.is_file():
        return path
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.is_file():  # another process has just made it
            return path
        unfinished = path.with_suffix(".tmp").resolve()
        command = [sys.executable, "-P", "-m", "ragkit.pydocs", str(unfinished)]
        # in the cache, where no matplotlibrc and no numpy.py of the caller's lies
        done = subprocess.run(command, cwd=cache, env=_environment(), capture_output=True, check=False)
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise RagkitError(f"{NAME} could not be collected from the installed packages: {last}")
        unfinished.replace(path)
    return path


def difference(folder: Path, corpus_file: Path) -> str:
    """What is not as it was judged (versions.json in `folder` says what that was), a line; "" if nothing."""
    judged = json.loads((folder / "versions.json").read_text("utf-8"))
    was, now = judged["versions"], versions()
    if changed := [name for name in now if was[name] != now[name]]:
        before, after = (", ".join(f"{name} {side[name]}" for name in changed) for side in (was, now))
        return f"judged with {before}, but installed is {after}"
    if hashlib.sha256(corpus_file.read_bytes()).hexdigest() != judged["digest"]:
        return "the versions are those that were judged, but not all texts are (another platform or Python?)"
    return ""


def _environment() -> dict[str, str]:
    """That of the caller, without the variables that change what the packages say of themselves."""
    changing = re.compile(r"PYTHON(?!HOME$)|NUMPY|NPY|SCIPY|PANDAS|SKLEARN|MPL|MATPLOTLIB|COLUMNS$|LINES$")
    kept = {name: value for name, value in os.environ.items() if not changing.match(name)}
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    places = [str(Path(__file__).resolve().parent.parent), *map(os.path.abspath, given)]
    fixed = {"PYTHONPATH": os.pathsep.join(places), "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}
    return kept | fixed


# --- the walk through the packages, in a process of its own -----------------------------------------


def corpus() -> list[dict[str, Any]]:
    """The documents as rows of BEIR's corpus.jsonl, by name; imports all five packages.

    One document a distinct text, under the shortest of its names: that with the fewest dots; of these, not
    in a class that has it from another one; of several classes, in the largest (DataFrame, not Index); then
    that with the fewest letters. The others are its aliases, without those that classes inherit.
    """
    warnings.simplefilter("ignore")
    by_text: dict[str, list[Found]] = {}
    for distribution, tops in PACKAGES.items():
        for module in (m for top in tops for m in _modules(top)):
            for found in _of_module(module, distribution):
                by_text.setdefault(found.text, []).append(found)
    known = versions()
    rows = []
    for same in by_text.values():
        holders = {found.holder for found in same}
        _, found = min(((one.rank(holders), one) for one in same), key=itemgetter(0))
        info = {
            "package": found.distribution,
            "version": known[found.distribution],
            "kind": found.kind,
            "aliases": sorted({other.name for other in same if not other.descends(holders)} - {found.name}),
        }
        rows.append({"_id": found.name, "title": found.name, "text": found.text, "metadata": info})
    return sorted(rows, key=lambda row: row["_id"])


def _modules(top: str) -> Iterator[ModuleType]:
    """A package and its public modules, those that can be imported here."""
    waiting = [top]
    while waiting:
        name = waiting.pop()
        try:
            module = importlib.import_module(name)
        except ImportError:
            if name == top:
                raise
            continue  # it needs what requirements.txt does not have
        yield module
        inside = pkgutil.iter_modules(getattr(module, "__path__", []), f"{name}.")
        waiting += [i.name for i in inside if "._" not in i.name and not LEFT_OUT.match(i.name)]


def _of_module(module: ModuleType, distribution: str) -> Iterator[Found]:
    """The module's own text, and those of the public names that are its own."""
    name = module.__name__
    yield from _found(name, module, "module", distribution)
    exported = set(getattr(module, "__all__", ()))
    for attribute, value in sorted(vars(module).items()):
        home = str(getattr(value, "__module__", None) or "")
        from_here = f"{home}.".startswith(f"{name}.")
        same_package = not home or home.partition(".")[0] in PACKAGES[distribution]
        if attribute.startswith("_") or not (from_here or (attribute in exported and same_package)):
            continue
        path = f"{name}.{attribute}"
        if inspect.isclass(value):
            yield from _of_class(path, value, distribution)
        elif inspect.isroutine(value) or type(value).__name__ == "ufunc":
            yield from _found(path, value, "function", distribution)
        elif _top(type(value)) in PACKAGES[distribution]:  # not a number or a list, nor an imported module
            yield from _found(path, value, "object", distribution)


def _of_class(path: str, cls: type, distribution: str, outer: tuple[type, ...] = ()) -> Iterator[Found]:
    """The text of a class and those of its public members, inherited or in an accessor (Series.str) too."""
    size = len(dir(outer[0] if outer else cls))
    for found in _found(path, cls, "class", distribution):
        yield found._replace(renamed=cls.__name__ != path.rpartition(".")[2])
    for name in dir(cls):
        definer = next((base for base in cls.__mro__ if name in vars(base)), None)
        if name.startswith("_") or name == "type" or definer is None:
            continue  # `type` is the class of an array's elements, public elsewhere
        if _top(definer) not in PACKAGES[distribution]:
            continue  # of object, dict, Exception ...
        try:
            value = getattr(cls, name)
        except Exception:  # a property of the class that needs an instance
            continue
        if inspect.isclass(value):  # an accessor: pandas.Series.str
            new = value not in (cls, *outer) and len(outer) < 2
            if new and _top(value) in PACKAGES[distribution]:
                yield from _of_class(f"{path}.{name}", value, distribution, (*outer, cls))
        elif callable(value) or hasattr(type(value), "__get__"):
            kind = "method" if callable(value) else "attribute"
            for found in _found(f"{path}.{name}", value, kind, distribution):
                yield found._replace(holder=cls, size=size)


def _top(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def _found(path: str, value: Any, kind: str, distribution: str) -> Iterator[Found]:
    """The documentation string of a value that has one of its own, if it says more than a few words."""
    doc = getattr(value, "__doc__", None)
    if not isinstance(doc, str) or (kind in ("method", "attribute") and doc == type(value).__doc__):
        return
    text = _plain(doc)
    if len(text.split()) >= FEWEST_WORDS:
        yield Found(path, text, kind, distribution, False, None, 0)


@cache  # most methods are inherited, some by hundreds of classes
def _plain(doc: str) -> str:
    return CHANGING.sub("", inspect.cleandoc(doc)).strip()


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in corpus())
