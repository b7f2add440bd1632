"""Our figures on published collections against the published ones (`make check-published` runs them first).

Not named test_*.py: pytest collects it only by name, for the runs take minutes.
"""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ragkit import plan
from tests.expected import CHECKS, EXPECTED

CHECKED = os.environ.get("CHECKED", "scifact,nfcorpus").split(",")
DATASETS = Path(os.environ.get("PUBLISHED_DATASETS", "../shared/datasets"))


@pytest.mark.parametrize(
    "check",
    [c for c in CHECKS if c["collection"] in CHECKED],
    ids=lambda c: f"{c['collection']}: {c['system']}",
)
def test_published(check: dict[str, Any]) -> None:
    given = {"collection": str(DATASETS / check["collection"]), "split": "test"}
    given |= EXPECTED["parameters"].get(check["notebook"], {})
    (run,) = plan.plan([check["notebook"]], given)
    assert run.done, "make check-published makes the runs first"
    results = pd.read_parquet(run.folder / "results.parquet").query("measure == 'nDCG@10' and type == 'all'")
    value = float(results.set_index("system").loc[check["system"], "value"])
    print(f"\n{check['collection']:10} {check['system']:16} measured {value:.4f}", end=" ")
    if "published" in check:
        off = abs(value - check["published"])
        print(f"published {check['published']:.4f}, {'OK' if off <= check['within'] else 'FAIL'}", end=" ")
        assert off <= check["within"], f"{value:.4f} against {check['published']} within {check['within']}"
    if "at_least" in check:
        print(
            f"wanted at least {check['at_least']:.3f}, {'OK' if value >= check['at_least'] else 'FAIL'}",
            end=" ",
        )
        assert value >= check["at_least"]
    assert value == pytest.approx(check["measured"], abs=0.002), "another figure than the README's"
