"""A language model that runs here, through transformers: a folder with weights, or a name on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ragkit.models import encoders, hub
from ragkit.models.live import Settings
from ragkit.types import Usage


class Causal:
    """A causal language model, greedy, a prompt at a time, as a `live.Service`. It costs seconds alone.

    The prompt goes through the tokenizer's chat template where it has one.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self.settings = name, settings
        self.parameters: Mapping[str, Any] = {"do_sample": False, "max_tokens": settings.max_tokens}

    @cached_property
    def model(self) -> str:
        """A folder is known by its files, wherever it stands."""
        path = Path(self.name).expanduser()
        if not path.is_dir():
            return f"hf:{self.name}"
        return f"hf:{path.resolve().name}@{encoders.fingerprint(str(path))[:16]}"

    def prepare(self) -> None:
        """Raises Unavailable without the weights."""
        _ = self._loaded

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        path = str(Path(self.name).expanduser())

        def load(local: bool) -> tuple[Any, Any]:
            from transformers import AutoModelForCausalLM, AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=local)
            model = AutoModelForCausalLM.from_pretrained(path, dtype="auto", local_files_only=local)
            return tokenizer, model.eval()  # type: ignore[no-untyped-call]

        return hub.load(path, "a causal language model", load)

    def worst(self, prompt: str) -> float:
        return 0.0

    def ask(self, prompt: str) -> tuple[str, Usage]:
        import torch

        tokenizer, model = self._loaded
        if tokenizer.chat_template:
            message = [{"role": "user", "content": prompt}]
            inputs = tokenizer.apply_chat_template(
                message, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        else:
            inputs = tokenizer(prompt, return_tensors="pt")
        given = inputs["input_ids"].shape[1]
        padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        with torch.inference_mode():
            whole = model.generate(
                **inputs, do_sample=False, max_new_tokens=self.settings.max_tokens, pad_token_id=padding
            )
        new = whole[0, given:]  # the prompt stands in front
        return tokenizer.decode(new, skip_special_tokens=True), Usage(1, given, len(new))
