"""The joined log: one line of decision-service JSON per closed event.

It is the format in which Vowpal Wabbit and the retired service kept their logs
(``decision_service`` parser in VW's source), with additions that other readers skip:
``Bucket``, the bucket of the event, ``Mode``, the learning mode unless it is Online, and ``Id`` and
``Timestamp`` in each observation, with which a log can be learned again under other settings.
A decision over slots has a form of its own, with the slots in ``_outcomes``; activations, which are
for all of them, stand beside them in ``o``.
"""

import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated

import msgspec

from shared.events.interaction import BASELINE
from shared.events.join import JoinedExample, JoinedSlots, learned_reward, within_wait
from shared.events.learning_mode import LearningMode
from shared.events.observation import Observation
from shared.events.rewards import RewardSettings, aggregate

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time that is read with its zone, or not at all."""


class LoggedObservation(msgspec.Struct, omit_defaults=True):
    """A reward (``v``, of the slot ``Index``) or an activation (``ActionTaken``) of the event."""

    EventId: str
    Timestamp: Moment
    Id: str
    v: float | None = None
    ActionTaken: bool = False
    Index: str | None = None


class VWState(msgspec.Struct):
    """Names the model that decided."""

    m: str


class LogLine(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One closed event as logged; names are those of the format."""

    label_cost: float = msgspec.field(name="_label_cost")
    label_probability: float = msgspec.field(name="_label_probability")
    label_action: int = msgspec.field(name="_label_Action")
    label_index: int = msgspec.field(name="_labelIndex")
    o: list[LoggedObservation]
    Timestamp: Moment
    Version: str
    EventId: str
    a: list[int]
    c: msgspec.Raw
    p: list[float]
    VWState: VWState
    original_label_cost: float = msgspec.field(name="_original_label_cost")
    skip_learn: bool = msgspec.field(name="_skipLearn", default=False)
    deferred: bool = msgspec.field(name="DeferredAction", default=False)
    Mode: LearningMode = LearningMode.ONLINE
    Bucket: int


class SlotOutcome(msgspec.Struct, kw_only=True):
    """One slot of a closed event; ``a`` and ``p`` are empty if no action was left for it."""

    label_cost: float = msgspec.field(name="_label_cost")
    id: str = msgspec.field(name="_id")
    a: list[int] = msgspec.field(name="_a")
    p: list[float] = msgspec.field(name="_p")
    o: list[LoggedObservation] = msgspec.field(name="_o")
    original_label_cost: float = msgspec.field(name="_original_label_cost")


class SlotsLogLine(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One closed event over slots as logged; Vowpal Wabbit needs ``c`` before ``_outcomes``."""

    Timestamp: Moment
    Version: str
    EventId: str
    c: msgspec.Raw
    outcomes: list[SlotOutcome] = msgspec.field(name="_outcomes")
    baseline: list[int] = msgspec.field(name="_ba")
    VWState: VWState
    o: list[LoggedObservation]
    skip_learn: bool = msgspec.field(name="_skipLearn", default=False)
    deferred: bool = msgspec.field(name="DeferredAction", default=False)
    Mode: LearningMode = LearningMode.ONLINE
    Bucket: int

    def __post_init__(self) -> None:
        """Refuse what no decision over slots can be."""
        if len(self.outcomes) != len(self.baseline):
            raise ValueError("slots and baseline actions differ in number")


AnyLogLine = LogLine | SlotsLogLine

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(LogLine)
_SLOTS_DECODER = msgspec.json.Decoder(SlotsLogLine)
_WITHOUT_SLOTS = b'{"_label_cost":'


def encode_lines(
    examples: Iterable[tuple[int, JoinedExample | JoinedSlots]], mode: LearningMode, slots: bool
) -> bytes:
    """Return the log lines of buckets and examples, each ended by a newline.

    Args:
        examples: The bucket of each example, and the example.
        mode: Of the loop; examples that it does not learn are marked.
        slots: Whether the loop is one with slots, likewise.
    """
    return _ENCODER.encode_lines(
        _slots_line(bucket, example, not example.is_learned(mode, slots))
        if isinstance(example, JoinedSlots)
        else _line(bucket, example, not example.is_learned(mode, slots))
        for bucket, example in examples
    )


def encode_line(line: AnyLogLine) -> bytes:
    """Return a line as it was read, ended by a newline."""
    return _ENCODER.encode(line) + b"\n"


def decode_lines(data: bytes) -> Iterator[AnyLogLine]:
    """Yield the lines of a log that this module wrote."""
    return map(decode_line, io.BytesIO(data))  # splitlines looks at every byte


def decode_line(text: bytes) -> AnyLogLine:
    """Return a line of a log that this module wrote."""
    decoder = _DECODER if text.startswith(_WITHOUT_SLOTS) else _SLOTS_DECODER
    return decoder.decode(text)


def is_learned(line: AnyLogLine, settings: RewardSettings, mode: LearningMode, slots: bool) -> bool:
    """Whether a loop with the present settings learns a logged event."""
    active = not line.deferred or any(o.ActionTaken for o in _in_time(line.o, line, settings))
    return active and line.Mode is mode and isinstance(line, SlotsLogLine) is slots


def reward_of(line: LogLine, settings: RewardSettings) -> float:
    """Return the reward to learn a logged event with, under the present settings."""
    matches = line.label_index == BASELINE
    return learned_reward(line.Mode, matches, _reward(line.o, line, settings))


def rewards_of(line: SlotsLogLine, settings: RewardSettings) -> list[float]:
    """Return the rewards to learn a logged event's slots with, under the present settings."""
    return [
        learned_reward(line.Mode, outcome.a[:1] == [baseline], _reward(outcome.o, line, settings))
        for outcome, baseline in zip(line.outcomes, line.baseline, strict=True)
    ]


def _in_time(
    seen: Iterable[LoggedObservation], line: AnyLogLine, settings: RewardSettings
) -> Iterator[LoggedObservation]:
    for logged in seen:
        if within_wait(logged.Timestamp, line.Timestamp, settings.wait):
            yield logged


def _reward(seen: Iterable[LoggedObservation], line: AnyLogLine, settings: RewardSettings) -> float:
    rewards = [o.v for o in _in_time(seen, line, settings) if o.v is not None]
    return aggregate(rewards, settings)


def _line(bucket: int, example: JoinedExample, skip: bool) -> LogLine:
    interaction = example.interaction
    probabilities = interaction.probabilities
    if interaction.mode is LearningMode.LOGGING_ONLY:
        probabilities = tuple(float(a == interaction.chosen) for a in range(len(probabilities)))
    return LogLine(
        label_cost=-example.learned_reward,
        label_probability=interaction.propensity,
        label_action=interaction.chosen + 1,
        label_index=interaction.chosen,
        o=[_logged(seen, seen.reward) for seen in example.observations],
        Timestamp=interaction.time,
        Version="1",
        EventId=interaction.event_id,
        a=[action + 1 for action in interaction.ranking],
        c=msgspec.Raw(interaction.context),
        p=[probabilities[action] for action in interaction.ranking],
        VWState=VWState(interaction.model_version or "N/A"),
        original_label_cost=-example.reward,
        skip_learn=skip,
        deferred=interaction.deferred,
        Mode=interaction.mode,
        Bucket=bucket,
    )


def _slots_line(bucket: int, example: JoinedSlots, skip: bool) -> SlotsLogLine:
    interaction = example.interaction
    return SlotsLogLine(
        Timestamp=interaction.time,
        Version="1",
        EventId=interaction.event_id,
        c=msgspec.Raw(interaction.context),
        outcomes=[
            SlotOutcome(
                label_cost=-learned,
                id=choice.id,
                a=list(choice.ranking),
                p=list(choice.probabilities),
                o=[
                    _logged(seen, value, choice.id) for seen, value in example.rewards_of(choice.id)
                ],
                original_label_cost=-reward,
            )
            for choice, learned, reward in zip(
                interaction.choices, example.learned_rewards, example.rewards, strict=True
            )
        ],
        baseline=[choice.baseline for choice in interaction.choices],
        VWState=VWState(interaction.model_version or "N/A"),
        o=[_logged(seen, None) for seen in example.observations if seen.is_activation],
        skip_learn=skip,
        deferred=interaction.deferred,
        Mode=interaction.mode,
        Bucket=bucket,
    )


def _logged(
    observation: Observation, value: float | None, slot: str | None = None
) -> LoggedObservation:
    return LoggedObservation(
        EventId=observation.event_id,
        Timestamp=observation.time,
        Id=observation.id,
        v=value,
        ActionTaken=observation.is_activation,
        Index=slot,
    )
