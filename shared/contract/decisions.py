"""Decisions on the wire, one by one, with their reasons."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.contract.errors import ErrorCode
from shared.contract.fields import refuser
from shared.contract.times import render_time
from shared.events.interaction import Interaction
from shared.learner.features import split_decision
from shared.services.decisions import DecisionReport, ExplainedDecision

MOST = 50
DEFAULT = 20

_refuse = refuser(ErrorCode.BAD_REQUEST)


def parse_top(parameters: Mapping[str, str]) -> int:
    """Return how many decisions a query asks for.

    Raises:
        ContractError: It is not a number from 1 to ``MOST``.
    """
    text = parameters.get("top") or str(DEFAULT)
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST):
        raise _refuse("top", f"top must be a whole number from 1 to {MOST}.")
    return int(text)


def render_decisions(loop: str, decisions: Sequence[DecisionReport]) -> bytes:
    """Return the body of a list of decisions."""
    return msgspec.json.encode({"loop": loop, "decisions": [_decision(each) for each in decisions]})


def render_decision(loop: str, found: ExplainedDecision) -> bytes:
    """Return the body of one decision and its explanation."""
    interaction = found.report.interaction
    shared, _ = split_decision(interaction.context)
    explanation = None
    if found.explanations is not None:
        explanation = {
            "modelVersion": found.model_version,
            "isDecidingModel": found.is_deciding_model,
            "actions": [
                {
                    "id": action,
                    "score": each.score,
                    "features": [
                        {"name": part.name, "value": part.value, "score": part.score}
                        for part in each.contributions
                    ],
                }
                for action, each in zip(interaction.actions, found.explanations, strict=True)
            ],
        }
    return msgspec.json.encode(
        {
            "loop": loop,
            **_decision(found.report),
            "context": shared.get("FromUrl"),
            "excludedActions": [excluded.id for excluded in interaction.excluded],
            "explanation": explanation,
        }
    )


def _decision(report: DecisionReport) -> dict[str, Any]:
    interaction = report.interaction
    return {
        "eventId": interaction.event_id,
        "time": render_time(interaction.time),
        "status": report.status,
        "mode": interaction.mode,
        "rewardActionId": interaction.actions[interaction.shown],
        "probability": interaction.probabilities[interaction.shown],
        "modelVersion": interaction.model_version,
        "deferred": interaction.deferred,
        "activated": report.is_activated,
        "reward": report.reward,
        "rewards": [
            {
                "value": seen.reward,
                "delaySeconds": round((seen.time - interaction.time).total_seconds(), 3),
            }
            for seen in report.observations
            if seen.reward is not None
        ],
        "actions": _actions(interaction),
    }


def _actions(interaction: Interaction) -> list[dict[str, Any]]:
    return [
        {"id": action, "probability": probability}
        for action, probability in zip(interaction.actions, interaction.probabilities, strict=True)
    ]
