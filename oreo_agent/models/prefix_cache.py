"""A transformer that reads each token of many growing sequences once.

Rows are named sequences of unequal length. Each call brings the whole sequence of some rows; what
a row has read before, up to the longest common prefix, is not read again: this covers undo and
take-over. A row can be forked, so that several continuations share what was read before them. Only
the rows of a call are computed. How keys and values are kept is described in `kv_cache`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from oreo_agent.models.kv_cache import Place, RowCache, can_pack, packed_attention

_BRANCHES = 256
"""Branches that are read at once: each takes the memory of its whole row."""


_KINDS = {"full_attention", "sliding_attention"}
_WINDOWED = {"gemma2", "gemma3_text", "qwen2", "qwen3"}
"""Model types that take one mask a kind of layer, and tell attention their window."""


class CachedTransformer:
    """Reads sequences through a base transformer (hidden states out) with a cache across calls.

    Args:
        base: A transformers decoder without output head. One with layers that cannot be cut
            (linear attention, windows of unknown make) reads every sequence from the start at each
            call. Layers that look back over a window keep all keys, and see the window's.
    """

    def __init__(self, base: PreTrainedModel) -> None:
        self.base = base
        kinds = set(getattr(base.config, "layer_types", None) or ["full_attention"])
        window = getattr(base.config, "sliding_window", None)
        self._window: int | None = window if "sliding_attention" in kinds else None
        self._keeps_cache = (kinds == {"full_attention"} and not window) or (
            base.config.model_type in _WINDOWED and kinds <= _KINDS
        )
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._read: dict[str, list[int]] = {}
        self._cache = RowCache()
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

        A row may be new or old; a source that has read nothing is passed over.
        """
        found = {row: source for row, source in sources.items() if source in self._rows}
        if not found:
            return
        copied = {row: list(self._read[source]) for row, source in found.items()}
        for row, ids in copied.items():
            self._seat(row)
            self._read[row] = ids
        device = self.base.device
        origin = torch.tensor([self._rows[source] for source in found.values()], device=device)
        target = torch.tensor([self._rows[row] for row in found], device=device)
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
        return hidden[torch.tensor(sizes, device=hidden.device).cumsum(0) - 1]

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
            for (row, tail), states in zip(some, hidden.split(sizes), strict=True):
                found[row].append(states[-len(tail) - 1 :].clone())
            for name in names:
                self.forget(name)
        return found

    def _forward(
        self, sequences: Mapping[str, Sequence[int]], wanted: Sequence[int]
    ) -> tuple[torch.Tensor, list[int]]:
        """Read what is new, and the last ``wanted`` tokens of each sequence in any case.

        Returns:
            Hidden states of the tokens read ``(tokens, hidden)``, row after row, and how many each
            row has; its last one is that of the sequence's last token.
        """
        starts = [
            self._start(name, sequence, size)
            for (name, sequence), size in zip(sequences.items(), wanted, strict=True)
        ]
        chunks = [list(seq[start:]) for seq, start in zip(sequences.values(), starts, strict=True)]
        sizes = [len(chunk) for chunk in chunks]
        place = Place.of(
            [self._rows[name] for name in sequences] if self._keeps_cache else [],
            starts,
            sizes,
            packed=self._keeps_cache and can_pack(self.base),
            device=self.base.device,
        )
        hidden = (self._read_packed if place.packed else self._read_padded)(chunks, place)
        if self._keeps_cache:
            for name, chunk in zip(sequences, chunks, strict=True):
                self._read[name] += chunk
        self.tokens_read += sum(sizes)
        return hidden, sizes

    def _read_packed(self, chunks: Sequence[Sequence[int]], place: Place) -> torch.Tensor:
        ids = torch.tensor([[token for chunk in chunks for token in chunk]])
        self._cache.place = place
        with packed_attention(self.base, place):
            output = self.base(
                input_ids=ids,
                position_ids=place.positions[place.real][None],
                past_key_values=self._cache,
                use_cache=True,
            )
        hidden: torch.Tensor = output.last_hidden_state[0]
        return hidden

    def _read_padded(self, chunks: Sequence[Sequence[int]], place: Place) -> torch.Tensor:
        width = max(map(len, chunks))
        rows = [[*chunk, *[0] * (width - len(chunk))] for chunk in chunks]
        ids = torch.tensor(rows, device=self.base.device)
        if self._keeps_cache:
            self._cache.place = place
            output = self.base(
                input_ids=ids,
                attention_mask=self._masks(place),
                position_ids=place.positions,
                past_key_values=self._cache,
                use_cache=True,
            )
        else:
            output = self.base(input_ids=ids, attention_mask=place.real.long(), use_cache=False)
        hidden: torch.Tensor = output.last_hidden_state[place.real]
        return hidden

    def _masks(self, place: Place) -> Any:
        mask = place.mask(self.base.dtype)
        if self._window is None:
            return mask
        seen = place.mask(self.base.dtype, window=self._window)
        return {"full_attention": mask, "sliding_attention": seen}

    def _lacks(self, name: str, sequence: Sequence[int]) -> bool:
        """Return whether a row has to read some of a sequence; one without a cache reads all."""
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


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    size = min(len(a), len(b))
    if list(a[:size]) == list(b[:size]):
        return size
    return next(i for i in range(size) if a[i] != b[i])
