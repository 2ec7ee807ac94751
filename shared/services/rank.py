"""Rank: decide which action to take, and store the decision before it is answered."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.events.event_ids import draw, new_event_id
from shared.events.interaction import (
    AnyInteraction,
    ExcludedAction,
    Interaction,
    SlotChoice,
    SlotsInteraction,
)
from shared.events.learning_mode import LearningMode
from shared.learner.explanation import Explanation, explain
from shared.learner.features import split_decision
from shared.learner.layout import action_json, decision_json, slot_json, slots_json
from shared.learner.policy import choose, drawn_first, uniform
from shared.learner.slots import SlotDecision, decide_slots
from shared.services.append import EventWriter, Writing
from shared.services.meter import RANKED_EVENTS, SILENT, UNLOGGED_DECISIONS, Meter
from shared.services.ports import (
    Clock,
    Conflict,
    EntityTooLarge,
    EventSpace,
    EventStore,
    StorageError,
    StorageUnavailable,
)
from shared.services.rank_request import Action, RankRequest, Slot, SlotsRankRequest
from shared.services.serving import LoopReader, ServedLoop


class NotLogged(StorageUnavailable):
    """A decision could not be stored in time, and the owner wants it answered all the same.

    Attributes:
        interaction: The decision, of the kind that was asked for.
    """

    def __init__(self, interaction: AnyInteraction) -> None:
        """Hand out a decision that is not stored, as far as is known."""
        super().__init__("the decision could not be stored")
        self.interaction: Any = interaction


class RankService:
    """Ranks actions for one loop."""

    def __init__(
        self,
        reader: LoopReader,
        events: EventStore,
        clock: Clock,
        writing: Writing,
        meter: Meter = SILENT,
        unlogged_after: timedelta | None = None,
    ) -> None:
        """Decide with what ``reader`` serves and store into ``events``.

        With ``unlogged_after``, what could not be stored by then may be answered: ``NotLogged``.
        """
        self._reader = reader
        self._events = events
        self._clock = clock
        self._meter = meter
        self._patience = None if unlogged_after is None else unlogged_after.total_seconds()
        self._writer = EventWriter(reader, events, clock, writing, meter)

    async def rank(self, request: RankRequest) -> Interaction:
        """Return the decision for a request, stored.

        The same event id, asked again within its bucket, gets the decision that was stored.

        Raises:
            StorageUnavailable: The decision could not be stored in time.
            NotLogged: Likewise, and it may be answered.
            EntityTooLarge: The request is larger than a stored event can be.
            WrongKindOfLoop: The loop is one with slots.
        """
        served = await self._reader.served_for(slots=False)
        stored = await self._store(decide(request, served, self._clock()))
        if not isinstance(stored, Interaction):
            raise Conflict("the event id was just used for a decision over slots")
        return stored

    async def rank_slots(self, request: SlotsRankRequest) -> SlotsInteraction:
        """Return the decision for a request over slots, stored; repeated as in ``rank``.

        Raises:
            StorageUnavailable: The decision could not be stored in time.
            NotLogged: Likewise, and it may be answered.
            EntityTooLarge: The request is larger than a stored event can be.
            WrongKindOfLoop: The loop is none with slots.
        """
        served = await self._reader.served_for(slots=True)
        stored = await self._store(decide_for_slots(request, served, self._clock()))
        if not isinstance(stored, SlotsInteraction):
            raise Conflict("the event id was just used for a decision without slots")
        return stored

    async def _store(self, interaction: AnyInteraction) -> AnyInteraction:
        async def insert(space: EventSpace, bucket: int) -> AnyInteraction:
            return await self._events.add_interaction(space, bucket, interaction)

        slots = isinstance(interaction, SlotsInteraction)
        try:
            stored = await self._writer.write(insert, slots=slots, within=self._patience)
        except (EntityTooLarge, Conflict):
            raise
        except StorageError as exc:
            if self._patience is None:
                raise
            self._reader.watch.unlogged += 1
            self._meter.record(UNLOGGED_DECISIONS, 1, loop=self._reader.loop)
            raise NotLogged(interaction) from exc
        explored = "true" if stored.explored else "false"
        self._meter.record(RANKED_EVENTS, 1, loop=self._reader.loop, explored=explored)
        return stored

    async def explain(self, interaction: Interaction) -> Sequence[Explanation] | None:
        """Return why each action of a decision has its score; None unless the owner asks for it.

        There is none either for a decision of an older model, which a repeated event id gets.
        Before anything is learned, nothing contributes.
        """
        served = await self._reader.served()
        if not served.settings.explain_inference:
            return None
        if served.model_version != interaction.model_version:
            return None
        if served.policy is None:
            return [Explanation(0.0, ()) for _ in interaction.actions]
        shared, actions = split_decision(interaction.context)
        return explain(served.policy, shared, [bytes(action) for action in actions])


def decide(request: RankRequest, served: ServedLoop, now: datetime) -> Interaction:
    """Draw an action with the served policy's probabilities; pure, given its arguments.

    Without a published model every action is equally likely. The draw depends only on the event
    id and the loop's internal name. In learning mode LoggingOnly nothing is drawn.
    """
    event_id = request.event_id or new_event_id()
    offered: Sequence[Action] = request.actions
    excluded: list[ExcludedAction] = []
    if request.excluded:
        offered = [action for action in request.actions if action.id not in request.excluded]
        excluded = [
            ExcludedAction(position, action.id)
            for position, action in enumerate(request.actions)
            if action.id in request.excluded
        ]
    texts = [action_json(action.id, action.features) for action in offered]
    policy, version = served.decider(slots=False)
    if policy is None:
        decision = uniform(len(offered))
    else:
        decision = policy.decide({"FromUrl": request.context_features}, texts)
    mode = served.settings.learning_mode
    if mode is LearningMode.LOGGING_ONLY:
        ranking = tuple(range(len(offered)))
    else:
        number = draw(event_id, served.settings.policy_name)
        drawn = choose(decision.order, decision.probabilities, number)
        ranking = drawn_first(decision.order, drawn)
    return Interaction(
        event_id=event_id,
        time=now,
        context=decision_json(request.context_features, texts),
        actions=tuple(action.id for action in offered),
        ranking=ranking,
        probabilities=decision.probabilities,
        model_version=version,
        deferred=request.defer_activation,
        excluded=tuple(excluded),
        mode=mode,
    )


def decide_for_slots(
    request: SlotsRankRequest, served: ServedLoop, now: datetime
) -> SlotsInteraction:
    """Draw an action for each slot, as ``decide`` does for one; each slot has a draw of its own."""
    event_id = request.event_id or new_event_id()
    positions = {action.id: position for position, action in enumerate(request.actions)}
    texts = [action_json(action.id, action.features) for action in request.actions]
    slots = [_slot_json(slot, request.actions) for slot in request.slots]
    policy, version = served.decider(slots=True)
    mode = served.settings.learning_mode
    baselines = [positions[slot.baseline] for slot in request.slots]
    if mode is LearningMode.LOGGING_ONLY:
        decisions = tuple(SlotDecision((baseline,), (1.0,)) for baseline in baselines)
    else:
        name = served.settings.policy_name
        decisions = decide_slots(
            policy,
            {"FromUrl": request.context_features},
            texts,
            slots,
            lambda index: draw(event_id, f"{name}/{index}"),
        )
    return SlotsInteraction(
        event_id=event_id,
        time=now,
        context=slots_json(request.context_features, texts, slots),
        actions=tuple(positions),
        choices=tuple(
            SlotChoice(slot.id, baseline, decision.ranking, decision.probabilities)
            for slot, baseline, decision in zip(request.slots, baselines, decisions, strict=True)
        ),
        model_version=version,
        deferred=request.defer_activation,
        mode=mode,
    )


def _slot_json(slot: Slot, actions: Sequence[Action]) -> bytes:
    if not slot.excluded:
        return slot_json(slot.id, slot.features)
    allowed = [at for at, action in enumerate(actions) if action.id not in slot.excluded]
    return slot_json(slot.id, slot.features, allowed)
