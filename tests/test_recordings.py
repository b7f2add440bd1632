import json
from pathlib import Path

import pytest

from ragkit import data, evaluate, models, prices, recordings, rewrite
from ragkit.models import replay
from ragkit.types import RagkitError, Run, metered

TEMPLATES = {"context": "C.", "hyde": "{context} H {query}", "multi_query": "{context} {n} {query}"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, [{"query_id": "q1", "hyde": "a passage", "multi_query": ["a", "b", "c", "d"]}])
    (tmp_path / "prompts.json").write_text(json.dumps(TEMPLATES))
    (tmp_path / "queries.jsonl").write_text('{"_id": "q1", "text": "why"}\n')
    return tmp_path


def write(folder: Path, rows: list[dict[str, object]]) -> None:
    (folder / "recordings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_recordings_are_found_by_the_full_prompt(folder: Path) -> None:
    assert recordings.read(folder) == {
        "C. H why": recordings.Recording("q1", "hyde", "a passage"),
        "C. 4 why": recordings.Recording("q1", "multi_query", "a\nb\nc\nd"),
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"query_id": "q9", "hyde": "x"}, r"recordings\.jsonl, line 1: query 'q9' is not known"),
        ({"query_id": "q1", "hide": "x"}, r"recordings\.jsonl, line 1: task hide is not known"),
    ],
)
def test_a_recording_of_nothing_known_is_refused(folder: Path, row: dict[str, object], message: str) -> None:
    write(folder, [row])
    with pytest.raises(RagkitError, match=message):
        recordings.read(folder)


def test_a_collection_without_recordings_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        RagkitError, match=r"no recorded answers.*expected recordings\.jsonl; larkfield has them"
    ):
        models.llm("recorded", str(tmp_path))


def test_every_recorded_task_of_larkfield_replays() -> None:
    test = data.load("larkfield", "test")
    llm = models.llm("recorded", "larkfield")
    with metered() as used:
        passages = rewrite.hyde(test.queries, llm, test.context)
    assert used.calls == used.modelled == len(test.queries) == len(passages)
    wordings = rewrite.multi_query(test.queries, llm, test.context, n=4)
    assert len({wording["hr-q01"] for wording in wordings}) == 4
    assert all(rewrite.step_back(test.queries, llm, test.context).values())
    assert all(rewrite.decompose(test.queries, llm, test.context).values())
    variants = data.variants(test)
    assert len(rewrite.hyde(variants.queries, llm, test.context)) == len(variants.queries)


def test_a_prompt_that_nobody_recorded_is_named(folder: Path) -> None:
    llm = models.llm("recorded", str(folder))
    with pytest.raises(RagkitError, match=r"no recorded answer in .* ends 'C\. H how'"):
        llm(["C. H why", "C. H how"])
    with pytest.raises(RagkitError, match="'gpt' is not known"):
        models.llm("gpt")


def test_a_replayed_answer_is_priced_as_if_it_were_made_now(folder: Path) -> None:
    price = prices.PRICES[replay.RECORDED_AS]
    with metered() as used:
        assert models.llm("recorded", str(folder))(["C. H why"]) == ["a passage"]
    assert (used.calls, used.tokens_in, used.tokens_out, used.modelled) == (1, 2, 2, 1)  # 8 and 9 characters
    assert used.dollars == pytest.approx((2 * 0.15 + 2 * 0.60) / 1e6)
    assert used.seconds == pytest.approx(0.52 + 2 / 66.43)
    assert price.dollars(1e6, 0) == 0.15


def test_modelled_seconds_enter_the_latency_and_are_marked(folder: Path) -> None:
    collection = data.load("larkfield", "dev", max_queries=3)
    llm = models.llm("recorded", "larkfield")

    def system(queries: dict[str, str]) -> Run:
        return {query_id: {} for query_id in rewrite.hyde(queries, llm, collection.context)}

    (row,) = evaluate.costs({"hyde": system}, collection, {}).to_dict("records")
    assert row["modelled"]
    assert row["calls"] == 1
    assert row["seconds_median"] > prices.PRICES[replay.RECORDED_AS].first_token
