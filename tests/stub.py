"""A server on this machine that speaks Cohere's v2 API and OpenAI's chat API, and misbehaves when told to."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANG = 5.0  # seconds that a hanging answer takes at most, whatever the test does


class Stub:
    """The server's state: what it was asked, and how it will misbehave."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []  # path, body and authorization of each
        self.most_at_once = 0
        self.pause = 0.0  # seconds before each answer
        self.url = ""
        self.closing = threading.Event()
        self._misbehaviour: list[str] = []
        self._at_once = 0
        self._lock = threading.Lock()

    def misbehave(self, how: str, times: int = 1) -> None:
        """The next requests get "401", "429" (Retry-After: 0), "429 after 0.3", "500", "400", "hang", "cut",
        "no json", "no text" or "wrong"."""
        self._misbehaviour += [how] * times

    @property
    def prompts(self) -> list[str]:
        """The prompts of the chat requests, in the order in which they came."""
        return [r["body"]["messages"][0]["content"] for r in self.requests if "messages" in r["body"]]

    @contextmanager
    def serving(self, path: str, body: dict[str, Any], authorization: str) -> Iterator[str]:
        """Counts a request; yields how to misbehave."""
        with self._lock:
            self.requests.append({"path": path, "body": body, "authorization": authorization})
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            how = self._misbehaviour.pop(0) if self._misbehaviour else ""
        try:
            time.sleep(self.pause)
            yield how
        finally:
            with self._lock:
                self._at_once -= 1


def chat(body: dict[str, Any]) -> dict[str, Any]:
    """Cohere's v2/chat: repeats the last line; 4 characters are a token, 7 more of the prompt go unbilled."""
    prompt = body["messages"][0]["content"]
    text = f"answer to {prompt.splitlines()[-1]}"
    billed = {"input_tokens": len(prompt) // 4, "output_tokens": len(text) // 4}
    tokens = {"input_tokens": len(prompt) // 4 + 7, "output_tokens": len(text) // 4}
    return {
        "id": "chat-1",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": text}]},
        "usage": {"billed_units": billed, "tokens": tokens},
    }


def completions(body: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's chat/completions, with the same text."""
    reply = chat(body)
    used = reply["usage"]["billed_units"]
    message = {"role": "assistant", "content": reply["message"]["content"][0]["text"], "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {
            "prompt_tokens": used["input_tokens"],
            "completion_tokens": used["output_tokens"],
            "total_tokens": sum(used.values()),
        },
    }


def rerank(body: dict[str, Any]) -> dict[str, Any]:
    """Cohere's v2/rerank: the share of the query's words that a document has; best first, as the API does."""
    words = set(body["query"].lower().split())
    scores = [len(words & set(document.lower().split())) / len(words) for document in body["documents"]]
    order, searches = sorted(range(len(scores)), key=lambda i: -scores[i]), math.ceil(len(scores) / 100)
    return {
        "id": "rerank-1",
        "results": [{"index": i, "relevance_score": scores[i]} for i in order],
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": {"search_units": searches},
        },
    }


def embed(body: dict[str, Any]) -> dict[str, Any]:
    """Cohere's v2/embed: (characters, 1 for a document or 2 for a query), not scaled."""
    kind = {"search_document": 1.0, "search_query": 2.0}[body["input_type"]]
    vectors = [[float(len(text)), kind] for text in body["texts"]]
    return {
        "response_type": "embeddings_by_type",
        "id": "embed-1",
        "embeddings": dict.fromkeys(body["embedding_types"], vectors),
        "texts": body["texts"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 3 * len(body["texts"])}},
    }


ANSWERS = {
    "/v2/chat": chat,
    "/v2/rerank": rerank,
    "/v2/embed": embed,
    "/v1/chat/completions": completions,
}
NO_TEXT = {  # valid by the types, and of no use
    "/v2/chat": {"id": "1", "finish_reason": "MAX_TOKENS", "message": {"role": "assistant", "content": None}},
    "/v2/rerank": {"id": "1", "results": []},
    "/v2/embed": {"id": "1", "embeddings": {"float": []}},
    "/v1/chat/completions": {
        "id": "1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": None}}
        ],
    },
}  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: tests read stderr."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        authorization = self.headers.get("Authorization", "")
        with self.stub.serving(self.path, body, authorization) as how:
            if how == "hang":
                self.stub.closing.wait(HANG)
            if how in ("hang", "cut"):
                self.close_connection = True
                return
            self._reply(how, body, authorization)

    def _reply(self, how: str, body: dict[str, Any], authorization: str) -> None:
        status, headers, reply = 200, {}, json.dumps(ANSWERS[self.path](body))
        if how.startswith("429"):
            headers = {"Retry-After": how.partition("429 after ")[2] or "0"}
        if how[:3].isdecimal():  # servers repeat what they were sent: an error must not hand it on
            said = f"{how}: refused, {authorization} asked for {body['model']}"
            status, reply = int(how[:3]), json.dumps({"message": said, "error": {"message": said}})
        if how == "no json":
            reply = f"<html>{authorization}</html>"
        if how == "no text":
            reply = json.dumps(NO_TEXT[self.path])
        if how == "wrong":
            reply = json.dumps([authorization])
        sent = reply.encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)


@contextmanager
def serving() -> Iterator[Stub]:
    """A stub that listens on a free port of this machine, until the block ends."""
    stub = Stub()
    handler = type("Handler", (_Handler,), {"stub": stub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
