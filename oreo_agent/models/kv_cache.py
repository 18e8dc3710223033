"""Keys and values of many rows of unequal length, and attention that takes them where they lie.

A token's keys and values lie in the slot of its position, whatever the other rows do. On a CPU the
tokens of a call are packed: one batch row holds them all, and each row of the cache is attended on
its own, so that nothing is padded and no keys are copied (copying them costs more than attending).
Elsewhere, and for models without ``sdpa``, a call is padded and its rows are gathered.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward

_SLACK = 64
"""Slots and rows of room beyond what is needed when the cache grows."""

_PACKED = "oreo_agent_packed"
"""The name of `_attend` among the library's implementations of attention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the tokens of one call belong."""

    seats: Tensor
    """Each row's place in the cache, ``(rows,)``."""
    positions: Tensor
    """``(rows, width)``."""
    real: Tensor
    """Which of them are tokens; the others are padding, ``(rows, width)``."""
    starts: list[int]
    """How many tokens of each row were read before."""
    widths: list[int]
    """How many are new."""
    packed: bool
    """Whether the call is one batch row of all tokens, row after row."""

    @classmethod
    def of(
        cls, seats: list[int], starts: list[int], widths: list[int], *, packed: bool, device: Any
    ) -> Place:
        """Return the place of so many new tokens of each row."""
        steps = torch.arange(max(widths), device=device)
        return cls(
            seats=torch.tensor(seats, device=device),
            positions=torch.tensor(starts, device=device)[:, None] + steps,
            real=steps < torch.tensor(widths, device=device)[:, None],
            starts=starts,
            widths=widths,
            packed=packed,
        )

    @property
    def slots(self) -> int:
        """How many keys the longest row has."""
        return max(start + width for start, width in zip(self.starts, self.widths, strict=True))

    def mask(self, dtype: torch.dtype, *, window: int | None = None) -> Tensor:
        """Return what is added to the scores of a padded call, ``(rows, 1, width, slots)``.

        A key is seen from its own position on, for as many positions as a window has; padding sees
        what its row's tokens see.
        """
        keys = torch.arange(self.slots, device=self.positions.device)
        unseen = keys > self.positions[..., None]
        if window is not None:
            unseen |= keys <= self.positions[..., None] - window
        mask = torch.zeros(unseen.shape, dtype=dtype, device=unseen.device)
        return mask.masked_fill_(unseen, torch.finfo(dtype).min)[:, None]


class RowCache(Cache):
    """The layers of one cache, made as the model asks for them."""

    def __init__(self) -> None:
        # The library asks for a class and only ever calls it.
        make: Any = functools.partial(_RowLayer, self)
        super().__init__(layer_class_to_replicate=make)
        self.place: Place | None = None
        """Of the present call."""

    def copy(self, origin: Tensor, target: Tensor, length: int) -> None:
        """Copy the first ``length`` slots of rows ``origin`` to rows ``target``, ``(n,)`` each."""
        for layer in self.layers:
            assert isinstance(layer, _RowLayer)
            layer.copy(origin, target, length)


class _RowLayer(DynamicLayer):
    """Keys and values of one layer, ``(rows, slots, heads, size)``."""

    _layer_type = None  # else the library would take this class for its own caches

    def __init__(self, cache: RowCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._cache = cache

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Put the call's states in their slots; return those of its rows, packed ones of all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys = key_states[:0, :, :0].transpose(1, 2)
            self.values = value_states[:0, :, :0].transpose(1, 2)
        assert self.keys is not None
        assert self.values is not None
        assert self._cache.place is not None
        self.keys = _put(self.keys, key_states, self._cache.place)
        self.values = _put(self.values, value_states, self._cache.place)
        return _seen(self.keys, self._cache.place), _seen(self.values, self._cache.place)

    def get_seq_length(self, *args: Any, **kwargs: Any) -> int:
        """Return 0: positions and mask are given explicitly."""
        return 0

    def copy(self, origin: Tensor, target: Tensor, length: int) -> None:
        """Copy the first slots of rows to other rows; see `RowCache.copy`."""
        if self.is_initialized:
            assert self.keys is not None
            assert self.values is not None
            self.keys = _copied(self.keys, origin, target, length)
            self.values = _copied(self.values, origin, target, length)


def can_pack(model: PreTrainedModel) -> bool:
    """Return whether calls of a model can be packed."""
    # Each row is attended by a separate call, which a GPU would not be busy with.
    return model.device.type == "cpu" and model.config._attn_implementation == "sdpa"


@contextmanager
def packed_attention(model: PreTrainedModel, place: Place) -> Iterator[None]:
    """Let a model attend each row of a cache on its own."""
    config: Any = model.config
    usual, token = config._attn_implementation, _PLACE.set(place)
    config._attn_implementation = _PACKED
    try:
        yield
    finally:
        config._attn_implementation = usual
        _PLACE.reset(token)


_PLACE: ContextVar[Place] = ContextVar("place")


def _attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend packed queries ``(1, heads, tokens, size)``, each row to its own keys and values.

    Keys and values are those of the whole cache, ``(rows, heads, slots, size)``.
    """
    place = _PLACE.get()
    window: int | None = kwargs.pop("sliding_window", None)
    parts = []
    for queries, seat, start in zip(
        query.split(place.widths, dim=2), place.seats.tolist(), place.starts, strict=True
    ):
        width = queries.shape[2]
        end = start + width
        first = 0 if window is None else max(0, start + 1 - window)  # that any query sees
        cut = window is not None and end > window
        mask = None
        if width > 1 and (start or cut):
            mask = query.new_full((1, 1, width, end - first), torch.finfo(query.dtype).min)
            mask = mask.triu_(start - first + 1)
            if window is not None and cut:
                steps = torch.arange(width)[:, None] + start - torch.arange(first, end)
                mask = mask.masked_fill_(steps >= window, torch.finfo(query.dtype).min)
        kwargs["is_causal"] = width > 1 and mask is None
        keys, values = key[seat : seat + 1, :, first:end], value[seat : seat + 1, :, first:end]
        part, _ = sdpa_attention_forward(module, queries, keys, values, mask, **kwargs)
        parts.append(part)
    return torch.cat(parts, dim=1), None


# The library's annotation leaves out what it passes by keyword.
AttentionInterface.register(_PACKED, _attend)


def _put(kept: Tensor, states: Tensor, place: Place) -> Tensor:
    rows, slots = int(place.seats.max()) + 1, place.slots
    if rows > kept.shape[0] or slots > kept.shape[1]:
        kept = _enlarged(kept, rows, slots)
    row, step = place.real.nonzero(as_tuple=True)
    states = states.transpose(1, 2)
    fresh = states[0] if place.packed else states[row, step]  # (tokens, heads, size)
    kept[place.seats[row], place.positions[row, step]] = fresh
    return kept


def _seen(kept: Tensor, place: Place) -> Tensor:
    if not place.packed:
        kept = kept[:, : place.slots].index_select(0, place.seats)
    return kept.transpose(1, 2)


def _copied(kept: Tensor, origin: Tensor, target: Tensor, length: int) -> Tensor:
    rows = int(target.max()) + 1
    if rows > kept.shape[0]:
        kept = _enlarged(kept, rows, kept.shape[1])
    kept[target, :length] = kept[origin, :length]
    return kept


def _enlarged(kept: Tensor, rows: int, slots: int) -> Tensor:
    """Return a copy with room to spare."""
    old_rows, old_slots, heads, size = kept.shape
    rows = old_rows if rows <= old_rows else rows + rows // 2
    slots = old_slots if slots <= old_slots else slots + slots // 2 + _SLACK
    room = kept.new_zeros(rows, slots, heads, size)
    room[:old_rows, :old_slots] = kept
    return room
