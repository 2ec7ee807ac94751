"""Decision-service JSON, the log format of the original: one decision per line, read as a stream.

Source: ``parse_example_json.h`` in Vowpal Wabbit and the log parser of rlclientlib, of which lines
of both spellings are understood (``_label_cost`` and so on, or one ``_label`` object). A line is a
decision over one list of actions, or over several slots (``_outcomes``), or an observation whose
decision was never found. Members that are not named here are skipped.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

_Value = TypeVar("_Value")

MAX_LINE = 8 << 20
"""Bytes; the original took requests of far less."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class LogError(ValueError):
    """A line cannot be used.

    Attributes:
        number: Of the line, counted from 1.
        reason: Why; it never holds what the line says.
    """

    def __init__(self, number: int, reason: str) -> None:
        """Complain about a line."""
        super().__init__(f"line {number}: {reason}")
        self.number = number
        self.reason = reason


class Label(msgspec.Struct, omit_defaults=True):
    """What is known of the chosen action, in the older spelling."""

    Cost: float | UnsetType = UNSET
    Probability: float | UnsetType = UNSET
    Action: int | UnsetType = UNSET


_NO_LABEL = Label()


class LoggedOutcome(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One slot of a decision: its actions, the chosen one first, and how that turned out."""

    label_cost: float | UnsetType = msgspec.field(name="_label_cost", default=UNSET)
    id: str | UnsetType = msgspec.field(name="_id", default=UNSET)
    actions: list[int] | int | UnsetType = msgspec.field(name="_a", default=UNSET)
    probabilities: list[float] | float | UnsetType = msgspec.field(name="_p", default=UNSET)
    observations: msgspec.Raw | UnsetType = msgspec.field(name="_o", default=UNSET)
    original_label_cost: float | UnsetType = msgspec.field(
        name="_original_label_cost", default=UNSET
    )

    @property
    def cost(self) -> float | None:
        """The chosen action's cost (negative reward), if it is known."""
        return _first(self.label_cost)

    @property
    def probability(self) -> float | None:
        """The chance that the chosen action had, if it is known."""
        return _leading(self.probabilities)

    @property
    def chosen(self) -> int | None:
        """The chosen action's position, from 0, if it is known."""
        return _leading(self.actions)


class DecisionLine(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A line of the log; what it does not say is UNSET and not written either."""

    label_cost: float | UnsetType = msgspec.field(name="_label_cost", default=UNSET)
    label_probability: float | UnsetType = msgspec.field(name="_label_probability", default=UNSET)
    label_action: int | UnsetType = msgspec.field(name="_label_Action", default=UNSET)
    label_index: int | UnsetType = msgspec.field(name="_labelIndex", default=UNSET)
    label: Label | UnsetType = msgspec.field(name="_label", default=UNSET)
    skip_learn: bool | UnsetType = msgspec.field(name="_skipLearn", default=UNSET)
    observations: msgspec.Raw | UnsetType = msgspec.field(name="o", default=UNSET)
    Timestamp: str | UnsetType = UNSET
    Version: str | UnsetType = UNSET
    EventId: str | UnsetType = UNSET
    actions: list[int] | UnsetType = msgspec.field(name="a", default=UNSET)
    context: msgspec.Raw | UnsetType = msgspec.field(name="c", default=UNSET)
    probabilities: list[float] | UnsetType = msgspec.field(name="p", default=UNSET)
    outcomes: list[LoggedOutcome] | UnsetType = msgspec.field(name="_outcomes", default=UNSET)
    baseline: list[int] | UnsetType = msgspec.field(name="_ba", default=UNSET)
    VWState: msgspec.Raw | UnsetType = UNSET
    pdrop: float | UnsetType = UNSET
    original_label_cost: float | UnsetType = msgspec.field(
        name="_original_label_cost", default=UNSET
    )
    RewardValue: msgspec.Raw | UnsetType = UNSET

    @property
    def is_decision(self) -> bool:
        """Whether it is a decision over one list of actions."""
        return self.context is not UNSET and self.outcomes is UNSET

    @property
    def has_slots(self) -> bool:
        """Whether it is a decision over several slots."""
        return self.outcomes is not UNSET

    @property
    def is_learned(self) -> bool:
        """Whether it has a cost and was activated."""
        return self.cost is not None and self.skip_learn is not True

    @property
    def cost(self) -> float | None:
        """The chosen action's cost (negative reward), if it is known."""
        return _first(self.label_cost, (self.label or _NO_LABEL).Cost)

    @property
    def probability(self) -> float | None:
        """The chance that the chosen action had, if it is known."""
        first = self.probabilities[0] if self.probabilities else UNSET
        return _first(self.label_probability, (self.label or _NO_LABEL).Probability, first)

    @property
    def chosen(self) -> int | None:
        """The chosen action's position, from 0, if it is known."""
        action = _first(
            self.label_action,
            (self.label or _NO_LABEL).Action,
            self.actions[0] if self.actions else UNSET,
        )
        return _first(self.label_index, UNSET if action is None else action - 1)

    @property
    def weight(self) -> float:
        """How many decisions it stands for, if others were dropped with a known chance."""
        return 1.0 / (1.0 - self.pdrop) if self.pdrop else 1.0


_decode = msgspec.json.Decoder(DecisionLine).decode
encode = msgspec.json.Encoder().encode_lines
"""Return lines as bytes, each ended by a newline."""


def read(
    stream: BufferedReader, on_bad_line: Callable[[LogError], None] | None = None
) -> Iterator[tuple[int, DecisionLine]]:
    """Yield numbers and lines of a log, plain or compressed by gzip; blank lines are skipped.

    Memory does not depend on the log's length.

    Args:
        stream: The log, such as a file opened for reading bytes.
        on_bad_line: Called for each line that cannot be used; without it the first one raises.

    Raises:
        LogError: A line cannot be used, or the stream's compression is damaged.
    """
    for number, text in _lines(stream):
        if text is not None and not text.strip():
            continue
        try:
            yield number, _read(number, text)
        except LogError as exc:
            if on_bad_line is None:
                raise
            on_bad_line(exc)


def _read(number: int, text: bytes | None) -> DecisionLine:
    if text is None:
        raise LogError(number, f"longer than {MAX_LINE:,} bytes")
    try:
        line = _decode(text)
    except msgspec.ValidationError as exc:
        raise LogError(number, f"a member has a wrong form: {exc}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise LogError(number, "not JSON, or not all of it") from exc
    if line.context is UNSET and line.RewardValue is UNSET and line.observations is UNSET:
        raise LogError(number, "neither a decision nor an observation")
    if line.pdrop is not UNSET and not 0.0 <= line.pdrop < 1.0:
        raise LogError(number, "pdrop must be at least 0 and below 1")
    return line


def _lines(stream: BufferedReader) -> Iterator[tuple[int, bytes | None]]:
    """Yield numbers and lines; None for one that is too long."""
    source: BufferedReader | gzip.GzipFile = stream
    if stream.peek(2)[:2] == _GZIP:
        source = gzip.GzipFile(fileobj=stream)
    number = 0
    while True:
        number += 1
        try:
            text = source.readline(MAX_LINE + 1)
            too_long = len(text) > MAX_LINE
            while too_long and text and not text.endswith(b"\n"):
                text = source.readline(MAX_LINE)
        except (OSError, EOFError, zlib.error) as exc:
            raise LogError(number, "the log cannot be read on: its compression is damaged") from exc
        if not text and not too_long:
            return
        if number == 1:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        yield number, None if too_long else text


def _first(*values: _Value | UnsetType | None) -> _Value | None:
    return next((value for value in values if value is not UNSET and value is not None), None)


def _leading(values: list[_Value] | _Value | UnsetType) -> _Value | None:
    """Return the first of a list, or the value that stands in its place, if there is one."""
    return _first(*values) if isinstance(values, list) else _first(values)
