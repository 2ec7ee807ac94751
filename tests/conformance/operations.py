"""The operations of the retired service's API, as its published descriptions have them.

Facts only, in our own words: which call there was on which version, its only status of success,
and the members of its answer. From Azure/azure-rest-api-specs, cognitiveservices/Personalizer.
"""

from dataclasses import dataclass, field
from typing import Any

V1_0, P1, P2, P3, V2022 = VERSIONS = (
    "v1.0", "v1.1-preview.1", "v1.1-preview.2", "v1.1-preview.3", "2022-09-01-preview",
)  # fmt: skip
IN_PATH = VERSIONS[:4]

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"}
DURATION: Schema = {"type": "string", "pattern": "^P"}


def one(required: Schema, optional: Schema | None = None) -> Schema:
    """Return the schema of an object that has these members and no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def many(items: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items}


ERROR = one({"error": one({"code": TEXT, "message": TEXT}, {"target": TEXT})})

RANKED = one(
    {
        "ranking": many(one({"id": TEXT, "probability": {**NUMBER, "minimum": 0, "maximum": 1}})),
        "eventId": TEXT,
        "rewardActionId": TEXT,
    }
)
SLOTS_RANKED = one(
    {"slots": many(one({"id": TEXT}, {"rewardActionId": TEXT})), "eventId": TEXT},
)
POLICY = one({"name": TEXT, "arguments": TEXT})
MODEL_PROPERTIES = one({"creationTime": TIME, "lastModifiedTime": TIME})
LOGS_PROPERTIES = one({}, {"dateRange": one({"from": TIME, "to": TIME})})

_SERVICE = {
    "rewardWaitTime": DURATION,
    "defaultReward": NUMBER,
    "rewardAggregation": TEXT,
    "explorationPercentage": NUMBER,
    "modelExportFrequency": DURATION,
    "logRetentionDays": {"type": "integer"},
}
_MIRROR = {"logMirrorEnabled": FLAG, "logMirrorSasUri": TEXT}
_SERVICE_P1 = {
    **_SERVICE,
    "lastConfigurationEditDate": TIME,
    "learningMode": {"enum": ["Online", "Apprentice", "LoggingOnly"]},
    "isAutoOptimizationEnabled": FLAG,
    "autoOptimizationFrequency": DURATION,
    "autoOptimizationStartDate": TIME,
}
SERVICE = {
    V1_0: one(_SERVICE, _MIRROR),
    P1: one(_SERVICE_P1, _MIRROR),
    V2022: one({**_SERVICE_P1, "modelRetrainDays": {"type": "integer"}}, _MIRROR),
}
_JOB = {"id": TEXT, "name": TEXT, "startTime": TIME, "endTime": TIME, "status": TEXT}
_RESULTS = {"summary": many({}), "totalSummary": {"type": "object"}}
_EVALUATION = {
    **_JOB,
    "policyResults": many(one({"name": TEXT}, {"arguments": TEXT, **_RESULTS})),
    "featureImportance": many(many(TEXT)),
}
_SOURCED = one({"name": TEXT, "policySource": TEXT}, {"arguments": TEXT, **_RESULTS})
_JOB_2022 = {**_JOB, "creationTime": TIME}
_MINUTES: Schema = {"type": "integer"}
_CONTENT = one(
    {"startTime": TIME, "endTime": TIME, "intervalInMinutes": _MINUTES, "value": many({})}
)
EVALUATION = {
    V1_0: one(_EVALUATION, {"jobId": TEXT}),
    P1: one(
        {
            **_EVALUATION,
            "policyResults": many(_SOURCED),
            "evaluationType": {"enum": ["Manual", "Auto"]},
            "optimalPolicy": TEXT,
            "creationTime": TIME,
        },
        {"jobId": TEXT},
    ),
    V2022: one(
        {**_JOB_2022, "evaluationType": {"enum": ["Manual", "Auto"]}, "content": _CONTENT},
        {"optimalPolicy": TEXT, "description": TEXT},
    ),
}
_LISTED_2022 = one(
    {**_JOB_2022, "evaluationType": {"enum": ["Manual", "Auto"]}},
    {"optimalPolicy": TEXT, "description": TEXT},
)
EVALUATIONS = {
    V1_0: many(EVALUATION[V1_0]),
    P1: many(EVALUATION[P1]),
    V2022: one({"value": many(_LISTED_2022)}, {"nextLink": TEXT}),
}
_SCORES = many(one({"namespace": TEXT, "featureName": TEXT, "score": NUMBER}))
IMPORTANCE = one({**_JOB_2022, "featureScores": _SCORES}, {"description": TEXT})


@dataclass(frozen=True)
class Official:
    """A published operation.

    Attributes:
        name: Its published id.
        method: HTTP method.
        path: Below the version.
        success: The only status of success.
        versions: That had it.
        answer: Schema of the answer by the version that brought it; none without a JSON body.
        headers: That success has besides the common ones.
        served_as: Our name of it, where one id was used for two calls.
    """

    name: str
    method: str
    path: str
    success: int
    versions: tuple[str, ...] = VERSIONS
    answer: dict[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    served_as: str = ""

    @property
    def ours(self) -> str:
        """Our name of it."""
        return self.served_as or self.name

    def schema(self, version: str) -> Schema | None:
        """Return the schema of its answer on a version."""
        brought = [v for v in self.answer if VERSIONS.index(v) <= VERSIONS.index(version)]
        return self.answer[brought[-1]] if brought else None


SINCE_P1, SINCE_P2, SINCE_P3, SINCE_2022 = (VERSIONS[i:] for i in range(1, 5))

OFFICIAL = (
    Official("Rank", "POST", "rank", 201, answer={V1_0: RANKED}),
    Official("Events_Reward", "POST", "events/{eventId}/reward", 204),
    Official("Events_Activate", "POST", "events/{eventId}/activate", 204),
    Official("ServiceConfiguration_Get", "GET", "configurations/service", 200, answer=SERVICE),
    Official("ServiceConfiguration_Update", "PUT", "configurations/service", 200, answer=SERVICE),
    Official("Policy_Get", "GET", "configurations/policy", 200, answer={V1_0: POLICY}),
    Official("Policy_Update", "PUT", "configurations/policy", 200, answer={V1_0: POLICY}),
    Official("Policy_Reset", "DELETE", "configurations/policy", 200, answer={V1_0: POLICY}),
    Official(
        "Evaluations_Create", "POST", "evaluations", 201, IN_PATH, EVALUATION, ("Location",)
    ),
    Official(
        "Evaluations_Create", "PUT", "evaluations/{evaluationId}", 200, SINCE_2022,
        served_as="Evaluations_Put",
    ),
    Official("Evaluations_List", "GET", "evaluations", 200, answer=EVALUATIONS),
    Official("Evaluations_Get", "GET", "evaluations/{evaluationId}", 200, answer=EVALUATION),
    Official("Evaluations_Delete", "DELETE", "evaluations/{evaluationId}", 204),
    Official("Log_GetProperties", "GET", "logs/properties", 200, answer={V1_0: LOGS_PROPERTIES}),
    Official("Log_Delete", "DELETE", "logs", 204),
    Official("Model_Import", "PUT", "model", 204, SINCE_P3),
    Official(
        "Model_Get", "GET", "model", 200, headers=("Content-Disposition", "Last-Modified")
    ),
    Official(
        "Model_GetProperties", "GET", "model/properties", 200, answer={V1_0: MODEL_PROPERTIES}
    ),
    Official("Model_Reset", "DELETE", "model", 204),
    Official(
        "ServiceConfiguration_ApplyFromEvaluation", "POST", "configurations/applyFromEvaluation",
        204, SINCE_P1,
    ),
    Official("MultiSlot_Rank", "POST", "multislot/rank", 201, SINCE_P1, {P1: SLOTS_RANKED}),
    Official(
        "MultiSlotEvents_Reward", "POST", "multislot/events/{eventId}/reward", 204, SINCE_P1
    ),
    Official(
        "MultiSlotEvents_Activate", "POST", "multislot/events/{eventId}/activate", 204, SINCE_P1
    ),
    Official("Log_Interactions", "POST", "logs/interactions", 204, SINCE_P2),
    Official("Log_Observations", "POST", "logs/observations", 204, SINCE_P2),
    Official(
        "FeatureImportances_Create", "PUT", "featureImportances/{featureImportanceId}", 200,
        SINCE_2022,
    ),
    Official(
        "FeatureImportances_List", "GET", "featureImportances", 200, SINCE_2022,
        {V2022: one({"value": many(IMPORTANCE)}, {"nextLink": TEXT})},
    ),
    Official(
        "FeatureImportances_Get", "GET", "featureImportances/{featureImportanceId}", 200,
        SINCE_2022, {V2022: IMPORTANCE},
    ),
    Official(
        "FeatureImportances_Delete", "DELETE", "featureImportances/{featureImportanceId}", 204,
        SINCE_2022,
    ),
)  # fmt: skip

REFUSED = {
    "Log_Interactions": (400, "InvalidRequest"),
    "Log_Observations": (400, "InvalidRequest"),
    "ServiceConfiguration_ApplyFromEvaluation": (400, "BadRequest"),
}
"""Operations that cannot succeed here, with their documented refusal."""
