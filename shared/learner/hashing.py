"""Vowpal Wabbit's hash of names: which slot a feature gets.

Sources: ``hashstring`` in ``hash.h``, feature names in ``parse_example_json.h``. Hashes are
``uint32``: a model looks at their low bits only, and those never depend on the high ones.
"""

from functools import lru_cache

import mmh3

CONSTANT_HASH = 11650396
"""Hash of the constant feature (``constant`` in constant.h)."""

_WORD = 0xFFFFFFFF
_WHITE = bytes(range(0x21))
_DIGITS_AT_ONCE = 1000  # Python refuses to read numbers of more than 4,300 digits
_LONGEST_REMEMBERED = 64
_ESCAPED = str.maketrans({" ": "_", "\t": "_", "|": "_", ":": "_"})


def hash_text(text: str, seed: int) -> int:
    """Return the hash of a name: digits count as a number, all else goes through murmur3."""
    raw = text.encode().strip(_WHITE)
    if not raw or raw.isdigit():
        return (_number(raw) + seed) & _WORD
    return mmh3.hash(raw, seed, signed=False)


def hash_name(name: str, seed: int) -> int:
    """Return ``hash_text``, from memory if the name is short and was seen lately."""
    return _names(name, seed) if len(name) <= _LONGEST_REMEMBERED else hash_text(name, seed)


def hash_namespace(name: str) -> tuple[int, int]:
    """Return a namespace's byte, which is the first of its name, and the seed of its features."""
    return _namespaces(name) if len(name) <= _LONGEST_REMEMBERED else _namespace(name)


def hash_value(name: str, value: str, seed: int) -> int:
    """Return the hash of a text feature: name and value with nothing between them."""
    if len(name) + len(value) <= _LONGEST_REMEMBERED:
        return _values(name, value, seed)
    return hash_text(name + value.translate(_ESCAPED), seed)


def _namespace(name: str) -> tuple[int, int]:
    return name[0].encode()[0] if name else 0, hash_text(name, 0)


# Memories of names of at most 64 characters: below 10 MB each.
_namespaces = lru_cache(maxsize=1 << 14)(_namespace)
_names = lru_cache(maxsize=1 << 15)(hash_text)


@lru_cache(maxsize=1 << 15)
def _values(name: str, value: str, seed: int) -> int:
    return hash_text(name + value.translate(_ESCAPED), seed)


def _number(digits: bytes) -> int:
    number = 0
    for start in range(0, len(digits), _DIGITS_AT_ONCE):
        part = digits[start : start + _DIGITS_AT_ONCE]
        number = (number * pow(10, len(part), 1 << 32) + int(part)) & _WORD
    return number
