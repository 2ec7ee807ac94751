"""Tokens of an identity, for storage."""

import asyncio
import time
from collections import namedtuple

import pytest
from azure.core.exceptions import ClientAuthenticationError

from shared.storage import table_account
from shared.storage.table_account import RENEW_BEFORE, RENEW_EVERY, BearerToken

Token = namedtuple("Token", "token expires_on")


class Identity:
    """Gives tokens, or does what ``way`` does."""

    def __init__(self):
        self.way = None
        self.asked = 0

    async def get_token(self, *scopes):
        self.asked += 1
        if self.way is not None:
            await self.way()
        return Token(f"t{self.asked}", int(time.time()) + 3600)


async def refuses():
    raise ClientAuthenticationError("no identity here")


async def hangs():
    await asyncio.sleep(3600)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000_000.0

        def time(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(table_account, "time", clock)
    monkeypatch.setattr(time, "time", clock.time)
    return clock


async def presented(token):
    return (await token.headers("/table"))["Authorization"]


async def test_a_token_is_asked_for_once_and_renewed_before_it_ends(clock):
    identity = Identity()
    token = BearerToken(identity)

    assert set(await asyncio.gather(*(presented(token) for _ in range(5)))) == {"Bearer t1"}
    clock.now += 3600 - RENEW_BEFORE
    assert await presented(token) == "Bearer t2"
    assert identity.asked == 2


async def test_a_valid_token_is_used_while_its_renewal_fails(clock):
    identity = Identity()
    token = BearerToken(identity)
    await presented(token)
    clock.now += 3600 - RENEW_BEFORE
    identity.way = refuses

    assert [await presented(token) for _ in range(5)] == ["Bearer t1"] * 5
    assert identity.asked == 2
    clock.now += RENEW_EVERY
    assert await presented(token) == "Bearer t1"
    assert identity.asked == 3

    clock.now += RENEW_BEFORE
    with pytest.raises(ClientAuthenticationError):
        await presented(token)
    identity.way = None
    assert await presented(token) == "Bearer t5"


async def test_nobody_else_waits_for_a_renewal_that_hangs(clock):
    identity = Identity()
    token = BearerToken(identity)
    await presented(token)
    clock.now += 3600 - RENEW_BEFORE
    identity.way = hangs
    waiting = asyncio.create_task(presented(token))
    await asyncio.sleep(0)

    async with asyncio.timeout(5):
        assert await presented(token) == "Bearer t1"
    waiting.cancel()
