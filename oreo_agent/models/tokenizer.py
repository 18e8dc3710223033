"""The presets' own tokenizer: one token a thing, one token a turn of phrase, bytes for the rest.

Text worlds repeat themselves: ``On the cabinet 3, you see a mug 1, and a plate 2.`` is four set
phrases around three things. The vocabulary is read off a corpus in two passes: *things* are words
that occur before a number (``mug``, ``mug 1``); what stands between things, up to a length, is a
*phrase* (``, you see a ``). Text that is neither falls back to its UTF-8 bytes, so every string is
encoded without loss. It is an ordinary ``tokenizers`` model (byte-level BPE without merges, whole
units looked up first), saved and loaded as ``tokenizer.json``.

Mathematics has no numbered things: there every digit is a token, and so is every word or symbol of
the corpus, with the spaces around it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

PAD, BOS, ACT, END = "<pad>", "<bos>", "<act>", "<end>"
"""Padding; start of an episode; the agent's turn begins; the agent's turn ends."""

_THING = re.compile(r"\b([a-z]+) (\d+)\b")
_MAX_PHRASE = 80
_MIN_COUNT = 2
_MAX_PHRASES = 400

_DIGIT = r"\d"
_WORD = r" ?[A-Za-z]+(?: (?=\d))?"
_SYMBOL = r" ?[^\w\s]+ ?"
_MAX_WORDS = 8000


def train_tokenizer(
    texts: Iterable[str], *, spells_numbers: bool = False
) -> PreTrainedTokenizerFast:
    """Read a vocabulary off a corpus.

    Args:
        texts: Goals, observations and actions, one string each.
        spells_numbers: Write numbers digit by digit, and take words and symbols as units, in place
            of numbered things and the phrases between them.

    Returns:
        A tokenizer with ``pad_token``, ``bos_token`` and ``eos_token`` (= ``<end>``) set.
    """
    units, alternatives = (_words if spells_numbers else _things_and_phrases)(list(texts))
    specials = [PAD, BOS, ACT, END]
    byte_symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab: dict[str, int] = {}
    for symbol in (*specials, *byte_symbols, *map(_byte_level, units)):
        vocab.setdefault(symbol, len(vocab))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], ignore_merges=True))
    pattern = "|".join([*alternatives, r"\w+", r"\s+", r"[^\w\s]+"])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=END,
        additional_special_tokens=[ACT],
        clean_up_tokenization_spaces=False,
    )


def _things_and_phrases(corpus: list[str]) -> tuple[list[str], list[str]]:
    """Return the units of a corpus, and the regular expressions that find them in a text."""
    counts: Counter[str] = Counter()
    things: set[str] = set()
    for text in corpus:
        for match in _THING.finditer(text):
            things.add(match.group(1))
            counts[match.group(0)] += 1
    thing = re.compile(_thing_pattern(things)) if things else re.compile(r"(?!)")
    phrases: Counter[str] = Counter()
    for text in corpus:
        counts.update(thing.findall(text))
        phrases.update(part for part in thing.split(text) if 0 < len(part) <= _MAX_PHRASE)
    kept = [p for p, n in phrases.most_common(_MAX_PHRASES) if n >= _MIN_COUNT and len(p) > 1]
    # Longest first: the regular expression takes the first alternative that matches.
    kept.sort(key=lambda phrase: (-len(phrase), phrase))
    entities = sorted(e for e, n in counts.items() if n >= _MIN_COUNT) + sorted(things)
    units = list(dict.fromkeys([*entities, *kept]))
    return units, [*([_thing_pattern(things)] if things else []), *map(re.escape, kept)]


def _words(corpus: list[str]) -> tuple[list[str], list[str]]:
    """Return the words and symbols of a corpus, and the regular expressions of all of these."""
    unit = re.compile(f"{_WORD}|{_SYMBOL}")
    counts = Counter(found for text in corpus for found in unit.findall(text))
    kept = [unit for unit, n in counts.most_common(_MAX_WORDS) if n >= _MIN_COUNT and len(unit) > 1]
    return sorted(kept), [_DIGIT, _WORD, _SYMBOL]


def load_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """Load a tokenizer saved by ``save_pretrained``, from local files only."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(path, local_files_only=True)
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    return tokenizer


def tokenizer_sha256(tokenizer: PreTrainedTokenizerFast) -> str:
    """Return the SHA-256 of the tokenizer's whole definition."""
    return hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest()


def thing_parts(tokenizer: PreTrainedTokenizerFast) -> list[tuple[int, str, str]]:
    """Return ``(token id, word, number)`` of every token that names a numbered thing."""
    parts = []
    for symbol, index in tokenizer.get_vocab().items():
        match = _THING.fullmatch(symbol.replace("Ġ", " "))
        if match:
            parts.append((index, match.group(1), match.group(2)))
    return sorted(parts)


def _thing_pattern(things: set[str]) -> str:
    words = "|".join(sorted(things, key=lambda word: (-len(word), word)))
    return rf"\b(?:{words})\b(?: \d+\b)?"


def _byte_level(text: str) -> str:
    """Spell a string in the byte-level alphabet that the pre-tokenizer writes."""
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(
        text
    )
    return "".join(piece for piece, _ in pieces)
