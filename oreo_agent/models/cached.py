"""A transformer that reads each token of many growing sequences once.

Rows are named sequences of unequal length. Each call brings the whole sequence of some rows; what
a row has read before, up to the longest common prefix, is not read again: this covers undo and
take-over. A row can be forked, so that several continuations share what was read before them. A
token's keys and values lie in the slot of its position, whatever the other rows do, so that rows of
unequal length leave no holes and only the rows of a call are computed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

__all__ = ["CachedTransformer"]

_SLACK = 64
"""Slots and rows of room beyond what is needed when the cache grows."""

_BRANCHES = 256
"""Branches that are read at once: each takes the memory of its whole row."""


class CachedTransformer:
    """Reads sequences through a base transformer (hidden states out) with a cache across calls.

    Args:
        base: A transformers decoder without output head. One with layers that cannot be cut
            (sliding window, linear attention) reads every sequence from the start at each call.
    """

    def __init__(self, base: PreTrainedModel) -> None:
        self.base = base
        kinds = set(getattr(base.config, "layer_types", None) or ["full_attention"])
        window = getattr(base.config, "sliding_window", None)
        self._keeps_cache = kinds == {"full_attention"} and not window
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._read: dict[str, list[int]] = {}
        self._place = _Place()
        self._cache = _RowCache(self._place)
        self.tokens_read = 0
        """Tokens that went through the network, padding not counted."""

    def forget(self, row: str) -> None:
        """Drop a row."""
        if row in self._rows:
            self._free.append(self._rows.pop(row))
            del self._read[row]

    def keep_only(self, rows: Sequence[str]) -> None:
        """Drop every row that is not named."""
        wanted = set(rows)
        for name in [name for name in self._rows if name not in wanted]:
            self.forget(name)

    @torch.inference_mode()
    def fork(self, sources: Mapping[str, str]) -> None:
        """Let rows have read what other rows have read.

        Args:
            sources: Row name, new or old, to the name of the row that it becomes a copy of. A
                source that has read nothing is passed over.
        """
        found = {row: source for row, source in sources.items() if source in self._rows}
        if not found:
            return
        copied = {row: list(self._read[source]) for row, source in found.items()}
        for row, ids in copied.items():
            self._seat(row)
            self._read[row] = ids
        origin, target = self._places(list(found.values())), self._places(list(found))
        self._cache.copy(origin, target, max(map(len, copied.values())))

    @torch.inference_mode()
    def read(self, sequences: Mapping[str, Sequence[int]]) -> torch.Tensor:
        """Read sequences and return the hidden state behind the last token of each.

        Args:
            sequences: Row name to whole token sequence, at least one token each.

        Returns:
            Hidden states, ``(len(sequences), hidden)``, in the mapping's order.
        """
        hidden, sizes = self._forward(sequences, [1] * len(sequences))
        return hidden[torch.arange(len(sizes), device=hidden.device), sizes - 1]

    @torch.inference_mode()
    def read_branches(
        self,
        rows: Mapping[str, Sequence[int]],
        branches: Mapping[str, Sequence[Sequence[int]]],
    ) -> dict[str, list[torch.Tensor]]:
        """Read continuations of rows; the rows themselves stay as they are.

        Args:
            rows: Row name to whole token sequence; it is read once, if it was not before.
            branches: Row name to continuations of that sequence, at least one token each.

        Returns:
            Row name to one tensor a continuation, ``(len(continuation) + 1, hidden)``: the states
            behind the row's last token and behind each token of the continuation.
        """
        fresh = {row: rows[row] for row in branches if self._lacks(row, rows[row])}
        if fresh:
            self.read(fresh)
        found: dict[str, list[torch.Tensor]] = {row: [] for row in branches}
        everything = [(row, list(tail)) for row, tails in branches.items() for tail in tails]
        for start in range(0, len(everything), _BRANCHES):
            some = everything[start : start + _BRANCHES]
            names = {f"{row}\0{place}": row for place, (row, _) in enumerate(some)}
            self.fork(names)
            whole = {
                name: [*rows[row], *tail] for name, (row, tail) in zip(names, some, strict=True)
            }
            hidden, sizes = self._forward(whole, [len(tail) + 1 for _, tail in some])
            for (row, tail), states, size in zip(some, hidden, sizes.tolist(), strict=True):
                found[row].append(states[size - len(tail) - 1 : size].clone())
            for name in names:
                self.forget(name)
        return found

    def _forward(
        self, sequences: Mapping[str, Sequence[int]], wanted: Sequence[int]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Read what is new, and the last ``wanted`` tokens of each sequence in any case.

        Returns:
            Hidden states ``(rows, width, hidden)``, and how many of each row are real ``(rows,)``;
            the last real one is that of the sequence's last token.
        """
        starts = [
            self._start(name, sequence, size)
            for (name, sequence), size in zip(sequences.items(), wanted, strict=True)
        ]
        chunks = [seq[start:] for seq, start in zip(sequences.values(), starts, strict=True)]
        width = max(map(len, chunks))
        device = self.base.device
        ids = torch.tensor([[*c, *[0] * (width - len(c))] for c in chunks], device=device)
        sizes = torch.tensor([len(chunk) for chunk in chunks], device=device)
        steps = torch.arange(width, device=device)
        real = steps < sizes[:, None]  # (rows, width)
        positions = torch.tensor(starts, device=device)[:, None] + steps
        if self._keeps_cache:
            length = max(map(len, sequences.values()))
            self._place.at(self._places(list(sequences)), positions, real, length)
            # A key is seen from its own position on; padding sees what its row's tokens see.
            unseen = torch.arange(length, device=device) > positions[..., None]
            mask = torch.zeros(unseen.shape, dtype=self.base.dtype, device=device)
            mask.masked_fill_(unseen, torch.finfo(self.base.dtype).min)
            output = self.base(
                input_ids=ids,
                attention_mask=mask[:, None],
                position_ids=positions,
                past_key_values=self._cache,
                use_cache=True,
            )
            for name, chunk in zip(sequences, chunks, strict=True):
                self._read[name] += chunk
        else:
            output = self.base(input_ids=ids, attention_mask=real.long(), use_cache=False)
        self.tokens_read += int(sizes.sum())
        hidden: torch.Tensor = output.last_hidden_state
        return hidden, sizes

    def _lacks(self, name: str, sequence: Sequence[int]) -> bool:
        """Return whether a row has to read some of a sequence; one without a cache reads anew."""
        read = self._read.get(name, [])
        return self._keeps_cache and _common_prefix(read, sequence) < len(sequence)

    def _start(self, name: str, sequence: Sequence[int], wanted: int) -> int:
        """Return how much of a sequence need not be read, and forget what differs from it."""
        if not self._keeps_cache:
            return 0
        self._seat(name)
        read = self._read[name]
        start = min(_common_prefix(read, sequence), len(sequence) - wanted)
        del read[start:]
        return start

    def _seat(self, name: str) -> None:
        """Give a name its row in the cache."""
        if name not in self._rows:
            self._rows[name] = self._free.pop() if self._free else len(self._rows)
            self._read[name] = []

    def _places(self, names: Sequence[str]) -> torch.Tensor:
        return torch.tensor([self._rows[name] for name in names], device=self.base.device)


class _Place:
    """Where the tokens of the present call belong; shared by the layers of a cache."""

    def __init__(self) -> None:
        self.rows = torch.zeros(0, dtype=torch.long)
        self.positions = torch.zeros(0, 0, dtype=torch.long)
        self.real = torch.zeros(0, 0, dtype=torch.bool)
        self.length = 0

    def at(
        self, rows: torch.Tensor, positions: torch.Tensor, real: torch.Tensor, length: int
    ) -> None:
        """Set rows ``(n,)``, positions and truth of tokens ``(n, width)``, and keys to be seen."""
        self.rows, self.positions, self.real, self.length = rows, positions, real, length


class _RowLayer(DynamicLayer):
    """Keys and values of one layer, ``(rows, slots, heads, width)``."""

    _layer_type = None  # else the library would take this class for its own caches

    def __init__(self, place: _Place) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._place = place

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put the call's states in their slots; return those of the call's rows."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys = key_states[:0, :, :0].transpose(1, 2)
            self.values = value_states[:0, :, :0].transpose(1, 2)
        assert self.keys is not None
        assert self.values is not None
        self.keys = self._put(self.keys, key_states)
        self.values = self._put(self.values, value_states)
        return self._seen(self.keys), self._seen(self.values)

    def get_seq_length(self, *args: Any, **kwargs: Any) -> int:
        """Return 0: positions and mask are given explicitly."""
        return 0

    def copy(self, origin: torch.Tensor, target: torch.Tensor, length: int) -> None:
        """Copy the first slots of rows to other rows; see `_RowCache.copy`."""
        if self.is_initialized:
            assert self.keys is not None
            assert self.values is not None
            self.keys = _copied(self.keys, origin, target, length)
            self.values = _copied(self.values, origin, target, length)

    def _put(self, kept: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        place = self._place
        rows, slots = int(place.rows.max()) + 1, place.length
        if rows > kept.shape[0] or slots > kept.shape[1]:
            kept = _enlarged(kept, rows, slots)
        row, step = place.real.nonzero(as_tuple=True)
        kept[place.rows[row], place.positions[row, step]] = states.transpose(1, 2)[row, step]
        return kept

    def _seen(self, kept: torch.Tensor) -> torch.Tensor:
        rows = kept[:, : self._place.length].index_select(0, self._place.rows)
        return rows.transpose(1, 2)


class _RowCache(Cache):
    """The layers of one `CachedTransformer`, made as the model asks for them."""

    def __init__(self, place: _Place) -> None:
        # The library asks for a class and only ever calls it.
        make: Any = functools.partial(_RowLayer, place)
        super().__init__(layer_class_to_replicate=make)

    def copy(self, origin: torch.Tensor, target: torch.Tensor, length: int) -> None:
        """Copy the first ``length`` slots of rows ``origin`` to rows ``target``, ``(n,)`` each."""
        for layer in self.layers:
            assert isinstance(layer, _RowLayer)
            layer.copy(origin, target, length)


def _copied(
    kept: torch.Tensor, origin: torch.Tensor, target: torch.Tensor, length: int
) -> torch.Tensor:
    rows = int(target.max()) + 1
    if rows > kept.shape[0]:
        kept = _enlarged(kept, rows, kept.shape[1])
    kept[target, :length] = kept[origin, :length]
    return kept


def _enlarged(kept: torch.Tensor, rows: int, slots: int) -> torch.Tensor:
    """Return a copy with room to spare."""
    old_rows, old_slots, heads, width = kept.shape
    rows = old_rows if rows <= old_rows else rows + rows // 2
    slots = old_slots if slots <= old_slots else slots + slots // 2 + _SLACK
    room = kept.new_zeros(rows, slots, heads, width)
    room[:old_rows, :old_slots] = kept
    return room


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    size = min(len(a), len(b))
    if list(a[:size]) == list(b[:size]):
        return size
    return next(i for i in range(size) if a[i] != b[i])
