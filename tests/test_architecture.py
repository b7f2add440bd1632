"""The map of the package, held by its syntax trees: who may import whom, and what is loaded when."""

import ast
import subprocess
import sys

import pytest

from tests.project import CHECKOUT

PACKAGE = CHECKOUT / "ragkit"
TOP = {
    "record",
    "plan",
    "keys",
    "sweep",
    "worker",
    "publish",
    "prose",
    "report",
    "trec",
    "__main__",
    "explore",
}
MAY_IMPORT = {  # beside types, which all may; modules that are not named here are tops, and may import all
    "types": set[str](),
    "significance": set[str](),
    "pydocs": set[str](),
    "formats": {"pydocs"},
    "data": {"formats", "recordings"},
    "chunk": set[str](),
    "rewrite": set[str](),
    "spelling": set[str](),
    "retrieve": set[str](),
    "fuse": set[str](),
    "compress": set[str](),
    "context": set[str](),
    "correct": set[str](),
    "generate": set[str](),
    "answers": set[str](),
    "feedback": set[str](),
    "diversify": set[str](),
    "freshness": set[str](),
    "failure": set[str](),
    "rerank": set[str](),
    "route": set[str](),
    "evaluate": {"significance"},
    "robustness": {"evaluate"},
    "prices": set[str](),
    "reuse": set[str](),
    "access": set[str](),
    "crowd": set[str](),
    "recordings": {"formats"},
}
FOR_MODELS = {"formats", "prices", "recordings"}  # what the package `models` may import beside itself
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.parent != PACKAGE or path.stem != "__init__"
}
MODULES = list(FILES)


def imported(module: str) -> set[str]:
    """The modules of ragkit that a module imports anywhere, but for those it needs for types alone."""
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    for node in ast.walk(tree):  # `if TYPE_CHECKING:` is no import
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "ragkit":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ragkit."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("ragkit.")}
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_the_map_allows(module: str) -> None:
    if module.partition(".")[0] == "models":
        assert imported(module) <= FOR_MODELS | {"types", "models"}
        return
    assert module in MAY_IMPORT or module.partition(".")[0] in TOP, (
        "a new module: give it its place on the map"
    )
    if module in MAY_IMPORT:
        assert imported(module) <= MAY_IMPORT[module] | {"types"} - {module}


def test_only_models_names_a_library_that_loads_weights_or_calls_a_network() -> None:
    heavy = {
        "torch",
        "sentence_transformers",
        "transformers",
        "openvino",
        "cohere",
        "openai",
        "requests",
        "httpx",
    }
    for module in MODULES:
        if module.partition(".")[0] == "models":
            continue
        tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
        names = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {str(n.module).split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert not names & heavy, module


def test_no_public_function_takes_more_than_five_parameters() -> None:
    for module in MODULES:
        for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (
                not node.name.startswith("_") or node.name == "__init__"
            ):
                names = [a.arg for a in [*node.args.args, *node.args.kwonlyargs] if a.arg != "self"]
                assert len(names) <= 5, f"{module}.{node.name}"
                assert node.args.kwarg is None, f"{module}.{node.name} takes **{node.args.kwarg}"


def test_importing_any_module_loads_no_model_library_and_the_package_is_light() -> None:
    code = (
        "import importlib, sys, ragkit; light = set(sys.modules)\n"
        f"[importlib.import_module('ragkit.' + m) for m in {MODULES} if m != '__main__']\n"
        "print(sorted({'numpy', 'pandas'} & light), sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
