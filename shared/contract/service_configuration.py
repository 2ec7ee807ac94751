"""The service configuration on the wire: a PUT sets the required fields and merges the rest."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.contract.durations import parse_date, parse_duration, render_date, render_duration
from shared.contract.errors import ContractError, ErrorCode
from shared.contract.fields import check_number, decode, kind, named, parse_object, refuser
from shared.contract.policy import explored
from shared.contract.sas_uri import EXPECTED, is_sas_uri
from shared.contract.versions import ApiVersion
from shared.events.learning_mode import LearningMode
from shared.events.rewards import Aggregation, RewardSettings
from shared.learner.arguments import ArgumentsError
from shared.services.loop_settings import AutoOptimization, LogMirror, LoopSettings

INT32 = 2**31 - 1
WAIT = (timedelta(seconds=1), timedelta(days=60))
"""Limits of the reward wait time; the retired service stopped at 2 days."""
EXPORT = (timedelta(seconds=1), timedelta(days=7))
OPTIMIZATION = (timedelta(days=1), timedelta(days=3650))

_refuse = refuser(ErrorCode.INVALID_SERVICE_CONFIGURATION)
_OWN_CODES = {
    "rewardWaitTime": (ErrorCode.INVALID_REWARD_WAIT, ApiVersion.V1_1_PREVIEW_1),
    "logRetentionDays": (ErrorCode.INVALID_LOG_RETENTION, ApiVersion.V1_1_PREVIEW_3),
    "modelRetrainDays": (
        ErrorCode.INVALID_MODEL_RETRAIN_DAYS,
        ApiVersion.V2022_09_01_PREVIEW,
    ),
}
"""Fields with a code of their own, and the version that brought it."""

_REQUIRED = (
    "rewardWaitTime",
    "defaultReward",
    "rewardAggregation",
    "explorationPercentage",
    "modelExportFrequency",
    "logRetentionDays",
)
_OPTIONAL = (
    "logMirrorEnabled",
    "logMirrorSasUri",
    "learningMode",
    "isAutoOptimizationEnabled",
    "autoOptimizationFrequency",
    "autoOptimizationStartDate",
    "modelRetrainDays",
    "isInferenceExplainabilityEnabled",
)


def parse_service_configuration(
    body: bytes, current: LoopSettings, version: ApiVersion, now: datetime
) -> LoopSettings:
    """Return the settings after a PUT.

    Raises:
        ContractError: A field is missing or wrong.
    """
    try:
        return _put(body, current, version, now)
    except ContractError as exc:
        code, since = _OWN_CODES.get(exc.target or "", (exc.code, version))
        if version.includes(since):
            raise ContractError(code, exc.message, exc.target) from exc
        raise


def _put(body: bytes, current: LoopSettings, version: ApiVersion, now: datetime) -> LoopSettings:
    members = _members(parse_object(body))
    required: tuple[str, ...] = _REQUIRED
    if version is ApiVersion.V2022_09_01_PREVIEW:
        required = (*_REQUIRED, "modelRetrainDays")
    for name in required:
        if members.get(name) is None:
            raise _refuse(name, f"{name} is required.")
    return _changed(members, current, now)


def merge_service_configuration(
    fields: dict[str, msgspec.Raw], current: LoopSettings, now: datetime
) -> LoopSettings:
    """Return the settings with some fields changed; our own documents need not have them all.

    Raises:
        ContractError: A field is unknown or wrong.
    """
    known = {name.lower() for name in _REQUIRED + _OPTIONAL}
    for name in fields:
        if name.lower() not in known:
            raise _refuse(name or "body", f"There is no field {name!r} in a service configuration.")
    present = msgspec.json.decode(render_service_configuration(current, ApiVersion.V1_0))
    kept = {name: present[name] for name in _REQUIRED}
    return _changed(kept | _members(fields), current, now)


def _members(fields: dict[str, msgspec.Raw]) -> dict[str, Any]:
    return {
        name: decode(raw, name, _refuse)
        for name, raw in named(fields, _REQUIRED + _OPTIONAL).items()
    }


def _changed(members: dict[str, Any], current: LoopSettings, now: datetime) -> LoopSettings:
    rewards = _rewards(members)
    mode = _mode(members, current, rewards)
    exploration = check_number(
        members["explorationPercentage"], 0, 1, "explorationPercentage", _refuse
    )
    return replace(
        current,
        last_edit=now,
        arguments=_arguments(current, exploration),
        exploration=exploration,
        rewards=rewards,
        learning_mode=mode,
        model_export_frequency=_duration(members, "modelExportFrequency", EXPORT),
        log_retention_days=_retention(members["logRetentionDays"], rewards.wait),
        auto_optimization=_auto_optimization(members, current),
        log_mirror=_log_mirror(members, current.log_mirror),
        model_retrain_days=_whole(members, "modelRetrainDays", current.model_retrain_days),
        explain_inference=_boolean(
            members, "isInferenceExplainabilityEnabled", current.explain_inference
        ),
    )


def render_service_configuration(settings: LoopSettings, version: ApiVersion) -> bytes:
    """Return the body of the answer to GET and PUT, with the fields that the version has.

    ``isInferenceExplainabilityEnabled`` was in no published version; it is shown when set.
    """
    rewards, auto = settings.rewards, settings.auto_optimization
    fields: dict[str, Any] = {
        "rewardWaitTime": render_duration(rewards.wait),
        "defaultReward": rewards.default,
        "rewardAggregation": rewards.aggregation,
        "explorationPercentage": settings.exploration,
        "modelExportFrequency": render_duration(settings.model_export_frequency),
        "logMirrorEnabled": settings.log_mirror.enabled,
        "logMirrorSasUri": settings.log_mirror.sas_uri,
        "logRetentionDays": settings.log_retention_days,
    }
    if version.includes(ApiVersion.V1_1_PREVIEW_1):
        fields |= {
            "lastConfigurationEditDate": render_date(settings.last_edit),
            "learningMode": settings.learning_mode,
            "isAutoOptimizationEnabled": auto.enabled,
            "autoOptimizationFrequency": render_duration(auto.frequency),
            "autoOptimizationStartDate": render_date(auto.start),
            "isInferenceExplainabilityEnabled": settings.explain_inference or None,
        }
    if version is ApiVersion.V2022_09_01_PREVIEW:
        fields["modelRetrainDays"] = settings.model_retrain_days
    return msgspec.json.encode({name: v for name, v in fields.items() if v is not None})


def _arguments(current: LoopSettings, exploration: float) -> str:
    if exploration == current.exploration:
        return current.arguments
    try:
        return explored(current.arguments, exploration)
    except ArgumentsError as exc:
        raise _refuse(
            "explorationPercentage",
            f"explorationPercentage does not fit the policy that is set: {exc}.",
        ) from exc


def _rewards(members: dict[str, Any]) -> RewardSettings:
    aggregation = members["rewardAggregation"]
    try:
        chosen = Aggregation(aggregation.lower())
    except (ValueError, AttributeError):
        raise _refuse(
            "rewardAggregation", f"rewardAggregation must be one of {', '.join(Aggregation)}."
        ) from None
    return RewardSettings(
        wait=_duration(members, "rewardWaitTime", WAIT),
        aggregation=chosen,
        default=check_number(members["defaultReward"], -1, 1, "defaultReward", _refuse),
    )


def _mode(members: dict[str, Any], current: LoopSettings, rewards: RewardSettings) -> LearningMode:
    asked = members.get("learningMode")
    if asked is None:
        return current.learning_mode
    modes = {mode.lower(): mode for mode in LearningMode}
    mode = modes.get(asked.lower()) if isinstance(asked, str) else None
    if mode is None:
        raise _refuse("learningMode", f"learningMode must be one of {', '.join(LearningMode)}.")
    if mode is not current.learning_mode and rewards != current.rewards:
        raise ContractError(
            ErrorCode.INVALID_LEARNING_MODE,
            "learningMode cannot change together with rewardWaitTime, defaultReward or "
            "rewardAggregation.",
            "learningMode",
        )
    return mode


def _duration(members: dict[str, Any], name: str, limits: tuple[timedelta, timedelta]) -> timedelta:
    low, high = limits
    value = members[name]
    try:
        duration = parse_duration(value)
    except (ValueError, TypeError, OverflowError):
        raise _refuse(name, f"{name} must be a duration such as PT10M or 00:10:00.") from None
    if not low <= duration <= high:
        bounds = f"{render_duration(low)} and {render_duration(high)}"
        raise _refuse(name, f"{name} must be between {bounds}.")
    return duration


def _retention(value: Any, wait: timedelta) -> int:
    least = math.ceil(wait / timedelta(days=1)) + 1
    if type(value) is not int:
        raise _refuse(
            "logRetentionDays", f"logRetentionDays must be a whole number, not {kind(value)}."
        )
    if value != -1 and not least <= value <= INT32:
        raise _refuse(
            "logRetentionDays",
            f"logRetentionDays must be -1 (for ever), or at least {least}: the reward wait time "
            "and one day.",
        )
    return value


def _auto_optimization(members: dict[str, Any], settings: LoopSettings) -> AutoOptimization:
    name, current = "autoOptimizationFrequency", settings.auto_optimization
    frequency = current.frequency
    if members.get(name) is not None:
        frequency = _duration(members, name, OPTIMIZATION)
    start = _optional(members, "autoOptimizationStartDate", current.start, parse_date, "a date")
    enabled = _boolean(members, "isAutoOptimizationEnabled", current.enabled)
    if enabled and settings.has_slots:
        raise ContractError(
            ErrorCode.AUTO_OPTIMIZATION_WITH_SLOTS,
            "Auto-optimization is not compatible with the slots of the policy that is set.",
            "isAutoOptimizationEnabled",
        )
    return AutoOptimization(enabled, frequency, start)


def _log_mirror(members: dict[str, Any], current: LogMirror) -> LogMirror:
    enabled = members.get("logMirrorEnabled")
    if enabled is not None and type(enabled) is not bool:
        raise _refuse("logMirrorEnabled", "logMirrorEnabled must be a boolean.")
    uri = members.get("logMirrorSasUri")
    if uri is not None and (type(uri) is not str or not is_sas_uri(uri)):
        raise _refuse("logMirrorSasUri", f"logMirrorSasUri must be {EXPECTED}.")
    return LogMirror(
        current.enabled if enabled is None else enabled, current.sas_uri if uri is None else uri
    )


def _boolean(members: dict[str, Any], name: str, current: bool) -> bool:
    value = members.get(name)
    if value is None:
        return current
    if type(value) is not bool:
        raise _refuse(name, f"{name} must be a boolean, not {kind(value)}.")
    return value


def _whole(members: dict[str, Any], name: str, current: int) -> int:
    value = members.get(name)
    if value is None:
        return current
    if type(value) is not int or not 0 <= value <= INT32:
        raise _refuse(name, f"{name} must be a whole number between 0 and {INT32}.")
    return value


def _optional(
    members: dict[str, Any],
    name: str,
    current: datetime,
    parse: Callable[[str], datetime],
    expected: str,
) -> datetime:
    value = members.get(name)
    if value is None:
        return current
    try:
        return parse(value)
    except (ValueError, TypeError, OverflowError):
        raise _refuse(name, f"{name} must be {expected}.") from None
