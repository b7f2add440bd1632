"""The key of a run: a hash of everything its numbers depend on, and of nothing else."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ragkit import record
from ragkit.types import RagkitError

# These start, show or publish runs: no number depends on them.
OUTSIDE = {f"ragkit.{name}" for name in ("sweep", "worker", "plan", "keys", "publish", "__main__")}
COLLECTIONS = ("collection", "distractors")  # parameters that name one: its fingerprint enters the key
MODELS = ("llm", "reader")  # parameters that name a language model
SERVED = "openai:"  # one behind an address, which the name need not say


@dataclass(frozen=True)
class Notebook:
    """What a run takes from a notebook: its code and the defaults of its parameters."""

    path: Path
    sources: tuple[str, ...]  # of the code cells; the parameters cell is left out
    defaults: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.stem


def read_notebook(path: Path) -> Notebook:
    """Read the code cells of a notebook, and its parameters without running them.

    Raises RagkitError for a file that is no notebook, a missing or second parameters cell, one
    that holds more than literal assignments, and code that does not parse.
    """
    try:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        code = [
            ("".join(cell["source"]), cell.get("metadata", {}).get("tags", []))
            for cell in cells
            if cell["cell_type"] == "code"
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RagkitError(f"{path} cannot be read as a notebook (nbformat 4, UTF-8): {error!r}") from None
    tagged = [source for source, tags in code if "parameters" in tags]
    if len(tagged) != 1:
        raise RagkitError(
            f"{path.name} has {len(tagged)} cells tagged 'parameters', expected one: tag the first code "
            "cell (JupyterLab: property inspector, Cell Tags), it may be empty"
        )
    sources = tuple(source for source, tags in code if "parameters" not in tags)
    for source in sources:
        _parse(source, path.name)
    return Notebook(path, sources, _literals(tagged[0], path.name))


def _parse(source: str, where: str) -> ast.Module:
    """The syntax tree of a cell, its IPython magics (% and ! lines) taken as `pass`."""
    lines = [
        line[: len(line) - len(line.lstrip())] + "pass" if line.lstrip().startswith(("%", "!")) else line
        for line in source.splitlines()
    ]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError as error:
        raise RagkitError(
            f"{where} has a code cell that Python cannot read: {error.msg}, line {error.lineno} of the cell "
            f"that begins {source.strip().splitlines()[0]!r}"
        ) from None


def _literals(source: str, where: str) -> dict[str, Any]:
    values = {}
    for node in _parse(source, where).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        try:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                raise ValueError
            (target,) = targets
            if not isinstance(target, ast.Name):
                raise ValueError
            values[target.id] = ast.literal_eval(node.value)
            json.dumps(values[target.id])
        except (ValueError, TypeError):
            # papermill would set the parameter below this cell and keep what was derived from it.
            raise RagkitError(
                f"{where}, parameters cell, line {node.lineno}: found {ast.unparse(node)!r}, expected only "
                "`name = literal` (text, number, True/False, None, or a list or dict of them); move the "
                "rest to the next cell"
            ) from None
    return values


def imported(sources: Iterable[str], root: Path) -> tuple[dict[str, Path], set[str]]:
    """What code imports, found in its syntax tree, transitively through the package `ragkit`.

    Returns (module -> file for the modules of ragkit, top-level names of everything else that is
    not in the standard library). Imports inside functions count; those in OUTSIDE and those for
    types alone do not.
    """
    modules: dict[str, Path] = {}
    others: set[str] = set()
    names: list[str] = [name for source in sources for name in _names(source, "")]
    while names:
        parts = names.pop().split(".")
        if parts[0] != "ragkit":
            others.update({parts[0]} - {""} - sys.stdlib_module_names)
            continue
        # `import ragkit.x` runs ragkit/__init__.py too, so every prefix of the name is a module.
        for module in (".".join(parts[: i + 1]) for i in range(len(parts))):
            file = _file(root, module)
            if file is None or module in modules or module in OUTSIDE:
                continue
            modules[module] = file
            package = module if file.name == "__init__.py" else module.rpartition(".")[0]
            names.extend(_names(file.read_text("utf-8"), package))
    return modules, others


@cache
def _names(source: str, package: str) -> tuple[str, ...]:
    """Dotted names that may be modules: of `from a import b` both a and a.b; not those for types alone."""
    names: list[str] = []
    nodes = list(ast.walk(_parse(source, "a notebook")))
    guards = [n for n in nodes if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    unseen = {node for guard in guards for statement in guard.body for node in ast.walk(statement)}
    for node in nodes:
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # One dot is the package itself, each further dot its parent.
            parents = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            names.extend([base, *(f"{base}.{alias.name}" for alias in node.names)])
    return tuple(names)


def _file(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    return next((f for f in (base.with_suffix(".py"), base / "__init__.py") if f.is_file()), None)


def versions(imports: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions that give these top-level imports, and of all they require."""
    providers = _providers()
    found: dict[str, str] = {}
    waiting = [name for top in imports for name in providers.get(top, [top])]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name not in found:
            found[name], required = _distribution(name)
            waiting.extend(required)
    return dict(sorted(found.items()))


_providers = cache(metadata.packages_distributions)  # reads 200 files: once is enough


@cache
def _distribution(name: str) -> tuple[str, list[str]]:
    """Its version, and the names that it requires here. Extras are left out: what uses one imports it."""
    from packaging.requirements import Requirement

    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return "absent", []  # installing it later may change what the code does
    required = [Requirement(line) for line in distribution.requires or []]
    return distribution.version, [
        r.name for r in required if r.marker is None or r.marker.evaluate({"extra": ""})
    ]


def hash_path(path: Path) -> str:
    """SHA-256 of a file's bytes, or of the names and bytes of all files in a folder."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return digest([[file.relative_to(path).as_posix(), hash_path(file)] for file in files])


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def resolve(notebook: Notebook, given: dict[str, Any], cwd: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    """The notebook's parameters with `given` laid over its defaults, and those that are paths.

    A text counts as a path if it exists and has a slash in it (for collections and `records` any
    that exists); a bare word is a name, or `split=test` would change beside a folder "test". Given
    paths are relative to `cwd` and come back absolute, as the kernel works in notebooks/; a
    default is relative to notebooks/ and stays as it is written.
    """
    values, paths = dict(notebook.defaults), {}
    for name, default in notebook.defaults.items():
        value = given.get(name, default)
        values[name] = value
        if not isinstance(value, str) or not value:
            continue
        is_default = value == default
        local, _, folder = value.partition(":")  # hf:<folder>, a language model
        if local == "hf" and (cwd / Path(folder).expanduser()).is_dir():
            paths[name] = Path(os.path.abspath(cwd / Path(folder).expanduser()))
            values[name] = f"hf:{paths[name]}"
            continue
        path = (notebook.path.parent if is_default else cwd) / Path(value).expanduser()
        bare = name in (*COLLECTIONS, "records") and not is_default
        if (bare or "/" in value or os.sep in value) and path.exists():
            paths[name] = Path(os.path.abspath(path))
            values[name] = value if is_default else str(paths[name])
        elif name == "records" and not is_default:
            raise RagkitError(f"records={value}: no such folder ({path}); expected one with records of runs")
    return values, paths


def parts_of(
    notebook: Notebook, values: dict[str, Any], paths: dict[str, Path], root: Path
) -> dict[str, Any]:
    """What the key is made of, by name, so that one can see why a run is made again.

    Raises RagkitError for a collection that is not to be had.
    """
    modules, others = imported(notebook.sources, root)
    parts: dict[str, Any] = {
        "code": digest(notebook.sources),
        "parameters": {n: v for n, v in values.items() if n not in paths and n not in COLLECTIONS},
        "modules": {module: hash_path(file) for module, file in sorted(modules.items())},
        "versions": versions(others),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "files": {n: hash_path(p) for n, p in paths.items() if n not in (*COLLECTIONS, "records")},
    }
    for parameter in COLLECTIONS:
        if parameter in values:
            from ragkit import data

            parts[parameter] = data.fingerprint(str(paths.get(parameter, values[parameter])))
    if "collection" in values:
        from ragkit import data, formats, recordings

        name = str(paths.get("collection", values["collection"]))
        available = data.splits(name)
        if "split" in values and available and values["split"] not in available:
            raise RagkitError(f"split={values['split']}: {name} has the splits {', '.join(available)}")
        replayed = {
            file
            for parameter in MODELS
            if (file := recordings.file_of(formats.folder(name) or root, str(values.get(parameter, ""))))
        }
        if replayed:
            parts["recordings"] = {f.name: hash_path(f) if f.is_file() else "none" for f in sorted(replayed)}
        asked = {p: v for p in MODELS if (v := str(values.get(p, ""))) and not v.startswith("recorded")}
        if asked:
            from ragkit import models
            from ragkit.models.live import Live

            live = {p: models.llm(v, name) for p, v in asked.items()}  # refuses a name that is none
            served = {
                p: one for p, one in live.items() if isinstance(one, Live) and asked[p].startswith(SERVED)
            }
            parts |= {"servers": {p: digest(one.model) for p, one in served.items()}} if served else {}
    if "records" in paths:
        every = dict.fromkeys(["", str(values.get("second", ""))])  # the defaults, and a second collection
        found = [f / "run.json" for name in every for f in record.newest(paths["records"], name)]
        parts["records"] = sorted(json.loads(file.read_text("utf-8"))["key"] for file in found)
    if "ragkit.models" in modules and isinstance(values.get("encoder"), str):
        from ragkit import models

        parts["encoder"] = models.fingerprint(str(paths.get("encoder", values["encoder"])))
    return parts
