"""Interactions: which features are combined, compiled once per shape into index tables.

Sources: ``interactions.cc`` (expansion of wildcards, removal of duplicates) and
``interactions_predict.h`` (hash of a combination) in Vowpal Wabbit. The features of an action and
those shared by all actions stand in one row: the action's first, then the constant, then the
shared ones. A *plan* says, for rows of one shape, which columns each term combines.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from shared.learner.arguments import LearningSettings
from shared.learner.features import FeatureError, Shape
from shared.learner.recently_used import RecentlyUsed

FNV = 16777619
"""Multiplier of a combination's hash (Fowler, Noll and Vo)."""

WILDCARD = ord(":")
CONSTANT_NAMESPACE = 128
DEFAULT_NAMESPACE = ord(" ")
SLOT_NAMESPACE = 139
"""The features that a slot has in no namespace of its own (``ccb_slot_namespace``)."""

SLOT_INDEX_NAMESPACE = 140
"""Which slot of its decision it is; no wildcard stands for it (``ccb_id_namespace``)."""

MAX_TERMS = 50_000
"""Features that one action may have after combination; more are refused, not computed."""

MAX_COMBINATIONS = 10_000
"""Combinations of namespaces that wildcards may stand for."""

PLANS_BUDGET = 32 << 20
"""Bytes that the plans of one set of interactions may take; a usual plan has 15 kB."""

Columns = NDArray[np.intp]
Terms = tuple[Columns, ...]
"""Blocks of terms of one order each: ``order x terms`` columns of a row."""


class Pairs(msgspec.Struct, frozen=True, eq=False):
    """Terms of one or two features, as pairs of columns of two *extended* rows.

    An extended row of hashes is 0, the hashes, and the hashes multiplied by FNV; one of values
    is 1 and the values. So the slot of any such term is one entry XOR another, and its value one
    entry times another: a single feature is paired with the 0 and the 1.

    Attributes:
        left: Columns of the first extended row of hashes.
        right: Columns of the second one.
        left_values: Columns of the first extended row of values.
        right_values: Columns of the second one.
    """

    left: Columns
    right: Columns
    left_values: Columns
    right_values: Columns


class Numbered(msgspec.Struct, frozen=True, eq=False):
    """Pairs that are combined with the slot's index: ``own``, ``common`` and ``mixed`` ones."""

    own: Pairs
    common: Pairs
    mixed: Pairs


class Plan(msgspec.Struct, frozen=True, eq=False):
    """The terms of rows of one shape.

    ``own`` terms have features of the action (and the constant) only, ``common`` ones shared
    features only, ``mixed`` ones both.

    Attributes:
        terms: All of them, in Vowpal Wabbit's order.
        own: Those of at most two features: pairs within the action's extended rows.
        common: Likewise, within the shared features' extended rows.
        mixed: Likewise; left is the action's extended row, right the shared features'.
        numbered: Those of two features and the slot's index, which is the row's last column:
            pairs likewise, without it; None if there are none.
        higher_own: All others of three and more features, in columns of the row.
        higher_common: Likewise, in columns of the shared features.
        higher_mixed: Likewise.
        in_combinations_only: Columns of the row that are no terms by themselves.
        size: Number of terms.
    """

    terms: Terms
    own: Pairs
    common: Pairs
    mixed: Pairs
    numbered: "Numbered | None"
    higher_own: Terms
    higher_common: Terms
    higher_mixed: Terms
    in_combinations_only: Columns
    size: int


class Interactions:
    """The combinations that a policy asks for."""

    def __init__(
        self,
        patterns: tuple[bytes, ...],
        constant: bool,
        ignore_linear: bytes,
        ignore: bytes = b"",
        keep: bytes = b"",
        duplicates: bool = False,
        filled: bool = True,
    ) -> None:
        """Combine namespaces by ``patterns``.

        Args:
            patterns: First bytes of the names to combine; ``:`` for any.
            constant: Whether there is a constant feature; its column is in every row.
            ignore_linear: Namespaces whose features count in combinations only.
            ignore: Namespaces whose features do not count at all.
            keep: If any, features of all other namespaces do not count.
            duplicates: Whether combinations of the same namespaces count each time.
            filled: Whether wildcards are filled in. Vowpal Wabbit does not for the doubt of
                ``--regcb`` and ``--elim``, nor for the random functions of ``--rnd``.
        """
        self._patterns = patterns
        self._constant = constant
        self._ignore_linear = ignore_linear
        self._ignore = ignore
        self._keep = keep
        self._duplicates = duplicates
        self._filled = filled
        self._plans: RecentlyUsed[tuple[Shape, Shape], Plan] = RecentlyUsed(PLANS_BUDGET)

    def plan(self, action: Shape, shared: Shape) -> Plan:
        """Return the plan for an action's and the shared features' shapes.

        Raises:
            FeatureError: There would be more than ``MAX_TERMS`` terms (twice as many where
                wildcards are not filled in), or ``MAX_COMBINATIONS`` combinations of namespaces.
        """
        plan = self._plans.get((action, shared))
        if plan is None:
            plan = self._compile(action, shared)
            order = max(map(len, plan.terms), default=1)
            self._plans.put((action, shared), plan, 3000 + (16 * order + 32) * plan.size)
        return plan

    def _compile(self, action: Shape, shared: Shape) -> Plan:
        groups = {
            namespace: columns
            for namespace, columns in _columns(action, shared, self._constant).items()
            if counts(namespace, self._ignore, self._keep)
        }
        nothing = np.zeros(0, np.intp)
        linear = [groups[n] for n in groups if n not in self._ignore_linear]
        others = [groups[n] for n in groups if n in self._ignore_linear]
        blocks = [np.concatenate([nothing, *linear]).reshape(1, -1)]
        total = blocks[0].shape[1]
        present = sorted(n for n in groups if ord(" ") <= n <= ord("~") or n == SLOT_NAMESPACE)
        wanted = self._wanted(present, SLOT_INDEX_NAMESPACE in groups)
        # over slots those not filled in are at most twice as many: what was scored is not refused
        most = MAX_TERMS if self._filled else 2 * MAX_TERMS
        for order, run in itertools.groupby((n for n in wanted if groups.keys() >= {*n}), len):
            alike = list(run)
            total += sum(_count(namespaces, groups) for namespaces in alike)
            if total > most:
                raise FeatureError(f"one action's features combine to more than {most:,}")
            if order == 2:
                blocks.append(_combine_pairs(alike, groups))
            else:
                blocks += [_combine(namespaces, groups) for namespaces in alike]
        return _plan(_merge(blocks), action, shared, np.concatenate([nothing, *others]), total)

    def _wanted(self, present: Sequence[int], numbered: bool) -> list[tuple[int, ...]]:
        """Return the combinations to make of the namespaces that are ``present``, and others."""
        if self._filled:
            patterns = with_slot_index(self._patterns) if numbered else self._patterns
            return expand(patterns, present, self._duplicates)
        once = expand(unfilled(self._patterns, False), present, self._duplicates)
        return [tuple(pattern) for pattern in unfilled(tuple(map(bytes, once)), numbered)]


def interactions_of(settings: LearningSettings, filled: bool = True) -> Interactions:
    """Return how ``settings`` combine features; all models under the same policy share the plans.

    Args:
        settings: Which features count, and what is combined.
        filled: As for ``Interactions``.
    """
    wild = any(WILDCARD in pattern for pattern in settings.interactions)
    return _interactions(
        settings.interactions,
        settings.constant,
        settings.ignore_linear,
        settings.ignore,
        settings.keep,
        settings.duplicate_interactions,
        filled or not (wild or settings.slots),
    )


@lru_cache(maxsize=4)
def _interactions(
    patterns: tuple[bytes, ...],
    constant: bool,
    ignore_linear: bytes,
    ignore: bytes,
    keep: bytes,
    duplicates: bool,
    filled: bool,
) -> Interactions:
    return Interactions(patterns, constant, ignore_linear, ignore, keep, duplicates, filled)


def counts(namespace: int, ignore: bytes, keep: bytes) -> bool:
    """Return whether features of a namespace count, given those to ignore and to keep.

    What is to be kept is not ignored. The constant and a slot's index always count; what a slot has
    in no namespace of its own counts as it would elsewhere.
    """
    if namespace in (CONSTANT_NAMESPACE, SLOT_INDEX_NAMESPACE):
        return True
    if namespace == SLOT_NAMESPACE:
        namespace = DEFAULT_NAMESPACE
    return namespace in keep if keep else namespace not in ignore


def with_slot_index(patterns: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return patterns for one slot of several: each also with the slot's index, and it with any.

    Source: ``insert_ccb_interactions`` in ``conditional_contextual_bandit.cc``, which has each
    pattern twice; where duplicates are not kept, filling in wildcards removes them.
    """
    index = bytes((SLOT_INDEX_NAMESPACE,))
    return (*patterns, *patterns, *(pattern + index for pattern in patterns), b":" + index)


def unfilled(patterns: tuple[bytes, ...], numbered: bool) -> tuple[bytes, ...]:
    """Return patterns as Vowpal Wabbit has them where it does not fill in wildcards.

    Args:
        patterns: Those that were asked for, each once unless duplicates are kept.
        numbered: Whether they are for one slot of several.
    """
    if numbered:
        patterns = with_slot_index(patterns)
    return tuple(pattern for pattern in patterns if WILDCARD not in pattern)


def hashes(columns: Columns, row: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the hash of each term: ``(FNV * h1) ^ h2``, chained for higher orders.

    Args:
        columns: ``order x terms`` columns.
        row: ``... x columns`` hashes of single features.
    """
    combined: NDArray[np.uint32] = row.take(columns[0], axis=-1)
    for column in columns[1:]:
        combined *= FNV
        combined ^= row.take(column, axis=-1)
    return combined


def products(columns: Columns, row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the value of each term: the product of its features' values."""
    combined: NDArray[np.float32] = row.take(columns[0], axis=-1)
    for column in columns[1:]:
        combined *= row.take(column, axis=-1)
    return combined


def expand(
    patterns: Iterable[bytes], present: Sequence[int], duplicates: bool = False
) -> list[tuple[int, ...]]:
    """Return the combinations of namespaces, wildcards filled in, each unordered set once.

    The order within and between them is Vowpal Wabbit's: it decides hashes, and which update
    comes first where features share a slot.

    Args:
        patterns: First bytes of names, ``:`` for any.
        present: First bytes of the names that there are, rising.
        duplicates: Whether to keep every order of namespaces, and what is asked for twice.

    Raises:
        FeatureError: There would be more than ``MAX_COMBINATIONS``.
    """
    found: list[tuple[int, ...]] = []
    if duplicates:
        return _every_order(patterns, present)
    once = _once_each(map(tuple, patterns))
    if not any(WILDCARD in pattern for pattern in once):
        return once
    for pattern in once:
        wilds = pattern.count(WILDCARD)
        if present and len(found) + math.comb(len(present) + wilds - 1, wilds) > MAX_COMBINATIONS:
            raise FeatureError(f"wildcards stand for more than {MAX_COMBINATIONS:,} combinations")
        for filling in itertools.combinations_with_replacement(present, wilds):
            # generate_namespace_combinations_with_repetition gives falling namespaces, the
            # quick way for two wildcards rising ones
            rest = iter(filling if wilds < 3 else reversed(filling))
            found.append(tuple(next(rest) if byte == WILDCARD else byte for byte in pattern))
    return _once_each(found)


def _every_order(patterns: Iterable[bytes], present: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all combinations of namespaces, wildcards filled in with every order of them."""
    found: list[tuple[int, ...]] = []
    for pattern in (_grouped(tuple(pattern)) for pattern in patterns):
        wilds = pattern.count(WILDCARD)
        if len(found) + len(present) ** wilds > MAX_COMBINATIONS:
            raise FeatureError(f"wildcards stand for more than {MAX_COMBINATIONS:,} combinations")
        for filling in itertools.product(present, repeat=wilds):
            rest = iter(filling)
            found.append(tuple(next(rest) if byte == WILDCARD else byte for byte in pattern))
    return [_grouped(each) for each in sorted(found, key=lambda each: (len(each), each))]


def _grouped(namespaces: tuple[int, ...]) -> tuple[int, ...]:
    """Return a combination, sorted if a namespace repeats beside another (parse_args.cc)."""
    repeats = 1 < len(set(namespaces)) < len(namespaces)
    return tuple(sorted(namespaces)) if repeats else namespaces


def _once_each(combinations: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Return combinations by length and content, each unordered set once.

    Those in which a namespace repeats beside another are sorted. Source: parse_args.cc and
    ``sort_and_filter_duplicate_interactions``; wildcards are filled in after it, then it is done
    again.
    """
    kept: dict[tuple[int, ...], tuple[int, ...]] = {}
    for namespaces in sorted(combinations, key=lambda each: (len(each), each)):
        kept.setdefault(tuple(sorted(namespaces)), _grouped(namespaces))
    return list(kept.values())


def _columns(action: Shape, shared: Shape, constant: bool) -> dict[int, Columns]:
    """Return each namespace's columns, namespaces in Vowpal Wabbit's order."""
    groups: dict[int, Columns] = {}
    column = 0
    for namespace, size in action:
        groups[namespace] = np.arange(column, column + size)
        column += size
    if constant:
        groups[CONSTANT_NAMESPACE] = np.array([column])
    column += 1
    for namespace, size in shared:
        more = np.arange(column, column + size)
        before = groups.get(namespace)
        groups[namespace] = more if before is None else np.concatenate((before, more))
        column += size
    return groups


def _runs(namespaces: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return neighbouring equal namespaces as (namespace, times)."""
    return [(namespace, len(list(run))) for namespace, run in itertools.groupby(namespaces)]


def _count(namespaces: tuple[int, ...], groups: dict[int, Columns]) -> int:
    if len(namespaces) == 2 and namespaces[0] != namespaces[1]:
        return len(groups[namespaces[0]]) * len(groups[namespaces[1]])
    return math.prod(math.comb(len(groups[n]) + times - 1, times) for n, times in _runs(namespaces))


def _combine_pairs(pairs: Sequence[tuple[int, ...]], groups: dict[int, Columns]) -> Columns:
    """Return the columns of all terms of many pairs of namespaces, as ``_combine`` does of one."""
    columns = np.concatenate(list(groups.values()))
    starts, sizes = np.zeros(256, np.intp), np.zeros(256, np.intp)
    start = 0
    for namespace, own in groups.items():
        starts[namespace], sizes[namespace] = start, len(own)
        start += len(own)
    first, second = np.array(pairs).T
    width = sizes[second]
    same = first == second
    count = np.where(same, width * (width + 1) // 2, sizes[first] * width)
    ends = np.cumsum(count)
    pair = np.repeat(np.arange(len(pairs)), count)
    left, right = np.divmod(np.arange(len(pair)) - (ends - count)[pair], width[pair])
    for at in np.flatnonzero(same).tolist():
        part = slice(ends[at] - count[at], ends[at])
        left[part], right[part] = _with_itself(int(width[at]), 2)
    return columns.take(np.stack((starts[first][pair] + left, starts[second][pair] + right)))


def _combine(namespaces: tuple[int, ...], groups: dict[int, Columns]) -> Columns:
    """Return the columns of all terms of one combination; the last namespace varies fastest."""
    block = np.zeros((0, 1), np.intp)
    for namespace, times in _runs(namespaces):
        more = groups[namespace][_with_itself(len(groups[namespace]), times)]
        left = np.repeat(block, more.shape[1], axis=1)
        block = np.concatenate((left, np.tile(more, block.shape[1])))
    return block


def _with_itself(size: int, times: int) -> Columns:
    """Return all non-falling choices of ``times`` of ``size`` positions: ``times x choices``."""
    choices = np.arange(size).reshape(1, -1)
    for _ in range(times - 1):
        last = choices[-1]
        counts = size - last
        left = np.repeat(choices, counts, axis=1)
        starts = np.repeat(np.cumsum(counts) - counts - last, counts)
        choices = np.concatenate((left, (np.arange(left.shape[1]) - starts).reshape(1, -1)))
    return choices


def _plan(
    terms: Terms, action: Shape, shared: Shape, in_combinations_only: Columns, size: int
) -> Plan:
    width = sum(size for _, size in action) + 1
    n_shared = sum(size for _, size in shared)
    plain, numbered = list(terms), None
    if shared and shared[-1][0] == SLOT_INDEX_NAMESPACE:
        plain, pairs = _without_index(terms, width + n_shared - 1)
        if pairs:
            own, common, mixed = _divided(pairs, width)
            numbered = Numbered(
                _within(own, 0, width),
                _within(common, width, n_shared),
                _between(mixed, width, n_shared),
            )
    own, common, mixed = _divided(plain, width)
    return Plan(
        terms=terms,
        own=_within(own, 0, width),
        common=_within(common, width, n_shared),
        mixed=_between(mixed, width, n_shared),
        numbered=numbered,
        higher_own=_higher(own),
        higher_common=_higher(block - width for block in common),
        higher_mixed=_higher(mixed),
        in_combinations_only=in_combinations_only,
        size=size,
    )


def _without_index(terms: Sequence[Columns], index: int) -> tuple[list[Columns], list[Columns]]:
    """Return the terms that are not a pair with the ``index`` column, and the pairs of the others.

    The index is the last of a combination: no pattern has it elsewhere, and it sorts last.
    """
    plain, pairs = [], []
    for block in terms:
        of_index = block[-1] == index if len(block) == 3 else np.zeros(block.shape[1], np.bool_)
        plain.append(block[:, ~of_index])
        pairs.append(block[:2, of_index])
    return plain, [pair for pair in pairs if pair.shape[1]]


def _divided(
    blocks: Sequence[Columns], width: int
) -> tuple[list[Columns], list[Columns], list[Columns]]:
    """Return the terms of an action alone, of shared features alone, and of both."""
    own, common, mixed = [], [], []
    for block in blocks:
        ours = (block < width).sum(axis=0)
        own.append(block[:, ours == len(block)])
        common.append(block[:, ours == 0])
        mixed.append(block[:, (ours > 0) & (ours < len(block))])
    return own, common, mixed


def _within(blocks: Sequence[Columns], start: int, width: int) -> Pairs:
    """Return pairs within the extended rows of ``width`` columns that begin at ``start``."""
    single = _of_order(1, blocks)[0] - start
    first, second = _of_order(2, blocks) - start
    nothing = np.zeros(len(single), np.intp)
    right = np.concatenate((single, second)) + 1
    return Pairs(
        left=np.concatenate((nothing, first + width + 1)),
        right=right,
        left_values=np.concatenate((nothing, first + 1)),
        right_values=right,
    )


def _between(blocks: Sequence[Columns], width: int, n_shared: int) -> Pairs:
    """Return pairs between the action's extended rows and the shared features'."""
    first, second = _of_order(2, blocks)
    own_first = first < width
    own = np.where(own_first, first, second) + 1
    shared = np.where(own_first, second, first) - width + 1
    return Pairs(
        left=np.where(own_first, own + width, own),
        right=np.where(own_first, shared, shared + n_shared),
        left_values=own,
        right_values=shared,
    )


def _of_order(order: int, blocks: Sequence[Columns]) -> Columns:
    nothing = np.zeros((order, 0), np.intp)
    return np.concatenate((nothing, *(b for b in blocks if len(b) == order)), axis=1)


def _higher(blocks: Iterable[Columns]) -> Terms:
    return _merge(block for block in blocks if len(block) > 2)


def _merge(blocks: Iterable[Columns]) -> Terms:
    """Join neighbouring blocks of the same order, leave out empty ones."""
    kept = [block for block in blocks if block.shape[1]]
    return tuple(
        np.ascontiguousarray(np.concatenate(list(run), axis=1))
        for _, run in itertools.groupby(kept, key=len)
    )
