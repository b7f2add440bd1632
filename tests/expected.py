"""The figures of expected.yaml: gates of notebooks, checks on published data, and README rows of these."""

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("expected.yaml")
EXPECTED: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
CHECKS: list[dict[str, Any]] = EXPECTED["checks"]
GATES: dict[str, dict[str, float]] = EXPECTED["larkfield"]  # notebook -> system -> its primary measure
GATE_WITHIN = 0.005
NAMES = {
    "default": "BM25, bm25s (Lucene)",
    "rank-bm25": "BM25, rank-bm25",
    "tuned": "BM25, bm25s (Lucene)",
    "dense documents": "all-MiniLM-L6-v2, whole documents",
    "minmax": "hybrid of the two, weighted sum",
    "dense, maxsim 50": "MaxSim over the first 50 of all-MiniLM-L6-v2",
}


def readme_row(check: dict[str, Any]) -> str:
    """A line of the README's table; with the published figure and its source where there is one."""
    row = f"| {check['collection']} | {NAMES[check['system']]} | {check['measured']:.3f} |"
    if "published" in check:
        row += f" {check['published']:.3f} | {EXPECTED['sources'][check['source']]} |"
    return row
