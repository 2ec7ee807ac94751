"""Findings about training: no model, an old one, or a trainer that does not keep up."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from shared.services.findings.checkup import FEW, Checkup, Finding, Severity, span

PATIENCE = timedelta(minutes=10)


def never_published(seen: Checkup) -> Iterator[Finding]:
    """Events were closed, and there is no model."""
    state, row = seen.state, seen.row
    if state.published or state.replay or row.events < FEW:
        return
    nothing = row.active == 0
    yield Finding(
        Severity.ERROR,
        "neverPublished",
        "There is no model",
        f"{row.events:,} events of the last day are closed, {row.active:,} of them active, and no "
        "model was published.",
        "All decisions are deferred and none is activated."
        if nothing
        else "The model was reset just now, or training fails after it has joined events.",
        "Call Activate for decisions that were shown, or do not defer them."
        if nothing
        else "Wait for modelExportFrequency; then look at the trainer's log.",
    )


def model_stale(seen: Checkup) -> Iterator[Finding]:
    """What was learned is not served."""
    state = seen.state
    if state.published is None or state.published_at is None or state.trained is None:
        return
    age = state.trained.modified - state.published_at
    frequency = seen.settings.model_export_frequency
    if state.trained != state.published and age > 3 * frequency + PATIENCE:
        yield Finding(
            Severity.ERROR,
            "modelStale",
            "An old model decides",
            f"The model in use was published {_ago(seen, state.published_at)}; a newer one is "
            f"ready, and modelExportFrequency is {span(frequency.total_seconds())}.",
            "The trainer stops before it publishes.",
            "Look at the trainer's log, and start it with POST /loops/{loop}/train.",
        )


def training_behind(seen: Checkup) -> Iterator[Finding]:
    """Closed events wait to be learned."""
    if seen.lag > PATIENCE:
        last = seen.state.last_training
        committed = f"its last step {_ago(seen, last)}" if last else "nothing yet"
        yield Finding(
            Severity.ERROR,
            "trainingBehind",
            "Training is behind",
            f"Events have waited for {span(seen.lag.total_seconds())} since they could have been "
            f"learned; the trainer has committed {committed}.",
            "The timer does not run, the trainer fails, or there are more events than it can take.",
            "See that the train function is enabled and TRAIN_SCHEDULE is set; look at its log; "
            "start it with POST /loops/{loop}/train.",
        )


def events_arrive_late(seen: Checkup) -> Iterator[Finding]:
    """Events were written after their time, and are lost for learning."""
    if seen.row.late_events:
        yield Finding(
            Severity.ERROR,
            "eventsArriveLate",
            "Events were stored too late to be learned",
            f"{seen.row.late_events:,} rows of the last day appeared after their bucket was read.",
            "The clocks of instances differ by more than CLOCK_SKEW_SECONDS.",
            "Raise CLOCK_SKEW_SECONDS; learning is delayed by twice as much.",
        )


def _ago(seen: Checkup, time: datetime) -> str:
    return f"{span((seen.now - time).total_seconds())} ago"


CHECKS = (never_published, model_stale, training_behind, events_arrive_late)
