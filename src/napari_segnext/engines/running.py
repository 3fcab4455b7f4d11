"""A model that runs on an engine, and on plain PyTorch when the engine cannot."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor

from napari_segnext.geometry.regions import Extent
from napari_segnext.geometry.resample import FloatArray
from napari_segnext.models import Cancelled, Decoded, Embedding, SegmentationModel
from napari_segnext.models.base import Features, State
from napari_segnext.models.prompt_batch import PromptBatch
from napari_segnext.prompts import ModelPrompts

Check: TypeAlias = Callable[[], None]
Result = TypeVar("Result")

# Held while PyTorch traces or compiles in a thread: a program that ended meanwhile
# would be aborted, so its end waits, for a minute at most.
not_at_the_end = threading.Lock()
_THREAD = "engine"
# Characters of an error that are told.
_LONGEST = 120


@atexit.register
def _wait_for_engines() -> None:
    not_at_the_end.acquire(timeout=60)
    # What is made is still handed over.
    for thread in threading.enumerate():
        if thread.name == _THREAD:
            thread.join(timeout=1)


@dataclass(frozen=True, slots=True)
class Functions:
    """A model's two tensor functions, of one image each, as an engine runs them.

    Attributes
    ----------
    description
        The engine in a few words.
    image_features, mask_logits
        As in `SegmentationModel`; None where PyTorch is as good. The first may ask
        its second argument while it computes.
    """

    description: str
    image_features: Callable[[Tensor, Check], Features] | None = None
    mask_logits: Callable[[Features, Tensor], Tensor] | None = None


@dataclass(frozen=True, slots=True)
class EngineState:
    """What to tell about an engine.

    Attributes
    ----------
    description
        What answers now.
    message
        What went wrong just now, or None.
    """

    description: str
    message: str | None = None


class EngineModel(SegmentationModel):
    """A model whose tensor functions an engine runs as soon as it is ready.

    Until then, and after anything that goes wrong, the model itself answers. If its
    GPU fails too, it moves to the CPU. Each failure is told once.

    Parameters
    ----------
    model
        Has its weights, is in evaluation mode and on its device.
    prepare
        Makes the engine's functions; called once, in a thread of its own.
    numerics
        Tells embeddings of this engine from exact ones; empty if they are the same
        but for rounding in single precision.
    """

    def __init__(
        self,
        model: SegmentationModel,
        prepare: Callable[[SegmentationModel], Functions] | None = None,
        numerics: str = "",
    ) -> None:
        super().__init__(model.config)
        self.plain = model
        self.numerics = numerics
        # Those of another arithmetic are the other model's in that one.
        self.embeds_as = model.embeds_as and f"{model.embeds_as} {numerics}".strip()
        self.to(model.device).train(model.training)
        self._functions: Functions | None = None
        self._being_prepared, self._abandoned = prepare is not None, False
        self._listeners: list[Callable[[EngineState], None]] = []
        self._last: EngineState | None = None
        self._telling = threading.Lock()
        self._ready = threading.Event()
        if prepare is None:
            self._ready.set()
            return
        threading.Thread(
            target=self._prepare, args=(prepare,), name=_THREAD, daemon=True
        ).start()

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.plain.device

    @property
    def no_text(self) -> str:
        """Why the model has no use for phrases; empty if it understands them."""
        return self.plain.no_text

    @property
    def description(self) -> str:
        """What answers now, in words."""
        functions = self._functions
        if functions is not None:
            return functions.description
        plain = "PyTorch" + ("" if self.device.type == "cpu" else " on the GPU")
        return f"{plain}; a faster engine is made" if self._being_prepared else plain

    def listen(self, listener: Callable[[EngineState], None]) -> None:
        """Have changes told, in whatever thread they happen; the last one at once."""
        with self._telling:
            self._listeners.append(listener)
            last = self._last
        if last is not None:
            listener(last)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the engine is ready or has failed; tell whether it is so."""
        return self._ready.wait(timeout)

    def state_dict(  # type: ignore[override]
        self, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the tensors under the model's own names, whatever runs them."""
        return self.plain.state_dict(*args, **kwargs)

    def image_features(self, images: Tensor, check: Check = lambda: None) -> Features:
        """Compute the model's features, on the engine if it can."""
        run = None if self._functions is None else self._functions.image_features
        if run is not None:
            try:
                parts = [run(image[None], check) for image in images]
                return {n: torch.cat([p[n] for p in parts]) for n in parts[0]}
            except Cancelled:
                raise
            except Exception as error:  # an engine raises whatever it likes
                self._give_up(error)
        return self.plain.image_features(images, check)

    def prompted_logits(self, features: Features, prompts: PromptBatch) -> Tensor:
        """Fuse features with prompts, on the engine if it can."""
        run = None if self._functions is None else self._functions.mask_logits
        if run is not None and len(prompts.dense) == 1:
            try:
                return run(features, prompts.dense)
            except Exception as error:  # an engine raises whatever it likes
                self._give_up(error)
        return self.plain.prompted_logits(features, prompts)

    def encode_batch(
        self,
        images: Sequence[FloatArray],
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Embedding]:
        """Embed images; on the CPU if the GPU cannot."""
        verb = super().encode_batch
        return self._surely(lambda: verb(images, cancelled))

    def decode(
        self, embedding: Embedding, prompts: ModelPrompts, state: State | None = None
    ) -> Decoded:
        """Turn prompts into mask logits; on the CPU if the GPU cannot."""
        own = type(self.plain).decode is not SegmentationModel.decode
        verb = self.plain.decode if own else super().decode

        def run() -> Decoded:
            here = Embedding(self._here(embedding.tensors))
            return verb(here, prompts, None if state is None else self._here(state))

        return self._surely(run)

    def decode_part(
        self, embedding: Embedding, prompts: ModelPrompts, part: Extent
    ) -> Tensor:
        """Decode a part of a tile; engines know whole tiles alone."""
        return self._surely(
            lambda: self.plain.decode_part(
                Embedding(self._here(embedding.tensors)), prompts, part
            )
        )

    def _here(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Bring what was computed before a move to where the model is now."""
        return {name: tensor.to(self.device) for name, tensor in tensors.items()}

    def _surely(self, run: Callable[[], Result]) -> Result:
        """Run on the model's device, and if that fails on the CPU."""
        try:
            return run()
        except RuntimeError as error:  # out of memory and missing operators, too
            if self.device.type == "cpu":
                raise
            gpu, self._abandoned = self.device.type, True
            self._functions = None
            self.to("cpu")
            self._tell(f"The GPU ({gpu}) failed: {_reason(error)}; the CPU goes on")
        return run()

    def _prepare(self, prepare: Callable[[SegmentationModel], Functions]) -> None:
        message = None
        try:
            functions = prepare(self.plain)
            if not self._abandoned:
                self._functions = functions
        except Exception as error:  # whatever it is, the model itself answers
            message = f"The engine was not made: {_reason(error)}; PyTorch goes on"
        self._being_prepared = False
        try:
            self._tell(message)
        finally:
            self._ready.set()

    def _give_up(self, error: Exception) -> None:
        failed, self._functions = self.description, None
        self._tell(f"{failed} failed: {_reason(error)}; PyTorch goes on")

    def _tell(self, message: str | None) -> None:
        state = EngineState(self.description, message)
        with self._telling:
            self._last, listeners = state, list(self._listeners)
        for listener in listeners:
            listener(state)


def _reason(error: Exception) -> str:
    """Say what an error says, in one short line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= _LONGEST else lines[0][:_LONGEST] + "…"
