"""Vowpal Wabbit's hash of names: which slot a feature gets.

Sources: ``hashstring`` in ``hash.h``, feature names in ``parse_example_json.h``. Hashes are
``uint32``: a model looks at their low bits only, and those never depend on the high ones.
"""

from collections.abc import Sequence

import mmh3

CONSTANT_HASH = 11650396
"""Hash of the constant feature (``constant`` in constant.h)."""

_WORD = 0xFFFFFFFF
_WHITE = bytes(range(0x21))
_DIGITS_AT_ONCE = 1000  # Python refuses to read numbers of more than 4,300 digits
_LONGEST_REMEMBERED = 64
_MOST_REMEMBERED = 1 << 16  # names and values, at most about 20 MB
_NOTHING: dict[str, int] = {}
_ESCAPED = str.maketrans({" ": "_", "\t": "_", "|": "_", ":": "_"})


def hash_text(text: str, seed: int) -> int:
    """Return the hash of a name: digits count as a number, all else goes through murmur3."""
    raw = text.encode().strip(_WHITE)
    if not raw or raw.isdigit():
        return (_number(raw) + seed) & _WORD
    return mmh3.mmh3_32_uintdigest(raw, seed)


def hash_value(name: str, value: str, seed: int) -> int:
    """Return the hash of a text feature: name and value with nothing between them."""
    if " " in value or "\t" in value or "|" in value or ":" in value:
        value = value.translate(_ESCAPED)
    return hash_text(name + value, seed)


class Namespace:
    """A namespace: its byte, the seed of its features' hashes, and the latest of these.

    Attributes:
        byte: The first of its name; namespaces of the same byte are one.
        seed: The hash of its whole name.
        texts: Hashes of text features by name, then by value.
        names: Hashes of other features by name.
    """

    __slots__ = ("byte", "names", "seed", "texts")

    def __init__(self, name: str) -> None:
        """Know no feature yet."""
        self.byte = name[0].encode()[0] if name else 0
        self.seed = hash_text(name, 0)
        self.texts: dict[str, dict[str, int]] = {}
        self.names: dict[str, int] = {}

    def hash_value(self, name: str, value: str) -> int:
        """Return ``hash_value``, and remember it if it is short."""
        known = self.texts.get(name)
        found = known.get(value) if known else None
        if found is None:
            found = hash_value(name, value, self.seed)
            if len(name) + len(value) <= _LONGEST_REMEMBERED:
                self.texts.setdefault(name, {})[value] = found
                _memory.count()
        return found

    def hash_values(self, name: str, values: Sequence[str]) -> list[int]:
        """Return ``hash_value`` of many values of one name."""
        known = self.texts.get(name)
        if known is None:
            return [self.hash_value(name, value) for value in values]
        found = list(map(known.get, values))
        if None not in found:
            return found  # type: ignore[return-value]  # none is None
        seed = self.seed
        hashes = [
            hash_value(name, value, seed) if hashed is None else hashed
            for value, hashed in zip(values, found, strict=True)
        ]
        if len(name) + max(map(len, values)) <= _LONGEST_REMEMBERED:
            known.update(zip(values, hashes, strict=True))
            _memory.count(len(values))
        return hashes

    def hash_name(self, name: str) -> int:
        """Return ``hash_text`` of a name, and remember it if it is short."""
        found = self.names.get(name)
        if found is None:
            found = hash_text(name, self.seed)
            if len(name) <= _LONGEST_REMEMBERED:
                self.names[name] = found
                _memory.count()
        return found


class _Memory:
    """The namespaces seen lately; all are forgotten when they know too many features together."""

    def __init__(self) -> None:
        self.namespaces: dict[str, Namespace] = {}
        self._features = 0

    def count(self, more: int = 1) -> None:
        """Count namespaces and features that are remembered."""
        self._features += more
        if self._features > _MOST_REMEMBERED:
            self.namespaces, self._features = {}, 0


_memory = _Memory()


def namespace(name: str) -> Namespace:
    """Return a namespace, from memory if its name is short and was seen lately."""
    found = _memory.namespaces.get(name)
    if found is None:
        found = Namespace(name)
        if len(name) <= _LONGEST_REMEMBERED:
            _memory.namespaces[name] = found
            _memory.count()
    return found


def _number(digits: bytes) -> int:
    number = 0
    for start in range(0, len(digits), _DIGITS_AT_ONCE):
        part = digits[start : start + _DIGITS_AT_ONCE]
        number = (number * pow(10, len(part), 1 << 32) + int(part)) & _WORD
    return number
