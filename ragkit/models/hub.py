"""Weights that are to be loaded: a folder, or a name on the Hugging Face hub, which is asked beforehand."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from ragkit.types import Unavailable

T = TypeVar("T")
SECONDS = 10  # that the hub has to say whether it has a model; its own client tries for a minute


def load(name: str, kind: str, make: Callable[[bool], T], home: str = "", instead: str = "") -> T:
    """What `make` loads from a folder, or from the hub; where that fails, from what was downloaded before.

    make(local) imports its library by itself, which takes ten seconds: by then it is known whether there
    is anything to load. `local`: from this machine's files alone. `home`: the organisation on the hub
    that a name without one belongs to. Raises Unavailable, in which `kind` says what was expected, and
    `instead` what else there is; also where a package is missing that the model is loaded with.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    folder, names = Path(name).is_dir(), [name] if "/" in name or not home else [name, f"{home}/{name}"]
    reason = "" if folder else _refusal(tuple(names))
    if not reason or _downloaded(names):
        from httpx2 import HTTPError  # of the hub's client
        from safetensors import SafetensorError
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            return make(folder or bool(reason))
        except ImportError as error:
            raise Unavailable(f"needs what {name!r} is loaded with: {_line(error)}{instead}") from None
        except (HTTPError, OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = _line(error)
    raise Unavailable(
        f"needs the weights of {name!r}: no folder with {kind}, and not to be had from the hub "
        f"({reason}){instead}"
    )


@cache
def _refusal(names: tuple[str, ...]) -> str:
    """Why the hub offers no model under any of these names; empty where it does. It is asked once."""
    import huggingface_hub

    reason = ""
    for name in names:
        try:
            huggingface_hub.HfApi().model_info(name, timeout=SECONDS)
            return ""
        except Exception as error:  # of the hub's HTTP library, whichever it is: the row shows it
            reason = _line(error)
    return reason


def _downloaded(names: Sequence[str]) -> bool:
    import huggingface_hub

    files = [(name, file) for name in names for file in ("config.json", "modules.json")]
    return any(isinstance(huggingface_hub.try_to_load_from_cache(*of), str) for of in files)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0] or type(error).__name__
