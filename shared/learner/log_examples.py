"""From lines of a decision-service log to examples that can be learned."""

from collections.abc import Callable, Iterable, Iterator

from msgspec import UNSET

from shared.events.decision_log import DecisionLine, LogError, LoggedOutcome
from shared.learner.learner import Example, Outcome, SlotsExample


def examples(
    lines: Iterable[tuple[int, DecisionLine]],
    on_bad_line: Callable[[LogError], None] | None = None,
    *,
    slots: bool = False,
) -> Iterator[Example | SlotsExample]:
    """Yield the examples of lines that are to be learned, as Vowpal Wabbit would learn them.

    Decisions without a cost or not activated and observations without a decision are left out.

    Args:
        lines: Numbers and lines, from ``decision_log.read``.
        on_bad_line: Called for each line that cannot be learned; without it the first one raises.
        slots: Whether decisions over slots can be learned.

    Raises:
        LogError: A line is a decision over slots although these cannot be learned, or does not say
            which action was chosen or what was decided.
    """
    for number, line in lines:
        if line.skip_learn is True:
            continue
        try:
            if line.has_slots:
                if not slots:
                    raise LogError(number, "decisions over slots need --ccb_explore_adf")
                example = _slots_example(number, line)
                if example.costs:
                    yield example
            elif line.is_decision and line.cost is not None:
                yield _example(number, line)
        except LogError as exc:
            if on_bad_line is None:
                raise
            on_bad_line(exc)


def _example(number: int, line: DecisionLine) -> Example:
    cost, probability, chosen = line.cost, line.probability, line.chosen
    if cost is None or probability is None or chosen is None:
        raise LogError(number, "the chosen action or its probability is missing")
    _require_probability(number, probability)
    return Example(bytes(line.context), chosen, cost, probability, line.weight)  # type: ignore[arg-type]  # it is a decision


def _slots_example(number: int, line: DecisionLine) -> SlotsExample:
    if line.context is UNSET:
        raise LogError(number, "there are outcomes of slots, but no decision (c)")
    outcomes = tuple(_outcome(number, logged) for logged in line.outcomes or ())
    return SlotsExample(bytes(line.context), outcomes, line.weight)


def _outcome(number: int, logged: LoggedOutcome) -> Outcome | None:
    """Return what is known of a slot, or None."""
    chosen, probability = logged.chosen, logged.probability
    if chosen is None or probability is None:
        return None
    _require_probability(number, probability)
    return Outcome(chosen, logged.cost, probability)


def _require_probability(number: int, probability: float) -> None:
    if not 0.0 < probability <= 1.0 + 1e-6:
        raise LogError(number, "the probability must be above 0 and at most 1")
