"""The text half of CLIP, frozen, from a folder on this machine.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
ICML 2021. Any CLIP that the library transformers reads will do; nothing is fetched.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer

# Phrases whose embeddings are remembered.
_REMEMBERED = 256
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class ClipText:
    """Phrases to the embeddings of their tokens; each is computed once.

    It is no part of a model's parameters: it is never trained, saved or moved.

    Parameters
    ----------
    tokenizer, encoder
        Of the library transformers.

    Attributes
    ----------
    width
        Channels of an embedding.
    digest
        Tells this encoder from others: vocabulary and weights.
    """

    def __init__(self, tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> None:
        self._tokenizer = tokenizer
        frozen: Any = encoder
        self._encoder = frozen.float().cpu().eval().requires_grad_(False)
        self.width = int(encoder.config.hidden_size)
        self.digest = _digest(tokenizer, encoder)
        self._known = lru_cache(_REMEMBERED)(self._embed)

    def __call__(self, phrase: str) -> Tensor:
        """Return (L, width) float32: the last hidden states of all L tokens.

        Raises
        ------
        ValueError
            If the phrase has more tokens than the encoder takes.
        """
        return self._known(phrase)

    def __deepcopy__(self, memo: dict[int, Any]) -> ClipText:
        """Return itself, since it never changes."""
        return self

    def _embed(self, phrase: str) -> Tensor:
        tokens = self._tokenizer(phrase)["input_ids"]
        most = int(self._encoder.config.max_position_embeddings)
        if len(tokens) > most:
            raise ValueError(
                f"the phrase {phrase[:40]!r}… has {len(tokens)} tokens, CLIP takes "
                f"{most}: say it in fewer words"
            )
        # Kept for later: a training must be able to use what a decode computed.
        with torch.inference_mode(False), torch.no_grad():
            found = self._encoder(input_ids=torch.tensor([tokens]))
        return found.last_hidden_state[0]  # type: ignore[no-any-return]


def read_clip(folder: Path) -> ClipText:
    """Read tokenizer and text encoder of a CLIP from a folder.

    Parameters
    ----------
    folder
        As transformers saves it: ``config.json``, the tokenizer's files, and
        ``model.safetensors`` (or a ``pytorch_model.bin`` of tensors alone), of a whole
        CLIP or of its text half.

    Raises
    ------
    OSError
        If a file is missing or cannot be read.
    ValueError
        If the folder holds something else.
    ModuleNotFoundError
        Without the extra ``text``.
    """
    _check_files(folder)
    try:
        from transformers import CLIPTextModel, CLIPTokenizer
    except ImportError as error:
        raise ModuleNotFoundError(
            'phrases need the library transformers: pip install "napari-segnext[text]"'
        ) from error
    # With this option the library returns a pair, which its types do not know.
    read: Any = partial(CLIPTextModel.from_pretrained, output_loading_info=True)
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        encoder, found = read(folder, local_files_only=True, weights_only=True)
    # Its files may break any line of the library.
    except Exception as error:
        raise ValueError(f"{folder} holds no CLIP that can be read: {error}") from error
    # The library would give what is missing random values.
    missing = [n for n in found["missing_keys"] if not n.endswith("position_ids")]
    if missing:
        raise ValueError(
            f"{folder} holds no CLIP: {len(missing)} tensors of its text encoder are "
            f"missing ({missing[0]}, …)"
        )
    return ClipText(tokenizer, encoder)


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    here = {path.name for path in folder.iterdir()}
    vocabulary = "tokenizer.json" in here or {"vocab.json", "merges.txt"} <= here
    if "config.json" in here and vocabulary and here & set(_WEIGHTS):
        return
    raise FileNotFoundError(
        f"{folder} holds no CLIP: config.json, vocab.json, merges.txt and "
        f"{_WEIGHTS[0]} are needed, as in huggingface.co/openai/clip-vit-base-patch16"
    )


def _digest(tokenizer: CLIPTokenizer, encoder: CLIPTextModel) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr(sorted(tokenizer.get_vocab().items())).encode())
    # Versions of the library name the same tensors differently.
    known = {k.removeprefix("text_model."): t for k, t in encoder.state_dict().items()}
    for name, tensor in sorted(known.items()):
        if not name.endswith("position_ids"):
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.float().contiguous().numpy().tobytes())
    return digest.hexdigest()
