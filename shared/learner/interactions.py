"""Interactions: which features are combined, compiled once per shape into index tables.

Sources: ``interactions.cc`` (expansion of wildcards, removal of duplicates) and
``interactions_predict.h`` (hash of a combination) in Vowpal Wabbit. Features of an action and
those shared by all actions stand in one row: the action's first, then the constant, then the
shared ones. A *plan* says, for rows of one shape, which columns each term combines.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shared.learner.features import FeatureError, Shape

FNV = np.uint32(16777619)
WILDCARD = ord(":")
CONSTANT_NAMESPACE = 128

MAX_TERMS = 50_000
"""Features that one action may have after combination; more are refused, not computed."""

Terms = tuple[NDArray[np.intp], ...]
"""Blocks of terms of one order each: ``order x terms`` columns of the row."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The terms of rows of one shape.

    Attributes:
        terms: All of them, in Vowpal Wabbit's order.
        common: Those of shared features only: equal for all actions of a decision.
        mixed: Those of features of both kinds.
    """

    terms: Terms
    common: Terms
    mixed: Terms


@lru_cache(maxsize=1024)
def plan(interactions: tuple[bytes, ...], action: Shape, shared: Shape, constant: bool) -> Plan:
    """Compile the terms for an action's and the shared features' shapes.

    The row always has a column for the constant, used only if ``constant``.

    Raises:
        FeatureError: There would be more than ``MAX_TERMS`` terms.
    """
    groups, order = _columns(action, shared, constant)
    linear = [column for namespace in order for column in groups[namespace]]
    blocks = [np.array([linear], np.intp).reshape(1, -1)]
    total = len(linear)
    present = sorted(namespace for namespace in order if ord(" ") <= namespace <= ord("~"))
    for namespaces in expand(interactions, present):
        if all(namespace in groups for namespace in namespaces):
            total += _count(namespaces, groups)
            if total > MAX_TERMS:
                raise FeatureError(f"the features of one action combine to more than {MAX_TERMS:,}")
            blocks.append(_combine(namespaces, groups))
    first_shared = sum(size for _, size in action) + 1
    return Plan(
        terms=_merge(blocks),
        common=_merge(block[:, (block >= first_shared).all(axis=0)] for block in blocks),
        mixed=_merge(
            block[:, (block >= first_shared).any(axis=0) & (block < first_shared).any(axis=0)]
            for block in blocks
        ),
    )


def hashes(terms: NDArray[np.intp], row: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the hash of each term: ``(FNV * h1) ^ h2``, chained for higher orders.

    Args:
        terms: ``order x terms`` columns.
        row: ``... x columns`` hashes of single features.
    """
    combined: NDArray[np.uint32] = row.take(terms[0], axis=-1)
    for columns in terms[1:]:
        combined *= FNV
        combined ^= row.take(columns, axis=-1)
    return combined


def products(terms: NDArray[np.intp], row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the value of each term: the product of its features' values."""
    combined: NDArray[np.float32] = row.take(terms[0], axis=-1)
    for columns in terms[1:]:
        combined *= row.take(columns, axis=-1)
    return combined


def expand(interactions: Iterable[bytes], present: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the combinations of namespaces, wildcards filled in, each unordered set once."""
    found: list[tuple[int, ...]] = []
    wild = False
    for pattern in interactions:
        wilds = pattern.count(WILDCARD)
        wild |= wilds > 0
        for filling in itertools.combinations_with_replacement(present, wilds):
            found.append(_fill(pattern, filling))
    if wild:
        found.sort(key=lambda namespaces: (len(namespaces), namespaces))
    seen = set()
    for namespaces in found:
        ordered = tuple(sorted(namespaces))
        if ordered not in seen:
            seen.add(ordered)
            repeats = 1 < len(set(namespaces)) < len(namespaces)
            yield ordered if repeats else namespaces


def _fill(pattern: bytes, filling: tuple[int, ...]) -> tuple[int, ...]:
    """Return a pattern with its wildcards filled, in the order in which VW 9.11 hashes it.

    With one wildcard, or two namespaces, that is the order of the pattern. Otherwise the fixed
    namespaces come last, and three or more wildcards are taken backwards (found by experiment).
    """
    if len(filling) < 2 or len(pattern) == 2:
        rest = iter(filling)
        return tuple(next(rest) if byte == WILDCARD else byte for byte in pattern)
    fixed = sorted(byte for byte in pattern if byte != WILDCARD)
    return (*(filling if len(filling) == 2 else reversed(filling)), *fixed)


def _columns(
    action: Shape, shared: Shape, constant: bool
) -> tuple[dict[int, list[int]], list[int]]:
    """Return each namespace's columns, and the namespaces in Vowpal Wabbit's order."""
    groups: dict[int, list[int]] = {}
    column = 0
    for namespace, size in action:
        groups[namespace] = list(range(column, column + size))
        column += size
    if constant:
        groups[CONSTANT_NAMESPACE] = [column]
    column += 1
    for namespace, size in shared:
        groups.setdefault(namespace, []).extend(range(column, column + size))
        column += size
    return groups, list(groups)


def _count(namespaces: tuple[int, ...], groups: dict[int, list[int]]) -> int:
    runs = [(namespace, len(list(run))) for namespace, run in itertools.groupby(namespaces)]
    return math.prod(math.comb(len(groups[n]) + times - 1, times) for n, times in runs)


def _combine(namespaces: tuple[int, ...], groups: dict[int, list[int]]) -> NDArray[np.intp]:
    """Return the columns of all terms of one combination; the last namespace varies fastest."""
    runs = [
        itertools.combinations_with_replacement(groups[namespace], len(list(run)))
        for namespace, run in itertools.groupby(namespaces)
    ]
    rows = [tuple(itertools.chain(*parts)) for parts in itertools.product(*runs)]
    return np.array(rows, np.intp).reshape(-1, len(namespaces)).T


def _merge(blocks: Iterable[NDArray[np.intp]]) -> Terms:
    """Join neighbouring blocks of the same order, leave out empty ones."""
    kept = [block for block in blocks if block.shape[1]]
    return tuple(
        np.ascontiguousarray(np.concatenate(list(run), axis=1))
        for _, run in itertools.groupby(kept, key=lambda block: block.shape[0])
    )
