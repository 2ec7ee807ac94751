"""Changing inputs by their structure: JSON trees, words of a text, fields of a record.

Everything follows from the generator that is handed in, so that a search can be repeated.
"""

import json
import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.fuzz.target import Havoc, Mutator

NUMBERS = (
    0, 1, -1, 2, 0.5, -0.0, 0.1, 255, 256, 2**31 - 1, 2**31, -(2**31), 2**32, 2**53, 2**63, 2**64,
    -(2**63), -(2**64), 10**30, 10**400, 1e38, 3.5e38, -1e39, 1e308, 5e-324, 1e-46,
    float("inf"), float("-inf"), float("nan"), 999999999999, 253402300800, -62135596801,
)  # fmt: skip
TEXTS = (
    "", " ", "a", "b", "\0", "\n", "\x7f", "é", "東京", "\U0001f600", "\ud800", "\udfff", "_x",
    "_text", "_multi", "_slots", "_inc", "_tag", "a" * 256, "a" * 257, "b" * 5000, "0", "-1", "NaN",
    "1e999", "null", "true", "a|b:c", "%00", "../..", "'", '"', "\\",
)  # fmt: skip
BYTES = (b"\0", b"\xff", b"\x7f", b"\x80", b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"-",
         b"1e999", b"\xed\xa0\x80", b"\\ud800", b"\xef\xbb\xbf", b"null", b"NaN", b"9" * 40,
         b"\r\n", b"%", b"\x1f\x8b", b"PK\x03\x04")  # fmt: skip
WORDS = struct.Struct("<I"), struct.Struct("<Q"), struct.Struct("<f"), struct.Struct("<d")
DEPTHS = (2, 15, 16, 17, 40, 300, 980)


def havoc(data: bytes, rng: random.Random) -> bytes:
    """Change a few bytes: flip, put in, take out, copy."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(changed) + 1)
        end = min(len(changed), at + rng.choice((1, 1, 2, 4, 8, 32)))
        match rng.randrange(7):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(changed):
                changed[at] = rng.randrange(256)
            case 2:
                del changed[at:end]
            case 3:
                changed[at:at] = rng.choice(BYTES)
            case 4:
                changed[at:end] = rng.choice(BYTES)
            case 5:
                to = rng.randrange(len(changed) + 1)
                changed[to:to] = changed[at:end] * rng.choice((1, 1, 1, 3, 60))
            case _:
                changed[at:] = changed[at:] if rng.random() < 0.7 else b""
    return bytes(changed)


def json_mutator(names: Sequence[str], values: Sequence[Any] = ()) -> Mutator:
    """Return a mutator of JSON texts with these members and values of interest."""
    change = tree_changer(names, values)

    def mutate(data: bytes, rng: random.Random, bytewise: Havoc) -> bytes:
        if rng.random() < 0.12:
            return bytewise(data, rng)
        try:
            tree = json.loads(data)
            return dumps(change(tree, rng), rng)
        except (ValueError, RecursionError):
            return bytewise(data, rng)

    return mutate


def msgpack_mutator(names: Sequence[str] = (), values: Sequence[Any] = ()) -> Mutator:
    """Return a mutator of MessagePack."""
    change = tree_changer(names, values)

    def mutate(data: bytes, rng: random.Random, bytewise: Havoc) -> bytes:
        if rng.random() < 0.2:
            return bytewise(data, rng)
        try:
            return msgspec.msgpack.encode(change(msgspec.msgpack.decode(data), rng))
        except (ValueError, OverflowError, RecursionError, TypeError, msgspec.MsgspecError):
            return bytewise(data, rng)

    return mutate


def dumps(tree: Any, rng: random.Random) -> bytes:
    """Return a JSON text in one of the ways of writing it."""
    plain = rng.random() < 0.5
    text = json.dumps(tree, ensure_ascii=plain, separators=None if plain else (",", ":"))
    return text.encode(errors="surrogatepass")


def tree_changer(
    names: Sequence[str], values: Sequence[Any]
) -> Callable[[Any, random.Random], Any]:
    """Return a function that changes a decoded document in one to three places."""
    given = (None, True, False, [], {}, [None], *NUMBERS, *TEXTS, *values)

    def value(rng: random.Random) -> Any:
        if values and rng.random() < 0.4:
            return rng.choice(values)
        return rng.choice(given)

    def change(tree: Any, rng: random.Random) -> Any:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            tree = _changed(tree, rng, names, value)
        return tree

    return change


def _changed(tree: Any, rng: random.Random, names: Sequence[str], value: Any) -> Any:
    root = [tree]
    holder, key = _place(root, rng)
    here = holder[key]
    action = rng.randrange(14)
    if action < 3:
        holder[key] = value(rng)
    elif action == 3 and holder is not root:
        del holder[key]
    elif action == 4 and isinstance(here, dict):
        here[rng.choice(names) if names and rng.random() < 0.7 else rng.choice(TEXTS)] = value(rng)
    elif action == 4 and isinstance(here, list):
        here.insert(rng.randrange(len(here) + 1), value(rng))
    elif action == 5:
        other, place = _place(root, rng)
        holder[key] = _copy(other[place])
    elif action == 6 and isinstance(holder, list) and holder is not root:
        holder[key:key] = [_copy(here) for _ in range(rng.choice((1, 1, 2, 49, 60)))]
    elif action == 7 and isinstance(holder, dict) and isinstance(key, str):
        name = rng.choice((key.upper(), key.lower(), f"_{key}", *names[:1], rng.choice(TEXTS)))
        holder[name] = holder.pop(key)
    elif action == 8:
        holder[key] = [here] if rng.random() < 0.5 else {rng.choice(names or TEXTS): here}
    elif action == 9 and rng.random() < 0.3:
        for _ in range(rng.choice(DEPTHS)):
            here = {"n": here} if rng.random() < 0.9 else [here]
        holder[key] = here
    elif isinstance(here, bool):
        holder[key] = not here
    elif isinstance(here, int | float):
        holder[key] = _number(here, rng)
    elif isinstance(here, str):
        holder[key] = _text(here, rng)
    elif isinstance(here, bytes):
        holder[key] = havoc(here, rng)
    elif isinstance(here, list) and len(here) > 1:
        rng.shuffle(here)
    else:
        holder[key] = value(rng)
    return root[0]


def _place(root: list[Any], rng: random.Random) -> tuple[Any, Any]:
    """Return a container and the key of a random place in it."""
    holder: Any = root
    key: Any = 0
    while rng.random() < 0.8:
        here = holder[key]
        if not here or not isinstance(here, dict | list):
            break
        holder = here
        key = rng.choice(list(here)) if isinstance(here, dict) else rng.randrange(len(here))
    return holder, key


def _copy(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _copy(each) for name, each in tree.items()}
    return [_copy(each) for each in tree] if isinstance(tree, list) else tree


def _number(number: float, rng: random.Random) -> float:
    try:
        return rng.choice(
            (number + 1, number - 1, -number, number * 10, number * 1e10, number / 3,
             number * 1e-40, int(number), float(number), rng.choice(NUMBERS))
        )  # fmt: skip
    except (OverflowError, ValueError):
        return 0


def _text(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    match rng.randrange(5):
        case 0:
            return text[:at] + rng.choice(TEXTS) + text[at:]
        case 1:
            return (
                text[:at] + chr(rng.choice((rng.randrange(128), rng.randrange(0xD7FF)))) + text[at:]
            )
        case 2:
            return text[:at] + text[at + 1 :]
        case 3:
            return rng.choice((text.upper(), text.lower(), text.strip(), text * 3))
    return rng.choice(TEXTS)


def changed_words(text: str, rng: random.Random, words: Sequence[str]) -> str:
    """Return a text with a few of its words, separated by spaces, put in, taken out or swapped."""
    found = text.split(" ")
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(6):
            case 0 | 1:
                found.insert(at, rng.choice(words))
            case 2 if found:
                found[min(at, len(found) - 1)] = rng.choice(words)
            case 3 if at < len(found):
                del found[at]
            case 4 if at < len(found):
                found[at] = _text(found[at], rng)
            case _:
                found.insert(at, " ".join((rng.choice(words), rng.choice(words))))
    return " ".join(found)


def text_mutator(words: Sequence[str]) -> Mutator:
    """Return a mutator of texts of words."""

    def mutate(data: bytes, rng: random.Random, bytewise: Havoc) -> bytes:
        if rng.random() < 0.25:
            return bytewise(data, rng)
        text = data.decode(errors="surrogateescape")
        return changed_words(text, rng, words).encode(errors="surrogatepass")

    return mutate


def changed_numbers(data: bytes, rng: random.Random) -> bytes:
    """Return bytes with one aligned number written over by another of interest."""
    form = rng.choice(WORDS)
    if len(data) < form.size:
        return havoc(data, rng)
    at = rng.randrange(0, len(data) - form.size + 1)
    at -= at % 4 if rng.random() < 0.7 else 0
    while True:
        try:
            written = form.pack(rng.choice(NUMBERS))
        except (struct.error, OverflowError):
            continue
        return data[:at] + written + data[at + form.size :]
