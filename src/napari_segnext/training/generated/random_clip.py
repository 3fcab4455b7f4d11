"""A small CLIP text encoder of random weights, to try out what reads phrases."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from string import ascii_lowercase, digits

import torch

_ENDS = ("<|startoftext|>", "<|endoftext|>")
_WIDTH = 64


def write_random_clip(folder: Path, words: Iterable[str], seed: int = 0) -> Path:
    """Write tokenizer and text encoder as the library transformers saves them.

    Parameters
    ----------
    folder
        Made if there is none.
    words
        What becomes one token each, if another word does not get in the way; all
        else is spelled.

    Returns
    -------
    The folder
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    folder.mkdir(parents=True, exist_ok=True)
    letters = [*ascii_lowercase, *digits, "-", ","]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = []
    for word in sorted(words, key=lambda word: (-len(word), word)):
        parts = [*word[:-1], f"{word[-1]}</w>"]
        for n in range(1, len(parts)):
            pair = ("".join(parts[:n]), parts[n])
            if pair not in merges:
                merges.append(pair)
                vocabulary.append("".join(pair))
    vocabulary += _ENDS
    number = {token: n for n, token in enumerate(vocabulary)}
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "vocab.json").write_text(json.dumps(number), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        bos_token_id=number[_ENDS[0]],
        eos_token_id=number[_ENDS[1]],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        CLIPTextModel(config).save_pretrained(folder)
    return folder
