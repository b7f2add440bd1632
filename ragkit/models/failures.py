"""What can go wrong with a request, in words that never hold a key."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ragkit.types import RagkitError, Unavailable

DETAIL = 200  # characters of what a server says about an error
NOT_TAKEN = (401, 403, 498)  # statuses that speak of the key; 498 is Cohere's: token expired or not valid
REFUSALS = 2  # tries of a server that refuses the connection
LATER = (408, 409, 429)  # and 500 and above: another try may do better


class Failure(Exception):
    """A try that gave no answer.

    error: what is raised when it was the last one; again: whether another try may do better; after:
    seconds that the server asks to wait; billed: whether it may have been paid for nevertheless; tries:
    after so many it is given up, whatever the settings say.
    """

    def __init__(
        self, error: RagkitError, again: bool = False, after: float | None = None, billed: bool = False,
        tries: float = math.inf,
    ) -> None:  # fmt: skip
        super().__init__(str(error))
        self.error, self.again, self.after, self.billed = error, again, after, billed
        self.tries = tries


def key(variables: Sequence[str], whose: str) -> str:
    """The key in the first of these environment variables that is set. Raises Unavailable without one."""
    for variable in variables:
        if value := os.environ.get(variable, "").strip():
            if not (
                value.isascii() and value.isprintable()
            ):  # no header can carry it, and errors would quote it
                raise Unavailable(f"needs a key of {whose} in {variable}: what stands there cannot be one")
            return value
    raise Unavailable(f"needs a key of {whose} in the environment variable {variables[0]}")


def address(url: str, where: str) -> str:
    """A server's address, as given in `where`. Raises RagkitError for one that is none, or holds a secret."""
    parts = urlsplit(url)
    if "@" in url or parts.query:  # whatever stands before it, with a scheme or without
        raise RagkitError(
            f"{where} has a name, a password or a query in it: keys belong in the environment alone"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RagkitError(f"{where} {url!r} is no address: expected http://<host>:<port>/v1 or https://...")
    return url.rstrip("/")


def on_this_machine(url: str | None) -> bool:
    """Whether a server's address is this machine's own, where nobody sends a bill."""
    host = urlsplit(url or "").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def refused(status: int, headers: Mapping[str, str], said: object, variables: Sequence[str]) -> Failure:
    """A status that is no success. `said`: the server's words, of which a person is told unless they are
    about the key, in which some servers repeat it; `variables`: where the key may stand."""
    if status in NOT_TAKEN:
        return Failure(
            Unavailable(
                f"needs a key that is valid for this model in the environment variable {variables[0]}: the "
                f"server says {status}"
            )
        )
    if status in LATER or status >= 500:
        again = RagkitError(f"status {status}{_words(said, variables)}")
        return Failure(again, again=True, after=_retry_after(headers))
    return Failure(RagkitError(f"the server refuses the request with {status}{_words(said, variables)}"))


def cut(error: Exception) -> Failure:
    """A timeout, or a connection that broke. What was sent may have been answered and paid for."""
    return Failure(RagkitError(type(error).__name__), again=True, billed=True)


def unreached(error: Exception, where: str) -> Failure:
    """No connection to the server at this address. A server that is not running will not do better soon."""
    reason: BaseException | None = error
    while reason is not None and not isinstance(reason, ConnectionRefusedError):
        reason = reason.__cause__ or reason.__context__
    said = "it is refused, as if no server ran there" if reason is not None else type(error).__name__
    tries = REFUSALS if reason is not None else math.inf
    return Failure(RagkitError(f"no connection to {where}: {said}"), again=True, tries=tries)


def nonsense(what: str) -> Failure:
    """A reply that cannot be read."""
    return Failure(RagkitError(f"the reply cannot be used: {what}"), billed=True)


def _words(said: object, variables: Sequence[str]) -> str:
    """What the server says, on one line, short, without the key."""
    if isinstance(said, Mapping):
        said = said.get("message") or said.get("error") or said
        said = said.get("message", said) if isinstance(said, Mapping) else said
    text = " ".join(str(said or "").split())
    for value in (os.environ.get(variable, "").strip() for variable in variables):
        text = text.replace(value, "<key>") if value else text
    return f" ({text[:DETAIL]})" if text else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a header that gives them or a date (RFC 9110, section 10.2.3)."""
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    try:
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else (
            parsedate_to_datetime(text).timestamp() - time.time()
        )  # fmt: skip
    except ValueError:
        return None
    return max(0.0, seconds)
