"""Rank, Reward and train with a token instead of a key; run as a process by the tests."""

import asyncio
import base64
import json
import sys
import time

from azure.core.credentials import AccessToken

from shared import wiring
from shared.services.rank_request import Action, RankRequest


class SelfMadeIdentity:
    """Gives tokens in the form that the emulator checks; their signature it does not."""

    async def get_token(self, *scopes, **_):
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows-ppe.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        parts = [{"alg": "RS256", "typ": "JWT"}, claims]
        coded = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
        return AccessToken((b".".join(coded) + b".c2lnbmF0dXJl").decode(), now + 3600)

    async def close(self):
        pass

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass


async def main():
    wiring._identity = lambda settings: SelfMadeIdentity()
    settings = wiring.settings()
    if settings.connection_string:
        raise SystemExit("there must be no connection string")
    async with wiring.azure_stores(settings) as stores:
        app = wiring.build(settings, stores)
        decided = await app.rank.rank(RankRequest("e", b"[]", (Action("a", b'[{"x":1}]'),)))
        await app.reward.reward("e", 1.0)
        report = await app.train.train()
        await app.reader.close()
    sys.stdout.write(
        json.dumps({"chosen": decided.actions[decided.chosen], "outcome": report.outcome})
    )


asyncio.run(main())
