"""A folder as most people have it: no dev questions, no accepted answers, dates or recordings."""

import json
import shutil
from pathlib import Path

from tests.project import CHECKOUT, ragkit

RUN = ("10_bm25", "11_dense", "12_hybrid", "20_chunking", "30_reranking", "31_diversity")
LACK = ("41_hyde", "62_compression", "72_freshness")
COLOURS = ("red", "blue", "green", "black", "white", "grey")
THINGS = ("lamp", "kettle", "ladder", "carpet", "mirror", "bicycle")


def test_a_notebook_runs_on_a_folder_of_ones_own_or_says_in_a_line_what_it_lacks(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "qrels").mkdir(parents=True)
    for colour in COLOURS:
        for thing in THINGS:
            text = f"# The {colour} {thing}\n\nThe {colour} {thing} is kept where {colour} things are.\n"
            (folder / f"{colour}-{thing}.md").write_text(text)
    asked = dict(zip(COLOURS, THINGS, strict=True))
    rows = [{"_id": c, "text": f"where is the {c} {t} kept?"} for c, t in asked.items()]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    judged = [
        f"{c}\t{c}-{t}.md\t2\n{c}\t{c}-{THINGS[-1 if t != THINGS[-1] else 0]}.md\t0" for c, t in asked.items()
    ]
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]))

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "ragkit").symlink_to(CHECKOUT / "ragkit")
    for name in RUN + LACK:
        shutil.copy(CHECKOUT / "notebooks" / f"{name}.ipynb", tmp_path / "notebooks")
    status, out, err = ragkit(tmp_path, "sweep", "-p", f"collection={folder}")
    assert status == 0, out + err
    assert f"{len(RUN)} runs made, 0 done before, 0 failed, {len(LACK)} not run" in out
    for name in LACK:
        assert any(line.strip().startswith(name) and "|  needs " in line for line in (out + err).splitlines())
