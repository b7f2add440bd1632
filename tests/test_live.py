"""Live models, asked of a server of our own on this machine: answers, prices, and all that goes wrong."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ragkit import data, evaluate, models, recordings
from ragkit.models import Settings, budget, cohere_api, failures, live
from ragkit.models.answers import Kept
from ragkit.types import LLM, RagkitError, Run, Unavailable, Usage, metered
from tests import stub as stubs
from tests.project import interruptible, wait_for
from tests.stub import Stub

KEY = "canary-3f9a1c77"
COHERE = "cohere:command-a-03-2025"  # 2.50 and 10.00 dollars a million tokens
QUICK = {"wait": 0.001, "timeout": 2.0}


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A server, an empty cache, an untouched budget, and a key that is easy to find again."""
    with stubs.serving() as server:
        for name, value in {
            "RAGKIT_CACHE": str(tmp_path / "cache"),
            "CO_API_URL": server.url,
            "CO_API_KEY": KEY,
            "OPENAI_API_KEY": KEY,
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        for name in ("RAGKIT_RUN_DIR", "RAGKIT_BUDGET", "OPENAI_BASE_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(budget, "PROCESS", budget.Ledger())
        yield server


def settings(**changes: float) -> Settings:
    return Settings(**(QUICK | changes))  # type: ignore[arg-type]


def cohere(**changes: float) -> LLM:
    return models.llm(COHERE, settings=settings(**changes))


def openai(stub: Stub, **changes: float) -> LLM:
    return models.llm(f"openai:gpt-4o-mini@{stub.url}/v1", settings=settings(**changes))


def either(name: str, stub: Stub, **changes: float) -> LLM:
    return cohere(**changes) if name == "cohere" else openai(stub, **changes)


# The Cohere client asks pydantic in a way that pydantic means to give up.
pytestmark = pytest.mark.filterwarnings("ignore:The `__fields__` attribute is deprecated")
BOTH = pytest.mark.parametrize("service", ["cohere", "openai"])


# --- the stub itself --------------------------------------------------------------------------------


def test_the_stub_speaks_as_the_types_of_the_clients_say() -> None:
    from cohere import EmbedByTypeResponse, V2ChatResponse, V2RerankResponse
    from openai.types.chat import ChatCompletion

    asked = {"model": "m", "messages": [{"role": "user", "content": "why"}]}
    V2ChatResponse.model_validate(stubs.chat(asked), strict=True)
    ChatCompletion.model_validate(stubs.completions(asked), strict=True)
    V2RerankResponse.model_validate(stubs.rerank({"query": "a b", "documents": ["a", "b"]}), strict=True)
    body = {"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]}
    reply = EmbedByTypeResponse.model_validate(stubs.embed(body), strict=True)
    assert reply.embeddings.float_ == [[1.0, 2.0]]


# --- asking -----------------------------------------------------------------------------------------


@BOTH
def test_answers_come_in_the_order_of_the_prompts_and_their_price_goes_to_the_meter(
    service: str, stub: Stub
) -> None:
    prompts = [f"Say it.\nQuestion: {'x' * n}" for n in range(20)]
    with metered() as used:
        assert either(service, stub)(prompts) == [f"answer to Question: {'x' * n}" for n in range(20)]
    # prompts of 18 + n characters, answers of 20 + n: tokens are what the server bills, a quarter of both
    tokens_in, tokens_out = sum((18 + n) // 4 for n in range(20)), sum((20 + n) // 4 for n in range(20))
    assert (used.calls, used.tokens_in, used.tokens_out, used.modelled) == (20, tokens_in, tokens_out, 0)
    price_in, price_out = (2.50, 10.00) if service == "cohere" else (0.15, 0.60)
    assert used.dollars == pytest.approx((tokens_in * price_in + tokens_out * price_out) / 1e6)
    assert 0 < used.seconds < 20 * 2
    asked = stub.requests[0]["body"]
    assert (asked["temperature"], asked["max_tokens"]) == (0.0, 512)
    assert {r["authorization"] for r in stub.requests} == {f"Bearer {KEY}"}


@BOTH
def test_a_cached_answer_is_not_asked_again_needs_no_key_and_is_reported_at_what_it_cost(
    service: str, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with metered() as first:
        answers = either(service, stub)(["a", "b"])
    spent = budget.PROCESS.spent
    for name in ("CO_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name)
    with metered() as again:
        assert either(service, stub)(["b", "a"]) == answers[::-1]
    assert len(stub.requests) == 2
    assert (first.waited > 0, again.waited) == (True, 0)
    assert vars(again) | {"waited": 0} == pytest.approx(vars(first) | {"waited": 0}, abs=2e-3)  # kept in ms
    assert budget.PROCESS.spent == spent == pytest.approx(first.dollars)


def test_a_prompt_that_comes_twice_is_asked_once_and_counted_twice(stub: Stub) -> None:
    with metered() as used:
        assert cohere()(["a", "b", "a"]) == ["answer to a", "answer to b", "answer to a"]
    assert sorted(stub.prompts) == ["a", "b"]
    assert used.calls == 3


def test_another_temperature_or_length_is_another_answer(stub: Stub) -> None:
    for changes in ({}, {"temperature": 0.5}, {"max_tokens": 9}, {"dollars": 0.5, "at_once": 2, "tries": 3}):
        cohere(**changes)(["a"])
    assert len(stub.requests) == 3


def test_no_prompt_asks_nothing(stub: Stub) -> None:
    assert cohere()([]) == []
    assert stub.requests == []


def test_no_more_requests_are_under_way_than_the_settings_say(stub: Stub) -> None:
    stub.pause = 0.03
    cohere(at_once=3)([str(n) for n in range(12)])
    assert stub.most_at_once == 3


def test_half_a_surrogate_pair_does_not_break_the_cache(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = stubs.chat({"messages": [{"content": "a"}]})
    reply["message"]["content"][0]["text"] = "half \ud83d"
    monkeypatch.setitem(stubs.ANSWERS, "/v2/chat", lambda body: reply)
    assert cohere()(["a"]) == cohere()(["a"]) == ["half ?"]
    assert len(stub.requests) == 1


# --- what goes wrong --------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("how", ["429", "500", "hang", "cut"])
def test_what_may_pass_is_tried_again_by_us_alone(service: str, how: str, stub: Stub) -> None:
    stub.misbehave(how, 3)
    with pytest.raises(RagkitError, match="no answer, tried 1 times"):
        either(service, stub, timeout=1.0, tries=1)(["a"])
    assert len(stub.requests) == 1  # the clients would try again by themselves
    assert either(service, stub, timeout=1.0)(["a"]) == ["answer to a"]
    assert len(stub.requests) == 4


def test_the_server_is_waited_for_as_long_as_it_asks(stub: Stub) -> None:
    stub.misbehave("429 after 0.4")
    begin = time.perf_counter()
    with metered() as used:
        cohere()(["a"])
    assert 0.4 <= time.perf_counter() - begin < 2
    assert used.seconds < 0.3  # of the try that was answered


def test_a_server_that_asks_for_an_hour_is_not_waited_for(stub: Stub) -> None:
    stub.misbehave("429 after 3600")
    with pytest.raises(RagkitError, match=r"status 429.*1 times.*asks to wait 3600 s"):
        cohere()(["a"])


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("1.5", 1.5), ("", None), ("soon", None), ("-3", None)]
)
def test_retry_after_is_read_as_seconds(text: str, seconds: float | None) -> None:
    assert failures.refused(429, {"retry-after": text}, "", ()).after == seconds


def test_retry_after_is_read_as_a_date() -> None:
    from email.utils import formatdate

    after = failures.refused(503, {"Retry-After": formatdate(time.time() + 30, usegmt=True)}, "", ()).after
    assert after == pytest.approx(30, abs=2)
    assert failures.refused(503, {"Retry-After": formatdate(0, usegmt=True)}, "", ()).after == 0  # it is past


def test_waits_double_and_are_never_longer_than_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", waits.append)

    def refuse() -> tuple[str, Usage]:
        raise failures.refused(500, {}, "", ())

    with pytest.raises(RagkitError, match="tried 6 times"):
        live.send(refuse, 0, Settings(tries=6, wait=2, longest_wait=10), stop)
    assert len(waits) == 5
    for wait, full in zip(waits, [2, 4, 8, 10, 10], strict=True):
        assert full / 2 <= wait <= full


@BOTH
def test_after_the_last_try_the_error_says_what_was_tried_how_often(service: str, stub: Stub) -> None:
    either(service, stub)(["kept"])
    stub.misbehave("429", 2)
    stub.misbehave("500")
    with pytest.raises(
        RagkitError, match=r"no answer, tried 3 times in \d+ s \(status 429.*: 2 times"
    ) as error:
        either(service, stub, tries=3)(["a"])
    assert "status 500" in str(error.value)
    assert "\n" not in str(error.value)


@BOTH
@pytest.mark.parametrize("status", ["401", "403"])
def test_a_key_that_is_not_taken_is_said_by_its_variable(service: str, status: str, stub: Stub) -> None:
    stub.misbehave(status, 9)
    variable = {"cohere": "CO_API_KEY", "openai": "OPENAI_API_KEY"}[service]
    with pytest.raises(Unavailable, match=rf"^needs a key .* {variable}: the server says {status}$"):
        either(service, stub, at_once=1)(["a", "b", "c"])
    assert len(stub.requests) == 1


@BOTH
def test_another_refusal_is_told_in_the_servers_words_without_the_key(service: str, stub: Stub) -> None:
    stub.misbehave("400")
    with pytest.raises(RagkitError, match=r"refuses the request with 400 \(400: refused, Bearer <key> asked"):
        either(service, stub)(["a"])
    assert len(stub.requests) == 1


@BOTH
@pytest.mark.parametrize("how", ["no json", "no text", "wrong"])
def test_nonsense_is_one_clear_error(service: str, how: str, stub: Stub) -> None:
    stub.misbehave(how)
    with pytest.raises(RagkitError, match="the reply cannot be used: it ") as error:
        either(service, stub)(["a"])
    assert len(stub.requests) == 1
    assert KEY not in str(error.value)
    assert either(service, stub)(["a"]) == ["answer to a"]  # nothing of it was kept


@BOTH
def test_a_server_that_is_not_there_is_tried_twice_and_named_by_its_address(
    service: str, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stubs.serving() as gone:
        pass
    monkeypatch.setenv("CO_API_URL", gone.url)
    with pytest.raises(
        RagkitError, match=rf"tried 2 times in .*no connection to {gone.url}.*: it is refused.*: 2 times"
    ):
        either(service, gone, tries=7)(["a"])
    assert budget.PROCESS.spent == 0  # nothing was sent


def test_a_network_that_is_not_there_for_a_while_is_tried_as_often_as_anything() -> None:
    failure = failures.unreached(OSError("name not known"), "Cohere")
    assert (str(failure), failure.again, failure.billed) == ("no connection to Cohere: OSError", True, False)
    assert failure.tries > 7
    later = OSError("connection failed")
    later.__cause__ = ConnectionRefusedError()
    assert failures.unreached(later, "Cohere").tries == 2


def test_a_missing_key_is_said_at_the_first_use_and_its_row_is_not_run(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CO_API_KEY")
    monkeypatch.delenv("OPENAI_API_KEY")
    llm = cohere()
    with pytest.raises(Unavailable, match=r"^needs a key of Cohere in the environment variable CO_API_KEY$"):
        llm(["a"])
    with pytest.raises(
        Unavailable, match=r"^needs a key of OpenAI in the environment variable OPENAI_API_KEY$"
    ):
        models.llm("openai:gpt-4o-mini")(["a"])
    test = data.load("larkfield", "test", max_queries=10)

    def none(queries: dict[str, str]) -> Run:
        return {query_id: {} for query_id in queries}

    def asking(queries: dict[str, str]) -> Run:
        llm(list(queries.values()))
        return none(queries)

    compared = evaluate.compare({"none": none, "asking": asking}, test, "none")
    assert compared.not_run == {"asking": "needs a key of Cohere in the environment variable CO_API_KEY"}
    assert stub.requests == []


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel"])
def test_a_key_that_cannot_be_one_is_said_before_it_is_sent(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("CO_API_KEY", key)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    for service, variable in [("cohere", "CO_API_KEY"), ("openai", "OPENAI_API_KEY")]:
        with pytest.raises(
            Unavailable, match=f"^needs a key .*{variable}: what stands there cannot"
        ) as error:
            either(service, stub)(["a"])
        assert key not in everything_said(error.value)
    assert stub.requests == []


def test_a_local_server_needs_no_key(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with metered() as used:
        assert models.llm(f"openai:llama3.2:1b@{stub.url}/v1")(["a"]) == ["answer to a"]
    assert used.dollars == 0
    assert stub.requests[0]["authorization"] == "Bearer none"
    assert stub.requests[0]["body"]["model"] == "llama3.2:1b"


def test_the_address_of_openai_may_stand_in_the_environment(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{stub.url}/v1")
    assert models.llm("openai:gpt-4o-mini")(["a"]) == ["answer to a"]


def test_an_address_that_holds_a_secret_or_is_none_is_refused(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in (f"http://me:{KEY}@127.0.0.1/v1", f"http://127.0.0.1/v1?key={KEY}", f"x://me:{KEY}@host"):
        with pytest.raises(RagkitError, match="keys belong in the environment alone") as error:
            models.llm(f"openai:m@{url}")
        assert KEY not in str(error.value)
    with pytest.raises(RagkitError, match="'ftp://host' is no address: expected http"):
        models.llm("openai:m@ftp://host")
    monkeypatch.setenv("OPENAI_BASE_URL", f"me:{KEY}@127.0.0.1/v1")  # the scheme was forgotten
    with pytest.raises(RagkitError, match="keys belong in the environment alone") as error:
        models.llm("openai:m")
    assert KEY not in str(error.value)
    monkeypatch.setenv("CO_API_URL", "here")
    with pytest.raises(RagkitError, match="CO_API_URL 'here' is no address"):
        cohere()(["a"])


@pytest.mark.parametrize("name", ["gpt", "cohere", "cohere:", "openai:", "hf:", "recorded:", "", "Cohere:x"])
def test_a_name_that_is_not_known_is_answered_with_the_forms_that_are(name: str) -> None:
    with pytest.raises(
        RagkitError, match=f"{name!r} is not known: expected recorded, recorded:<model>, cohere:"
    ):
        models.llm(name)


# --- the budget -------------------------------------------------------------------------------------


@BOTH
def test_the_budget_stops_before_it_is_passed_and_the_same_call_goes_on(service: str, stub: Stub) -> None:
    prompts = [f"question {n}" for n in range(10)]
    price_in, price_out = (2.50, 10.00) if service == "cohere" else (0.15, 0.60)
    # One request, of 10 characters: at worst 10 + 16 tokens in, 50 out; 2 in and 5 out in truth (20 / 4).
    worst, true = (26 * price_in + 50 * price_out) / 1e6, (2 * price_in + 5 * price_out) / 1e6
    limit = worst + 3.5 * true  # the fourth still fits at its worst, the fifth does not
    with pytest.raises(
        RagkitError, match=r"budget.* is used up: \$.*RAGKIT_BUDGET.*; 4 of 10 .*goes on from"
    ):
        either(service, stub, max_tokens=50, at_once=4, dollars=limit)(prompts)
    assert budget.PROCESS.spent == pytest.approx(4 * true)
    assert budget.PROCESS.spent <= limit
    assert either(service, stub, max_tokens=50)(prompts) == [f"answer to {prompt}" for prompt in prompts]
    assert sorted(stub.prompts) == prompts  # each was paid for once


def test_a_cut_connection_may_have_been_billed_and_counts_at_its_worst(stub: Stub) -> None:
    stub.misbehave("cut")
    cohere(max_tokens=50)(["question 1"])
    assert budget.PROCESS.spent == pytest.approx((26 * 2.5 + 50 * 10 + 2 * 2.5 + 5 * 10) / 1e6)


def test_a_refusal_costs_nothing(stub: Stub) -> None:
    stub.misbehave("429", 3)
    cohere(max_tokens=50)(["question 1"])
    assert budget.PROCESS.spent == pytest.approx((2 * 2.5 + 5 * 10) / 1e6)


def test_the_ledger_waits_for_requests_under_way_before_it_refuses() -> None:
    ledger, order = budget.Ledger(), list[str]()
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        with ledger.reserved(0.8, 1.0) as bill:
            inside.set()
            leave.wait(5)
            bill.dollars = 0.1
            order.append("first")

    def second() -> None:
        with ledger.reserved(0.8, 1.0):
            order.append("second")

    threads = [threading.Thread(target=target) for target in (first, second)]
    threads[0].start()
    inside.wait(5)
    threads[1].start()
    time.sleep(0.05)
    assert order == []
    leave.set()
    for thread in threads:
        thread.join(5)
    assert order == ["first", "second"]
    assert ledger.spent == pytest.approx(0.9)
    used_up = r"\$1\.00 is used up: \$0\.9000 were spent.*may cost \$0\.2000"
    with pytest.raises(budget.UsedUp, match=used_up), ledger.reserved(0.2, 1.0):
        pass


def test_what_fails_unforeseen_costs_its_worst() -> None:
    ledger = budget.Ledger()
    with pytest.raises(ZeroDivisionError), ledger.reserved(0.3, 1.0):
        _ = 1 / 0
    assert ledger.spent == 0.3


@pytest.mark.parametrize(("text", "dollars"), [("", 1.0), ("2.50", 2.5), ("0", 0.0), ("none", None)])
def test_the_budget_comes_from_the_environment(
    text: str, dollars: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAGKIT_BUDGET", text)
    assert Settings().dollars == dollars


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_budget_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGKIT_BUDGET", text)
    with pytest.raises(RagkitError, match=f"RAGKIT_BUDGET={text}: expected dollars"):
        Settings()


def test_a_model_without_a_price_runs_only_without_a_budget_and_its_price_is_not_nought(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        RagkitError, match=r"'command-x' has no price in ragkit/prices\.py.*RAGKIT_BUDGET=none"
    ):
        models.llm("cohere:command-x")(["a"])
    monkeypatch.setenv("RAGKIT_BUDGET", "none")
    for _ in range(2):  # asked, and from the cache
        with metered() as used:
            assert models.llm("cohere:command-x")(["a"]) == ["answer to a"]
        assert math.isnan(used.dollars)
    assert len(stub.requests) == 1


# --- the cache of answers ---------------------------------------------------------------------------

ASK = """
import os, sys
from ragkit import models
llm = models.llm(sys.argv[1], settings=models.Settings(at_once=2))
llm([f"warm-up of {os.getpid()}"])  # the client is loaded now
print("ready", flush=True)
sys.stdin.readline()
print(llm([f"question {n}" for n in range(int(sys.argv[2]))])[-1])
"""


def asking(prompts: int) -> subprocess.Popen[str]:
    """A process of its own, about to ask for "question 0" and so on as soon as it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", ASK, COHERE, str(prompts)], text=True, stdin=subprocess.PIPE,
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=interruptible,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_loses_no_more_than_the_answers_under_way(stub: Stub, how: signal.Signals) -> None:
    stub.pause = 0.05
    process = asking(40)
    go(process)
    wait_for(lambda: len(stub.requests) >= 8)
    process.send_signal(how)
    process.communicate(timeout=30)
    interrupted = len(stub.requests)
    assert interrupted < 40
    stub.pause = 0.0
    assert cohere()([f"question {n}" for n in range(40)])[-1] == "answer to question 39"
    assert 41 <= len(stub.requests) <= 41 + 2  # a warm-up, and two at once that were under way


def test_two_processes_do_not_pay_for_the_same_answer(stub: Stub) -> None:
    stub.pause = 0.1
    processes = [asking(10), asking(10)]
    for process in processes:
        go(process)
    assert [process.communicate(timeout=60)[0] for process in processes] == ["answer to question 9\n"] * 2
    assert len(stub.requests) == 10 + 2  # and two warm-ups


def cache_file() -> Path:
    return Path(os.environ["RAGKIT_CACHE"]) / "answers-command-a-03-2025.jsonl"


def test_the_file_holds_a_line_an_answer_and_no_prompt(stub: Stub) -> None:
    cohere()(["A document that belongs to somebody.\nQuestion: why?", f"Text.\n{'y' * 300}"])
    rows = {row["question"]: row for row in map(json.loads, cache_file().read_text().splitlines())}
    row = rows["Question: why?"]
    assert row["key"] == recordings.key_of(
        COHERE,
        {"temperature": 0.0, "max_tokens": 512},
        "A document that belongs to somebody.\nQuestion: why?",
    )
    assert (row["model"], row["parameters"]) == (COHERE, {"temperature": 0.0, "max_tokens": 512})
    assert (row["answer"], row["tokens_in"], row["tokens_out"]) == ("answer to Question: why?", 12, 6)
    assert row["dollars"] == pytest.approx((12 * 2.5 + 6 * 10) / 1e6)
    assert row["seconds"] >= 0
    assert rows.keys() == {"Question: why?", "y" * 200}
    assert "somebody" not in cache_file().read_text()


@pytest.mark.parametrize("cut", [1, 40, 10_000])
def test_a_last_line_that_was_cut_off_is_asked_again_and_mended(stub: Stub, cut: int) -> None:
    cohere()(["a"])
    cohere()(["b"])
    whole = cache_file().read_bytes()
    second = whole.index(b"\n") + 1
    cache_file().write_bytes(whole[: max(second + 1, len(whole) - cut)])
    assert cohere()(["b", "a"]) == ["answer to b", "answer to a"]
    assert len(stub.requests) == 3
    assert cache_file().read_bytes()[:second] == whole[:second]
    assert len(recordings.read_answers(cache_file())) == 2


def test_a_broken_line_elsewhere_is_named(stub: Stub) -> None:
    cohere()(["a"])
    for line in ("{", '{"key": 1}', "[]", '"text"'):
        cache_file().write_text(f"{cache_file().read_text().splitlines()[0]}\n{line}\n")
        with pytest.raises(RagkitError, match=r"answers-command-a-03-2025\.jsonl, line 2: not an answer"):
            cohere()(["a"])


def test_a_cache_that_was_deleted_comes_back(stub: Stub, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "new" / "answers.jsonl")
    kept.refresh()
    assert kept.known == {}
    llm = cohere()
    llm(["a"])
    cache_file().unlink()
    llm(["b"])
    cohere()(["a"])
    assert len(stub.requests) == 3


# --- rerank and embed -------------------------------------------------------------------------------


def test_pairs_are_reranked_with_one_call_a_query_and_priced_by_searches(stub: Stub) -> None:
    score = models.cohere_rerank("rerank-v3.5", settings())
    pairs = [("warm cat", "a cat"), ("cold fish", "a cold fish"), ("warm cat", "a warm cat"),
             ("warm cat", "a dog"), ("cold fish", "a cat"), ("warm cat", "a cat")]  # fmt: skip
    with metered() as used:
        assert score(pairs) == [0.5, 1.0, 1.0, 0.0, 0.0, 0.5]
    bodies = {r["body"]["query"]: r["body"]["documents"] for r in stub.requests}
    assert bodies == {"warm cat": ["a cat", "a warm cat", "a dog"], "cold fish": ["a cold fish", "a cat"]}
    assert (used.calls, used.tokens_in, used.tokens_out) == (2, 0, 0)
    assert used.dollars == pytest.approx(2 * 2.00 / 1000)
    assert used.seconds > 0
    with metered() as again:
        assert models.cohere_rerank("rerank-v3.5")(pairs) == [0.5, 1.0, 1.0, 0.0, 0.0, 0.5]
    assert len(stub.requests) == 2
    assert again.dollars == used.dollars
    assert score([]) == []


def test_more_documents_than_one_call_takes_are_split(stub: Stub) -> None:
    pairs = [("a b", f"a {n}" if n % 2 else f"a b {n}") for n in range(1500)]
    with metered() as used:
        scores = models.cohere_rerank("rerank-v3.5", settings())(pairs)
    assert scores == [0.5 if n % 2 else 1.0 for n in range(1500)]
    assert sorted(len(r["body"]["documents"]) for r in stub.requests) == [500, 1000]
    assert used.dollars == pytest.approx(15 * 2.00 / 1000)  # a search is 100 documents


def test_a_search_that_may_pass_the_budget_is_not_made(stub: Stub) -> None:
    # One short document is one search at worst, 0.002 dollars; 101 of them are two.
    one, many = [("q", "d")], [("q", f"d{n}") for n in range(101)]
    score = models.cohere_rerank("rerank-v3.5", settings(dollars=0.005))
    score(one)
    with pytest.raises(RagkitError, match=r"budget of \$0\.01 is used up: \$0\.0020.*may cost \$0\.0040"):
        score(many)
    long = cohere_api.Rerank("rerank-v3.5", settings())
    assert long.worst(long.prompt(["x" * 984] * 25, "q")) == pytest.approx(
        0.002
    )  # 1,000 bytes at 483 each: 3
    assert long.worst(long.prompt(["x" * 984] * 34, "q")) == pytest.approx(0.004)


def test_scores_that_are_not_those_of_the_documents_are_nonsense(stub: Stub) -> None:
    stub.misbehave("no text")
    with pytest.raises(RagkitError, match="it scores 0 of 1 documents"):
        models.cohere_rerank(settings=settings())([("q", "d")])


def test_cohere_encodes_documents_and_queries_as_such_in_calls_of_96(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = models.encoder("cohere:embed-v4.0")
    texts = ["x" * n for n in range(1, 201)]
    with metered() as used:
        vectors, seconds = encoder.documents(texts)
    assert vectors.shape == (200, 2)
    assert vectors.dtype == np.float32
    # the stub's vector of a text with n characters is (n, 1)
    np.testing.assert_allclose(vectors[2], np.array([3, 1]) / np.sqrt(10), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert seconds > 0
    bodies = [r["body"] for r in stub.requests]
    assert [len(body["texts"]) for body in bodies] == [96, 96, 8]
    assert {body["input_type"] for body in bodies} == {"search_document"}
    assert (used.calls, used.tokens_in) == (3, 600)
    assert used.dollars == pytest.approx(600 * 0.12 / 1e6)
    queries = encoder.queries(["xxx"] * 100)
    np.testing.assert_allclose(queries[99], np.array([3, 2]) / np.sqrt(13), atol=1e-6)
    assert [len(r["body"]["texts"]) for r in stub.requests[3:]] == [96, 4]
    monkeypatch.delenv("CO_API_KEY")
    np.testing.assert_array_equal(models.encoder("cohere:embed-v4.0").documents(texts)[0], vectors)
    assert len(stub.requests) == 5
    assert models.fingerprint("cohere:embed-v4.0") != models.fingerprint("cohere:embed-v3.0")
    with pytest.raises(Unavailable, match="CO_API_KEY"):
        models.encoder("cohere:embed-v4.0").queries(["a"])


def test_an_encoder_of_coheres_fails_as_its_language_models_do(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ragkit.models.encoders.Settings", lambda: settings(tries=2))
    stub.misbehave("500", 2)
    with pytest.raises(RagkitError, match=r"^cohere:embed-v4\.0: no answer, tried 2 times"):
        models.encoder("cohere:embed-v4.0").queries(["a"])
    stub.misbehave("no text")
    with pytest.raises(RagkitError, match="it has 0 vectors for 1 texts"):
        models.encoder("cohere:embed-v4.0").queries(["a"])
    stub.misbehave("401")
    with pytest.raises(Unavailable, match="CO_API_KEY: the server says 401"):
        models.encoder("cohere:embed-v4.0").queries(["a"])
    with pytest.raises(RagkitError, match=r"precision 'bf16'.*f32"):
        models.encoder("cohere:embed-v4.0", "bf16")


# --- here, through transformers ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal language model with random weights, and a tokenizer over words: "w0" to "w63"."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "small"
    words = {"<end>": 0, "<unknown>": 1} | {f"w{n}": n + 2 for n in range(64)}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = Whitespace()
    saved = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="<end>", unk_token="<unknown>"
    )
    saved.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(words), n_positions=64, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def test_a_model_of_transformers_answers_greedily_and_costs_no_dollars(stub: Stub, small_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    llm = models.llm(f"hf:{small_model}", settings=settings(max_tokens=5))
    with metered() as used:
        answers = llm(["w1 w2 w3", "w4"])
    assert used.calls == 2
    assert used.tokens_in == 3 + 1
    assert used.tokens_out == sum(len(answer.split()) for answer in answers)  # none of them met the end
    assert used.dollars == 0
    assert used.seconds > 0
    # the same by hand: five times the most probable next word, of w1 w2 w3 with the ids 3, 4 and 5
    model = AutoModelForCausalLM.from_pretrained(small_model)
    ids = [3, 4, 5]
    for _ in range(5):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    assert 0 not in ids
    assert answers[0].split() == [f"w{i - 2}" for i in ids[3:]]
    with metered() as again:
        assert models.llm(f"hf:{small_model}", settings=settings(max_tokens=5))(["w4"]) == answers[1:]
    assert again.seconds > 0  # from the cache


def test_a_chat_template_is_used_where_the_tokenizer_has_one(
    stub: Stub, small_model: Path, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(small_model, tmp_path / "small"))
    template = "w7 w8 {{ messages[0]['content'] }}{% if add_generation_prompt %} w9{% endif %}"
    (folder / "chat_template.jinja").write_text(template)
    with metered() as used:
        chatting = models.llm(f"hf:{folder}", settings=settings(max_tokens=3))(["w1"])
    assert used.tokens_in == 4
    plain = models.llm(f"hf:{small_model}", settings=settings(max_tokens=3))
    assert plain(["w7 w8 w1 w9"]) == chatting
    # the two folders have one name, and are told apart by their files
    assert (
        len(
            {a.model for a in recordings.read_answers(cache_file().with_name("answers-small.jsonl")).values()}
        )
        == 2
    )


def test_a_model_of_transformers_without_weights_says_what_it_needs(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # with a network too
    with pytest.raises(Unavailable, match=r"^needs the weights of 'nobody/such-model'"):
        models.llm("hf:nobody/such-model")(["a"])


# --- the key ----------------------------------------------------------------------------------------


def everything_said(error: BaseException) -> str:
    """An exception as it is printed, and all that hang on it, printed or not."""
    said, waiting = "".join(traceback.format_exception(error)), [error]
    while waiting:
        one = waiting.pop()
        said += f"{one!r} {one} {one.args}"
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
    return said


def test_the_key_is_in_no_error_no_file_and_no_output(
    stub: Stub, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    caplog.set_level("DEBUG")
    monkeypatch.setenv("RAGKIT_RUN_DIR", str(tmp_path))
    said, failed, patience = "", 0, 10.0
    monkeypatch.setattr("ragkit.models.encoders.Settings", lambda: settings(tries=2, timeout=patience))
    calls: list[Callable[[str], object]] = [
        lambda text: cohere(tries=2, timeout=patience)([text]),
        lambda text: openai(stub, tries=2, timeout=patience)([text]),
        lambda text: models.cohere_rerank(settings=settings(tries=2, timeout=patience))([(text, text)]),
        lambda text: models.encoder("cohere:embed-v4.0").queries([text]),
    ]
    for call in calls:
        for how in ("", "401", "403", "400", "429", "500", "hang", "cut", "no json", "no text", "wrong"):
            stub.misbehave(how, 2 if how in ("429", "500", "hang", "cut") else 1)
            patience = 0.2 if how == "hang" else 10.0  # whoever else is at work on this machine
            try:
                call(f"asked with {how or 'success'}")
            except RagkitError as error:
                said += everything_said(error)
                failed += 1
    assert failed == 4 * 10
    assert all(KEY in r["authorization"] for r in stub.requests)  # it was there to be told
    out, err = capfd.readouterr()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 6
    for text in (said, out, err, caplog.text, *(path.read_bytes().decode("latin-1") for path in files)):
        assert KEY not in text
