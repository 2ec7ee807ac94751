"""Bearer tokens: genuine ones are let in by their app roles, and every other way fails."""

import asyncio
import base64
import hmac
import json
import time
from datetime import timedelta

import azure.functions as func
import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from devserver.app import LocalApp
from shared.contract.errors import ContractError, ErrorCode
from shared.contract.operations import KEY_HEADER, Access
from shared.endpoint import authenticate
from shared.entra import FRESH_FOR, LEEWAY, OWNER_ROLE, PAUSE, PAUSE_AFTER_FAILURE, TokenChecker
from shared.settings import Settings, SettingsError
from shared.storage.memory import InMemoryBlobStore, InMemoryEventStore
from shared.wiring import Process, Stores
from tests.support.issuer import AUDIENCE, TENANT, V1, V2, Issuer, new_key, public_jwk
from tests.support.simulation import call

KEY = "key-of-the-app-in-tests"


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def shared_issuer():
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(shared_issuer):
    """The issuer as new, but for its own key, which takes time to make."""
    shared_issuer.jwks = {"keys": [public_jwk(shared_issuer.key, "one")]}
    shared_issuer.status, shared_issuer.fetches = 200, 0
    return shared_issuer


def settings(issuer, **changes):
    environ = {
        "PERSONALIZER_KEY_1": KEY,
        "DATA_STORAGE": "UseDevelopmentStorage=true",
        "ENTRA_TENANT_ID": TENANT,
        "ENTRA_AUDIENCE": f"{AUDIENCE}, client-id",
        "ENTRA_JWKS_URI": issuer.url,
        **changes,
    }
    return Settings.from_environ(environ)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def checker(issuer, clock):
    return TokenChecker(settings(issuer).entra, clock)


async def refusal(checker, token):
    with pytest.raises(ContractError) as refused:
        await checker.roles(token)
    assert token not in refused.value.message
    return refused.value.code, refused.value.message


def unsigned(claims, **header):
    parts = ({"typ": "JWT", "kid": "one", **header}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts)
    return b".".join((*encoded, b"")).decode()


@pytest.mark.parametrize("audience", [AUDIENCE, "client-id", ["other", AUDIENCE]])
@pytest.mark.parametrize("tenant", [V1, V2])
async def test_a_genuine_token_of_either_version_shows_its_roles(issuer, checker, audience, tenant):
    token = issuer.token(aud=audience, iss=tenant, roles=["a", "b"])

    assert await checker.roles(token) == {"a", "b"}


@pytest.mark.parametrize("roles", [..., [], None, "Personalizer.Owner", {"a": 1}])
async def test_a_token_without_a_list_of_roles_has_none(issuer, checker, roles):
    assert await checker.roles(issuer.token(roles=roles)) == frozenset()


HOUR, A_LITTLE = timedelta(hours=1), timedelta(seconds=LEEWAY / 3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "https://graph.microsoft.com"}, "audience"),
        ({"aud": ...}, "audience"),
        ({"aud": []}, "cannot be read|audience"),
        ({"iss": V2.replace("1111", "9999")}, "tenant"),
        ({"iss": V2 + "/"}, "tenant"),
        ({"iss": "https://login.microsoftonline.com/common/v2.0"}, "tenant"),
        ({"iss": ...}, "issuer"),
        ({"exp": -HOUR}, "expired"),
        ({"exp": ...}, "expiry"),
        ({"exp": "soon"}, "cannot be read"),
        ({"nbf": HOUR}, "not valid yet"),
        ({"kid": "two"}, "signing key"),
    ],
)
async def test_a_token_that_is_not_for_us_or_not_for_now_is_refused(
    issuer, checker, changes, reason
):
    code, message = await refusal(checker, issuer.token(roles=[OWNER_ROLE], **changes))

    assert code is ErrorCode.UNAUTHORIZED
    assert any(part in message for part in reason.split("|")), message


@pytest.mark.parametrize("changes", [{"exp": -A_LITTLE}, {"nbf": A_LITTLE}])
async def test_clocks_may_differ_a_little(issuer, checker, changes):
    assert await checker.roles(issuer.token(roles=["a"], **changes)) == {"a"}


def forged(issuer, how):
    claims = {"aud": AUDIENCE, "iss": V2, "exp": int(time.time()) + 600, "roles": [OWNER_ROLE]}
    good = issuer.token(roles=["a"])
    header, payload, signature = good.split(".")
    public = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if how == "by a key of the same name":
        return issuer.token(key=new_key())
    if how == "with other claims":
        return f"{header}.{unsigned(claims).split('.')[1]}.{signature}"
    if how == "without a signature":
        return f"{header}.{payload}."
    if how == "by the public key as a secret":
        signing = unsigned(claims, alg="HS256").rstrip(".").encode()
        mac = base64.urlsafe_b64encode(hmac.digest(public, signing, "sha256")).rstrip(b"=")
        return f"{signing.decode()}.{mac.decode()}"
    if how == "by an elliptic curve":
        key = ec.generate_private_key(ec.SECP256R1())
        return jwt.encode(claims, key, "ES256", headers={"kid": "one"})
    return jwt.encode(claims, issuer.key, "RS512", headers={"kid": "one"})


@pytest.mark.parametrize(
    "how",
    [
        "by a key of the same name",
        "with other claims",
        "without a signature",
        "by the public key as a secret",
        "by an elliptic curve",
        "with another digest",
    ],
)
async def test_a_forged_token_is_refused(issuer, checker, how):
    code, _ = await refusal(checker, forged(issuer, how))

    assert code is ErrorCode.UNAUTHORIZED


@pytest.mark.parametrize("algorithm", ["none", "None", "", None, ["RS256"], 7])
async def test_a_token_that_names_no_good_algorithm_is_refused(issuer, checker, algorithm):
    claims = {"aud": AUDIENCE, "iss": V2, "exp": int(time.time()) + 600, "roles": [OWNER_ROLE]}

    code, _ = await refusal(checker, unsigned(claims, alg=algorithm))

    assert code is ErrorCode.UNAUTHORIZED
    assert issuer.fetches == 0


@pytest.mark.parametrize(
    "header",
    [{"kid": ["one"]}, {"kid": {"one": 1}}, {"kid": None}, {"kid": 1}, {"kid": "one\0"},
     {"kid": "../../../dev/null"}, {"kid": "one' or '1'='1"}, {"kid": "ONE"},
     {"jku": "https://evil.example/keys", "kid": "two"}, {"x5u": "https://x.example", "kid": "2"},
     {"crit": ["exp"], "kid": "one"}],
    ids=str,
)  # fmt: skip
async def test_a_header_names_a_key_of_the_tenant_and_decides_nothing_else(checker, header):
    """The key is looked up among those that were fetched, never where the token says."""
    attacker = new_key()
    header = {**header, "jwk": public_jwk(attacker, "one")}
    claims = {"aud": AUDIENCE, "iss": V2, "exp": int(time.time()) + 600, "roles": [OWNER_ROLE]}
    signing = unsigned(claims, alg="RS256", **header).rstrip(".").encode()
    signature = attacker.sign(signing, padding.PKCS1v15(), hashes.SHA256())
    token = f"{signing.decode()}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    code, _ = await refusal(checker, token)

    assert code is ErrorCode.UNAUTHORIZED


DEEP = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 40_000).decode()


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b.c", "a" * 9000, "é.é.é", f"{DEEP}.e30.x", "e30.e30.e30", "bnVsbA.e30."],
)
async def test_what_is_no_token_is_refused(checker, token):
    with pytest.raises(ContractError) as refused:
        await checker.roles(token)

    assert refused.value.code is ErrorCode.UNAUTHORIZED


async def test_keys_are_fetched_once_for_many_calls(issuer, checker):
    await asyncio.gather(*(checker.roles(issuer.token()) for _ in range(10)))

    assert issuer.fetches == 1


async def test_a_new_key_is_found_but_made_up_ones_cost_one_fetch_a_minute(issuer, checker, clock):
    await checker.roles(issuer.token())
    second = new_key()
    issuer.jwks["keys"].append(public_jwk(second, "two"))
    for _ in range(3):
        assert (await refusal(checker, issuer.token(kid="made up")))[0] is ErrorCode.UNAUTHORIZED
    assert issuer.fetches == 1

    clock.now += PAUSE
    for _ in range(3):
        await refusal(checker, issuer.token(kid="made up"))
    await checker.roles(issuer.token(key=second, kid="two"))

    assert issuer.fetches == 2


async def test_a_withdrawn_key_stops_working_within_the_hour(issuer, checker, clock):
    token = issuer.token(roles=["a"])
    await checker.roles(token)
    issuer.jwks = {"keys": [public_jwk(new_key(), "two")]}

    assert await checker.roles(token) == {"a"}
    clock.now += FRESH_FOR

    assert (await refusal(checker, token))[0] is ErrorCode.UNAUTHORIZED


async def test_known_keys_go_on_while_new_ones_cannot_be_fetched(issuer, checker, clock):
    token = issuer.token(roles=["a"])
    await checker.roles(token)
    issuer.status = 500
    clock.now += FRESH_FOR

    assert await checker.roles(token) == {"a"}
    code, _ = await refusal(checker, issuer.token(kid="two"))
    assert code is ErrorCode.SIGNING_KEYS_UNAVAILABLE
    assert issuer.fetches == 2


@pytest.mark.parametrize("jwks", [{}, {"keys": []}, [], {"keys": [{"kty": "RSA"}]}, "<html>"])
async def test_a_useless_key_set_is_an_outage_that_ends(issuer, checker, clock, jwks):
    good, issuer.jwks = issuer.jwks, jwks
    code, _ = await refusal(checker, issuer.token())
    assert code is ErrorCode.SIGNING_KEYS_UNAVAILABLE

    issuer.jwks = good
    clock.now += PAUSE_AFTER_FAILURE

    assert await checker.roles(issuer.token()) == frozenset()


async def test_nobody_there_is_an_outage(issuer):
    with Issuer() as other:
        gone = settings(other).entra

    code, _ = await refusal(TokenChecker(gone), issuer.token())

    assert code is ErrorCode.SIGNING_KEYS_UNAVAILABLE


async def test_a_key_for_encryption_does_not_sign(issuer, checker):
    issuer.jwks = {"keys": [public_jwk(issuer.key, "one", use="enc")]}

    assert (await refusal(checker, issuer.token()))[0] is ErrorCode.UNAUTHORIZED


def process(issuer, **changes):
    blobs = InMemoryBlobStore()
    return Process(settings(issuer, **changes), Stores(blobs, InMemoryEventStore()))


async def admitted(process, loop, access, **headers):
    request = func.HttpRequest("GET", "http://host/", headers=headers, body=b"")
    try:
        await authenticate(process, request, loop, access)
    except ContractError as refused:
        return refused.code.status
    return 200


@pytest.mark.parametrize(
    ("roles", "opens"),
    [
        ([OWNER_ROLE], (200, 200, 200)),
        (["Personalizer.Loop.default"], (200, 403, 403)),
        (["Personalizer.Loop.shop", "x"], (403, 200, 403)),
        (["Personalizer.Loop.shop", "Personalizer.Loop.default"], (200, 200, 403)),
        (["personalizer.owner", "Personalizer.Loop.", "Personalizer.Loop"], (403, 403, 403)),
        ([], (403, 403, 403)),
        (..., (403, 403, 403)),
    ],
)
async def test_app_roles_say_what_a_token_opens(issuer, roles, opens):
    app = process(issuer)
    bearer = f"Bearer {issuer.token(roles=roles)}"

    found = [
        await admitted(app, loop, access, Authorization=bearer)
        for loop, access in (
            ("default", Access.LOOP),
            ("shop", Access.LOOP),
            ("default", Access.OWNER),
        )
    ]

    assert tuple(found) == opens


async def test_a_key_comes_first(issuer):
    app = process(issuer)
    owner = f"Bearer {issuer.token(roles=[OWNER_ROLE])}"

    async def sent(**headers):
        return await admitted(app, "default", Access.OWNER, **headers)

    assert await sent(**{KEY_HEADER: KEY, "Authorization": "Bearer nonsense"}) == 200
    assert await sent(**{KEY_HEADER: "a-wrong-key", "Authorization": owner}) == 401
    assert await sent(Authorization=owner.replace("Bearer", "bearer")) == 200
    assert await sent(Authorization=owner.replace("Bearer", "Basic")) == 401


async def test_without_settings_no_token_is_accepted(issuer):
    app = process(issuer, ENTRA_TENANT_ID="", ENTRA_AUDIENCE="", ENTRA_JWKS_URI="")
    bearer = f"Bearer {issuer.token(roles=[OWNER_ROLE])}"

    assert app.tokens is None
    assert await admitted(app, "default", Access.LOOP, Authorization=bearer) == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"ENTRA_TENANT_ID": "common"},
        {"ENTRA_TENANT_ID": ""},
        {"ENTRA_AUDIENCE": ""},
        {"ENTRA_AUDIENCE": " , "},
        {"ENTRA_JWKS_URI": "http://login.example/keys"},
    ],
)
def test_half_a_setting_stops_the_app(issuer, changes):
    with pytest.raises(SettingsError, match="ENTRA_"):
        settings(issuer, **changes)


def test_another_cloud_is_its_own_issuer(issuer):
    uri = f"https://login.microsoftonline.us/{TENANT}/discovery/v2.0/keys"

    issuers = settings(issuer, ENTRA_JWKS_URI=uri).entra.issuers

    assert f"https://login.microsoftonline.us/{TENANT}/v2.0" in issuers
    assert {V1, V2} < set(issuers)


def test_the_running_app_lets_tokens_in(issuer, app_environ):
    environ = {**app_environ, "ENTRA_TENANT_ID": TENANT, "ENTRA_AUDIENCE": AUDIENCE}
    rank = {"actions": [{"id": "a", "features": [{"x": 1}]}]}
    path = "personalizer/v1.1-preview.3/rank"

    with LocalApp({**environ, "ENTRA_JWKS_URI": issuer.url}) as app:

        def sent(method, path, body=None, **claims):
            bearer = f"Bearer {issuer.token(**claims)}"
            return call(app, method, path, body, headers={"Authorization": bearer})

        assert sent("POST", path, rank, roles=["Personalizer.Loop.default"])[0] == 201
        assert sent("GET", "loops", roles=["Personalizer.Loop.default"])[0] == 403
        assert sent("GET", "loops", roles=[OWNER_ROLE])[0] == 200
        status, refused = sent("POST", path, rank)
        assert (status, refused["error"]["code"]) == (403, "InvalidApiAccess")
        assert sent("POST", path, rank, exp=-HOUR, roles=[OWNER_ROLE])[0] == 401
        assert call(app, "GET", "loops")[0] == 200
