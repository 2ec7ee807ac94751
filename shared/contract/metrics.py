"""Metrics on the wire; members are called as the retired service called its metrics."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.contract.durations import parse_duration, render_duration
from shared.contract.errors import ErrorCode
from shared.contract.fields import refuser
from shared.contract.times import parse_time, render_time
from shared.events.sketches import Delays, Distinct, Frequent
from shared.learner.estimators import Estimate
from shared.services.metrics import MetricsReport, Range, range_of
from shared.services.metrics_row import FeatureCounts, Row, merged
from shared.services.metrics_store import Level

_LISTED = 100
_LISTED_IN_ROWS = 20  # actions and models; features are listed in the total only

_refuse = refuser(ErrorCode.BAD_REQUEST)


def parse_range(parameters: Mapping[str, str], known: Sequence[Level], now: datetime) -> Range:
    """Return the range that a query asks for; without one, the last day.

    Raises:
        ContractError: A parameter is wrong, or the range has too many rows.
    """
    end = parse_time(parameters, "to") or now
    start = parse_time(parameters, "from") or end - timedelta(days=1)
    if start >= end:
        raise _refuse("from", "from must be before to.")
    try:
        return range_of(known, start, end, _interval(parameters))
    except ValueError as exc:
        widths = ", ".join(render_duration(timedelta(seconds=level.width)) for level in known)
        raise _refuse("interval", f"{str(exc).capitalize()}; intervals are {widths}.") from exc


def render_metrics(loop: str, report: MetricsReport) -> bytes:
    """Return the answer's body: the rows, their total, and where training stands."""
    width = report.range.level.width
    return msgspec.json.encode(
        {
            "loop": loop,
            "from": render_time(report.range.start),
            "to": render_time(report.range.end),
            "interval": render_duration(timedelta(seconds=width)),
            "intervalSeconds": width,
            "closedUntil": render_time(report.state.cursor),
            "training": _training(report),
            "total": _row(merged(row for _, row in report.rows), _LISTED, _LISTED),
            "rows": [
                {"start": render_time(slot), **_row(row, _LISTED_IN_ROWS)}
                for slot, row in report.rows
            ],
        }
    )


def _interval(parameters: Mapping[str, str]) -> timedelta | None:
    text = parameters.get("interval")
    if not text:
        return None
    try:
        return parse_duration(text)
    except (ValueError, OverflowError) as exc:
        raise _refuse("interval", "interval must be a duration such as PT1H.") from exc


def _training(report: MetricsReport) -> dict[str, Any]:
    state, model = report.state, report.state.published
    return {
        "lastTraining": state.last_training and render_time(state.last_training),
        "lagSeconds": round(report.lag.total_seconds(), 1),
        "model": model
        and {
            "version": model.version,
            "publishedAt": state.published_at and render_time(state.published_at),
            "createdAt": render_time(model.created),
            "learnedEvents": model.learned,
        },
        "history": list(state.history),
    }


def _row(row: Row, listed: int, features: int = 0) -> dict[str, Any]:
    active = row.active
    return {
        "totalEvents": row.events,
        "nonActivatedEvents": row.inactive,
        "learnedEvents": row.learned,
        "otherModeEvents": active - row.learned,
        "observedRewards": row.rewarded,
        "defaultedRewards": active - row.rewarded,
        "duplicateEvents": row.duplicates,
        "lateRewards": row.late,
        "danglingRewards": row.dangling,
        "lateEvents": row.late_events,
        "online": _estimate(row.online, own=True),
        "baseline": _estimate(row.baseline),
        "baselineRandom": _estimate(row.uniform),
        "best": _estimate(row.best),
        "explored": row.explored,
        "exploredShare": _per(row.explored, row.uniform.events),
        "matchesBaseline": row.matched,
        "matchesBaselineShare": _per(row.matched, row.decisions),
        "imitated": row.imitated,
        "imitationsMatched": row.imitations_matched,
        "equalProbabilities": row.equal,
        "withoutModel": row.without_model,
        "decisionEntropy": _per(row.entropy, row.uniform.events),
        "choiceEntropy": row.actions.entropy,
        "choiceEntropyIsExact": not row.actions.rest.count,
        "rewardRange": {"min": row.lowest, "max": row.highest},
        "rewardDelay": _delays(row.delays),
        "lateRewardDelay": _delays(row.late_delays),
        "actions": _actions(row, listed),
        "actionsPerEvent": _per(row.offered, active),
        "contextFeatures": _features(row.context, active, features),
        "actionFeatures": _features(row.features, active, features),
        "models": [
            {"version": version, "events": share.count}
            for version, share in row.models.by_count()[:listed]
        ],
        "modelsRest": _rest(row.models, listed)[0],
        "shards": [row.shards.get(shard, 0) for shard in range(max(row.shards, default=-1) + 1)],
        "training": {
            "steps": row.steps,
            "seconds": round(row.seconds, 3),
            "learnedEvents": row.learned,
            "mostLagSeconds": round(row.lag, 1),
        },
    }


def _estimate(estimate: Estimate, *, own: bool = False) -> dict[str, Any]:
    mean, half = estimate.mean, estimate.half_width
    known = mean is not None and half is not None
    fields = {
        "eventCount": estimate.matched,
        "reward": estimate.rewards,
        "mean": mean,
        "low": mean - half if known else None,  # type: ignore[operator]  # both are known
        "high": mean + half if known else None,  # type: ignore[operator]  # likewise
    }
    if own:
        return fields
    return fields | {
        "snips": estimate.self_normalized,
        "effectiveSampleSize": estimate.effective_sample_size,
    }


def _actions(row: Row, listed: int) -> dict[str, Any]:
    shows, reward = _rest(row.actions, listed)
    return {
        "top": [
            {
                "id": name,
                "shows": share.count,
                "reward": share.total,
                "mean": _per(share.total, share.count),
            }
            for name, share in row.actions.by_count()[:listed]
        ],
        "rest": {"shows": shows, "reward": reward, "mean": _per(reward, shows)},
        "missedShowsAtMost": row.actions.missed,
        "cardinality": _distinct(row.action_ids),
    }


def _features(counts: FeatureCounts, events: int, listed: int) -> dict[str, Any]:
    return {
        "perEvent": _per(counts.features, events),
        "namespacesPerEvent": _per(counts.namespaces, events),
        "eventsWithout": counts.without,
        "cardinality": _distinct(counts.values),
        "top": [
            {"name": name, "occurrences": share.count}
            for name, share in counts.names.by_count()[:listed]
        ],
        "rest": _rest(counts.names, listed)[0],
    }


def _rest(names: Frequent, listed: int) -> tuple[int, float]:
    """Return count and total of everything but the names that are listed."""
    shares = [share for _, share in names.by_count()[listed:]] + [names.rest]
    return sum(share.count for share in shares), sum(share.total for share in shares)


def _distinct(distinct: Distinct) -> dict[str, Any]:
    return {"count": distinct.count, "isExact": distinct.is_exact}


def _delays(delays: Delays) -> dict[str, Any]:
    shares = {"p50Seconds": 0.5, "p90Seconds": 0.9, "p95Seconds": 0.95, "p99Seconds": 0.99}
    return {"count": delays.count} | {
        name: delays.percentile(share) for name, share in shares.items()
    }


def _per(total: float, count: int) -> float | None:
    return total / count if count else None
