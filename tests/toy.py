"""Small things that several tests look at: documents, questions, an encoder that counts letters, models."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CORPUS = {
    "cat": "The cat sleeps on the warm mat",
    "cat-copy": "The cat sleeps on the warm mat",
    "dog": "A dog barks at the postman",
    "bird": "Birds sing in the morning",
    "fish": "Fish swim in cold water",
    "empty": "",
}
QUERIES = {"q-cat": "where does the cat sleep", "q-dog": "barking dogs", "q-none": "zymurgy"}
SMALL_BERT = {  # two layers, quick to make with random weights; for transformers' BertConfig
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


class BagOfLetters:
    """Texts to unit vectors of how often each letter occurs: (texts, 26) float32."""

    def documents(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], float]:
        return self.queries(texts), 0.0

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = np.array(
            [[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32
        )
        norms = np.linalg.norm(counts, axis=1, keepdims=True)
        return np.asarray(counts / np.maximum(norms, 1), np.float32)


class Saying:
    """A language model that answers its n-th prompt with the n-th text, and keeps the prompts."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.prompts = answers, list[str]()

    def __call__(self, prompts: list[str]) -> list[str]:
        self.prompts += prompts
        return list(self.answers)
