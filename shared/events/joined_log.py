"""The joined log: one line of decision-service JSON per closed event.

It is the format in which Vowpal Wabbit and the retired service kept their logs
(``decision_service`` parser in VW's source), with additions that other readers skip:
``Bucket``, the bucket of the event, ``Mode``, the learning mode unless it is Online, and ``Id`` and
``Timestamp`` in each observation, with which a log can be learned again under other settings.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from shared.events.interaction import BASELINE
from shared.events.join import JoinedExample, learned_reward, within_wait
from shared.events.learning_mode import LearningMode
from shared.events.observation import Observation
from shared.events.rewards import RewardSettings, aggregate


class LoggedObservation(msgspec.Struct, omit_defaults=True):
    """A reward (``v``) or an activation (``ActionTaken``) of the event."""

    EventId: str
    Timestamp: datetime
    Id: str
    v: float | None = None
    ActionTaken: bool = False


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
    Timestamp: datetime
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


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(LogLine)


def encode_lines(examples: Iterable[tuple[int, JoinedExample]], mode: LearningMode) -> bytes:
    """Return the log lines of buckets and examples, each ended by a newline.

    Args:
        examples: The bucket of each example, and the example.
        mode: Of the loop; examples that it does not learn are marked.
    """
    return _ENCODER.encode_lines(_line(bucket, example, mode) for bucket, example in examples)


def encode_line(line: LogLine) -> bytes:
    """Return a line as it was read, ended by a newline."""
    return _ENCODER.encode(line) + b"\n"


def decode_lines(data: bytes) -> Iterator[LogLine]:
    """Yield the lines of a log that this module wrote."""
    for line in data.splitlines():
        yield _DECODER.decode(line)


def reward_of(line: LogLine, settings: RewardSettings, mode: LearningMode) -> tuple[float, bool]:
    """Return the reward to learn a logged event with, under the present settings, and whether."""
    seen = [o for o in line.o if within_wait(_observation(o), line.Timestamp, settings.wait)]
    rewards = [o.v for o in seen if o.v is not None]
    active = not line.deferred or any(o.ActionTaken for o in seen)
    matches = line.label_index == BASELINE
    reward = learned_reward(line.Mode, matches, aggregate(rewards, settings))
    return reward, active and line.Mode is mode


def _line(bucket: int, example: JoinedExample, mode: LearningMode) -> LogLine:
    interaction = example.interaction
    probabilities = interaction.probabilities
    if interaction.mode is LearningMode.LOGGING_ONLY:
        probabilities = tuple(float(a == interaction.chosen) for a in range(len(probabilities)))
    return LogLine(
        label_cost=-example.learned_reward,
        label_probability=interaction.propensity,
        label_action=interaction.chosen + 1,
        label_index=interaction.chosen,
        o=[_logged(observation) for observation in example.observations],
        Timestamp=interaction.time,
        Version="1",
        EventId=interaction.event_id,
        a=[action + 1 for action in interaction.ranking],
        c=msgspec.Raw(interaction.context),
        p=[probabilities[action] for action in interaction.ranking],
        VWState=VWState(interaction.model_version or "N/A"),
        original_label_cost=-example.reward,
        skip_learn=not example.is_learned(mode),
        deferred=interaction.deferred,
        Mode=interaction.mode,
        Bucket=bucket,
    )


def _logged(observation: Observation) -> LoggedObservation:
    return LoggedObservation(
        EventId=observation.event_id,
        Timestamp=observation.time,
        Id=observation.id,
        v=observation.reward,
        ActionTaken=observation.is_activation,
    )


def _observation(logged: LoggedObservation) -> Observation:
    return Observation(logged.EventId, logged.Id, logged.Timestamp, logged.v)
