"""Every malformed body gets its documented answer from its parser, without an app."""

from datetime import UTC, datetime

import pytest

from shared.contract.errors import ContractError
from shared.contract.event_ids import event_id_from_url
from shared.contract.multislot import parse_slots_rank
from shared.contract.policy import parse_policy
from shared.contract.rank import parse_rank
from shared.contract.reward import parse_reward, parse_slot_rewards
from shared.contract.service_configuration import parse_service_configuration
from shared.contract.versions import ApiVersion
from shared.services.loop_settings import LoopSettings
from tests.contract.malformed import (
    MALFORMED,
    NEWEST,
    POLICY,
    RANK,
    REWARD,
    SERVICE,
    SLOTS_RANK,
    SLOTS_REWARD,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CURRENT = LoopSettings(policy_name="0" * 32, last_edit=NOW)
PARSERS = {
    RANK: parse_rank,
    REWARD: parse_reward,
    SLOTS_RANK: parse_slots_rank,
    SLOTS_REWARD: parse_slot_rewards,
    POLICY: lambda body: parse_policy(body, CURRENT, NOW),
    SERVICE: lambda body: parse_service_configuration(body, CURRENT, ApiVersion.V1_0, NOW),
    NEWEST: lambda body: parse_service_configuration(
        body, CURRENT, ApiVersion.V2022_09_01_PREVIEW, NOW
    ),
}
BODIES = [case for case in MALFORMED if case.path in PARSERS and case.status in (400, 403)]
IDS = [case for case in MALFORMED if case.target == "eventId" and case.path not in PARSERS]


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case.name)
def test_a_body_is_refused_as_documented(case):
    with pytest.raises(ContractError) as refused:
        PARSERS[case.path](case.body)

    assert (refused.value.code.text, refused.value.target) == (case.code, case.target)


@pytest.mark.parametrize("case", IDS, ids=lambda case: case.name)
def test_an_event_id_is_refused_as_documented(case):
    with pytest.raises(ContractError) as refused:
        event_id_from_url(f"http://host/{case.path}")

    assert (refused.value.code.text, refused.value.target) == (case.code, case.target)


def test_the_messages_are_sentences():
    for case in BODIES:
        with pytest.raises(ContractError) as refused:
            PARSERS[case.path](case.body)

        message = refused.value.message
        assert message == message.strip(" .") + "."
        assert "..." not in message


def test_almost_every_case_is_covered_without_an_app():
    assert len(BODIES) + len(IDS) >= 100
