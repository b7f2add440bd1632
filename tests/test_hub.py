"""Weights: a hub that does not answer is not waited for; what cannot be read is told."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from ragkit import models
from ragkit.models import hub
from ragkit.types import Unavailable

ASK = """
import sys, time
from ragkit import models
from ragkit.models import hub
from ragkit.types import Unavailable
hub.SECONDS = 0.2
name = "nobody/such-model"
for ask in (models.encoder(name).queries, models.llm(f"hf:{name}"), models.cross_encoder(name)):
    start = time.perf_counter()
    try:
        ask(["a"])
    except Unavailable as error:
        loaded = {"sentence_transformers", "transformers", "torch"} & sys.modules.keys()
        print(time.perf_counter() - start < 5, loaded, error)
"""


def test_a_hub_that_says_nothing_is_given_up_before_any_library_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        places = {"HF_HOME": str(tmp_path), "RAGKIT_CACHE": str(tmp_path), "NO_PROXY": "127.0.0.1",
                  "HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
        done = subprocess.run([sys.executable, "-c", ASK], env=environment | places, capture_output=True,
                              text=True, check=True)  # fmt: skip
    said = done.stdout.splitlines()
    kinds = ["a sentence-transformers model", "a causal language model", "a cross-encoder"]
    for line, kind in zip(said, kinds, strict=True):
        assert line.startswith(
            f"True set() needs the weights of 'nobody/such-model': no folder with {kind}, "
        )
        assert "timed out" in line


def test_a_folder_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    def broken(local: bool) -> str:
        assert local
        raise OSError("no file named model.safetensors\nand more")

    with pytest.raises(Unavailable) as error:
        hub.load(str(tmp_path), "a model", broken, instead="; take another")
    assert str(error.value).endswith("from the hub (no file named model.safetensors); take another")
    assert hub.load(str(tmp_path), "a model", lambda local: "loaded" if local else "asked") == "loaded"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx2.ConnectError("the line was cut"), r"not to be had from the hub \(the line was cut\); take"),
        (ImportError("requires the package einops"), r"^needs what '.*' is loaded with: .*einops; take"),
    ],
)
def test_a_cut_download_and_a_missing_package_are_told(error: Exception, said: str, tmp_path: Path) -> None:
    def fail(local: bool) -> str:
        raise error

    with pytest.raises(Unavailable, match=said):
        hub.load(str(tmp_path), "a model", fail, instead="; take another")


def test_the_hub_is_asked_once_whoever_needs_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(_: object, name: str, timeout: float) -> None:
        asked.append(name)
        raise OSError("nobody answers")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    for ask in [models.encoder("nobody/asked-once").queries] * 2 + [models.llm("hf:nobody/asked-once")]:
        with pytest.raises(Unavailable, match="nobody answers"):
            ask(["a"])
    assert asked == ["nobody/asked-once"]


def test_an_error_of_the_code_that_loads_is_not_called_missing_weights(tmp_path: Path) -> None:
    def wrong(local: bool) -> str:
        raise TypeError("unexpected keyword")

    with pytest.raises(TypeError, match="unexpected keyword"):
        hub.load(str(tmp_path), "a model", wrong)
