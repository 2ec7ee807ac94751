"""Model files: Vowpal Wabbit's, signed exports, and our own checkpoints."""

import hashlib
import io
import json
import random
import re
import struct
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from zlib import crc32

import mmh3
import numpy as np

from shared.contract import model_export
from shared.contract.errors import ContractError
from shared.learner import checkpoint, vw_model
from shared.learner.arguments import LearningSettings, parse
from shared.learner.effort import efforts_of
from shared.learner.features import (
    FeatureError,
    features_of_actions,
    shared_features,
    split_decision,
)
from shared.learner.interactions import Interactions, interactions_of
from shared.learner.learner import Learner
from shared.learner.policy import Policy
from tests.fuzz import known
from tests.fuzz.bodies import FLAGS
from tests.fuzz.mutation import changed_numbers, changed_words, havoc, json_mutator
from tests.fuzz.target import Havoc, Target, refused

GENUINE = Path(__file__).parents[1] / "contract" / "data" / "genuine-export.zip"
EXPENSIVE = 16
"""One in so many accepted inputs is learned from and written as well."""

LONGEST_LOG = 1 << 52
"""Events; a checkpoint counts up to twice as many."""

LARGE = 14
"""Bits from which on only one in 64 models is used for decisions: it takes milliseconds."""

HUGE = 21
"""Bits from which on models are not written: those with ``--initial_t`` take seconds."""

COMBINATIONS = (
    "-q ::", "-q Fj --ignore_linear i", "--interactions ::: --keep F --keep j", "--marginal ij",
    "--cubic Fij --leave_duplicate_interactions -q jj", "--noconstant --ignore F -q :j",
)  # fmt: skip
FIELDS = struct.Struct("<ffIIII")
BITS = (*(1, 2, 6, 8, 10, 12) * 8, 18, 18, 24, 0, 25, 32, 255, 2**31, 2**32 - 1)
VERSIONS = (b"9.11.9", b"9.0.0", b"8.11.0", b"8.9.2", b"9.12.0", b"", b"9.11", b"1" * 70)
INTERNAL = ("--cb_adf", "--cb_sample", "--csoaa_ldf", "multiline", "--csoaa_rank", "--rank_all",
            "--hash_seed", "--random_seed", "7", "--link", "identity", "--no_predict")  # fmt: skip


def decision(data: bytes) -> bool:
    """A decision as it is kept for learning: read, combined within what was reckoned, decided."""
    arguments = COMBINATIONS[crc32(data) % len(COMBINATIONS)]
    settings, policy = _policy(arguments)
    try:
        shared, actions = split_decision(data)
        context = shared_features(shared)
        offered = features_of_actions(list(map(bytes, actions)))
        combined = _interactions(arguments)
        plans = [combined.plan(each.shape, context.shape) for each in offered]
    except FeatureError as exc:
        assert len(str(exc)) < 600, str(exc)[:80]
        return False
    for each, plan in zip(offered, plans, strict=True):
        reckoned = efforts_of(settings).of(each.shape, context.shape).each
        assert plan.size <= 2 * reckoned + 2  # the constant feature is left out
    try:
        found = policy.decide_json(data)
    except FeatureError:
        return True  # it takes too much, or there is no action
    known.assert_distribution(found.probabilities)
    assert sorted(found.order) == list(range(len(actions)))
    return True


@cache
def _policy(arguments: str) -> tuple[LearningSettings, Policy]:
    learner = Learner(parse(f"--cb_explore_adf --epsilon 0.2 -b 10 {arguments}"))
    learner.learn_many(known.examples()[:8])
    return learner.settings, learner.policy()


@cache
def _interactions(arguments: str) -> Interactions:
    return interactions_of(_policy(arguments)[0])


def _decides_alike(one: Learner, other: Learner) -> None:
    before, after = (known.assert_decides(each.policy()) for each in (one, other))
    for left, right in zip(before, after, strict=True):
        assert np.allclose(left.scores, right.scores, rtol=1e-5, atol=1e-5), (left, right)


def vw_file(data: bytes) -> bool:
    """What is taken predicts finite numbers, goes on learning, and is written and read again."""
    try:
        learner = vw_model.loads(data)
    except vw_model.ModelFileError as exc:
        assert len(str(exc)) < 1500, str(exc)[:80]
        return False
    used = crc32(data)
    assert learner.settings.bits <= 24
    if learner.settings.bits >= LARGE and used % 64:
        return True
    if used % EXPENSIVE:
        if used % 4 == 1:
            known.assert_decides(learner.policy(), [known.PLAIN])
        return True
    known.assert_decides(learner.policy())
    if learner.settings.bits >= HUGE:
        return True
    try:
        written = vw_model.dumps(learner)
    except vw_model.ModelFileError:
        written = b""  # it has settings that cannot be written as options
    if written:
        again = vw_model.loads(written)
        assert vw_model.dumps(again) == written
        if learner.settings.width == 1:
            _decides_alike(learner, again)
    _goes_on(learner)
    return True


def _goes_on(learner: Learner) -> None:
    learner.learn_many(known.examples()[:2])
    assert np.isfinite(learner.regressor.weights).all()
    known.assert_decides(learner.policy())
    checkpoint.loads(checkpoint.dumps(learner))


def stored_model(data: bytes) -> bool:
    """A checkpoint that was read is written as the same bytes."""
    try:
        learner = checkpoint.loads(data)
    except checkpoint.CheckpointError:
        return False
    used = crc32(data)
    if learner.settings.bits >= LARGE and used % 64:
        return True
    known.assert_decides(learner.policy(), [known.PLAIN])
    if used % EXPENSIVE == 0:
        written = checkpoint.dumps(learner)
        assert checkpoint.dumps(checkpoint.loads(written)) == written
        if max(estimate.events for estimate in learner.estimates) < LONGEST_LOG:
            _goes_on(learner)
    return True


def export(data: bytes) -> bool:
    """An import's body: what is taken was signed by the certificate inside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names twice in a zip, or odd certificates
        try:
            model = model_export.model_of(data)
        except ContractError as exc:
            return refused(exc)
        assert len(model) <= model_export.MAX_MODEL
        if not data.startswith(b"PK"):
            assert model == data
            return False
        found = model_export.read(data)
    assert found.model == model
    assert len(found.fingerprint) == 64
    return True


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the fields of a model file's header, and the rest.

    Raises:
        ValueError: There is no such header.
    """
    fields, at = [], 0

    def take(size: int) -> bytes:
        nonlocal at
        taken = data[at : at + size]
        if len(taken) < size:
            raise ValueError("cut short")
        at += size
        return taken

    for _ in range(2):
        fields.append(take(struct.unpack("<I", take(4))[0]))
    fields += [take(1), take(FIELDS.size), take(struct.unpack("<I", take(4))[0])]
    take(8)
    return fields, data[at:]


def join(fields: list[bytes], rest: bytes) -> bytes:
    """Return a model file whose checksum is right."""
    version, name, marker, numbers, options = fields
    header = [struct.pack("<I", len(name)), name, marker]
    header += [numbers[at : at + 4] for at in range(0, len(numbers), 4)]
    header += [struct.pack("<I", len(options)), options]
    checksum = 0
    for part in header:
        checksum = mmh3.hash(part, checksum, signed=False)
    return b"".join((struct.pack("<I", len(version)), version, *header,
                     struct.pack("<II", 4, checksum), rest))  # fmt: skip


def mutate_vw(data: bytes, rng: random.Random, bytewise: Havoc) -> bytes:
    """Change a field of the header, a number of the state, or the weights."""
    if rng.random() < 0.1:
        return bytewise(data, rng)
    try:
        fields, rest = split(data)
    except ValueError:
        return bytewise(data, rng)
    match rng.randrange(12):
        case 0:
            fields[0] = rng.choice(VERSIONS) + b"\0"
        case 1:
            fields[3] = changed_numbers(fields[3], rng)
        case 2:
            low, high, _, *others = FIELDS.unpack(fields[3])
            fields[3] = FIELDS.pack(low, high, rng.choice(BITS), *others)
        case 3 | 4 | 5:
            text = fields[4].rstrip(b"\0").decode(errors="replace")
            fields[4] = (
                changed_words(text, rng, (*FLAGS, *INTERNAL)).encode(errors="surrogatepass") + b"\0"
            )
        case 6 | 7:
            rest = changed_numbers(rest[:128], rng) + rest[128:]
        case 8:
            rest = havoc(rest[:128], rng) + rest[128:]
        case 9:
            at = len(rest) - 16 * rng.randrange(1 + len(rest) // 16)
            rest = rest[: max(0, at)]
        case 10:
            slot = rng.choice((255, 1023, 2**18 - 1, 2**24))
            numbers = (rng.choice((0, 1, -1, 3e38, 1e-40, -3e38)) for _ in range(3))
            rest += struct.pack("<Ifff", slot, *numbers)
        case _:
            rest = changed_numbers(rest, rng)
    return join(fields, rest)


_header_mutator = json_mutator(
    ("arguments", "learned", "norms", "marginals", "events"), ("--cb_explore_adf -b 8", "0f")
)


def mutate_checkpoint(data: bytes, rng: random.Random, bytewise: Havoc) -> bytes:
    """Change the header or the weights; the checksum is right nearly always."""
    start = len(checkpoint.MAGIC)
    if rng.random() < 0.1 or len(data) < start + 36:
        return bytewise(data, rng)
    (size,) = struct.unpack_from("<I", data, start)
    header, rest = data[start + 4 : start + 4 + size], data[start + 4 + size : -32]
    match rng.randrange(6):
        case 0 | 1:
            header = _header_mutator(header, rng, bytewise)
        case 2:
            try:
                read = json.loads(header)
                read["arguments"] = changed_words(str(read["arguments"]), rng, FLAGS)
                header = json.dumps(read).encode()
            except (ValueError, KeyError, TypeError, RecursionError):
                header = bytewise(header, rng)
        case 3:
            rest = changed_numbers(rest[:8], rng) + rest[8:]
        case 4:
            rest = changed_numbers(rest, rng)
        case _:
            rest = havoc(rest, rng)
    body = checkpoint.MAGIC + struct.pack("<I", len(header)) + header + rest
    return body + hashlib.sha256(body).digest()


@cache
def _signer() -> model_export.Signer:
    return model_export.new_signer("fuzz", known.NOW)


def mutate_zip(data: bytes, rng: random.Random, bytewise: Havoc) -> bytes:
    """Change the bytes of a zip, or its members; now and then the signature holds."""
    share = rng.random()
    if share < 0.25:
        return bytewise(data, rng)
    if share < 0.4:
        return data[:-300] + changed_numbers(data[-300:], rng)
    if share < 0.42:
        return model_export.write(rng.randbytes(rng.randrange(99)), _signer())
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [[info.filename, archive.read(info)] for info in archive.infolist()]
    except Exception:  # noqa: BLE001 (a zip that was damaged before)
        return bytewise(data, rng)
    at = rng.randrange(len(members)) if members else 0
    match rng.randrange(6) if members else 5:
        case 0 | 1:
            members[at][1] = havoc(members[at][1], rng)
        case 2:
            members[at][0] = rng.choice((model_export.MODEL, "../x", " ", members[at][0].upper()))
        case 3:
            del members[at]
        case 4:
            members[at][1] = b"\0" * rng.choice((0, 1, 256, 70_000, 300_000))
        case _:
            members.append([rng.choice((model_export.SIGNATURE, "x", "a/")), b"x"])
    written = io.BytesIO()
    how = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED,
                      zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(written, "w", how) as archive:
            for name, content in members:
                archive.writestr(name, content)
    return written.getvalue()


@cache
def _learners() -> tuple[Learner, ...]:
    from tests.learner.test_vw_model import ARGUMENTS, DOUBTFUL, SEVERAL_WEIGHTS

    found = []
    for arguments in (ARGUMENTS | DOUBTFUL | SEVERAL_WEIGHTS).values():
        learner = Learner(parse(re.sub(r" -b \d+", "", arguments) + " -b 8"))
        learner.learn_many(known.examples()[:2])
        found.append(learner)
    return tuple(found)


def vw_seeds() -> list[bytes]:
    def without_state(learner: Learner) -> bytes:
        try:
            return vw_model.dumps(learner, resumable=False)
        except vw_model.ModelFileError:
            return vw_model.dumps(learner)

    writers: tuple[Callable[[Learner], bytes], ...] = (vw_model.dumps, without_state)
    return [write(learner) for learner in _learners() for write in writers]


def export_seeds() -> list[bytes]:
    return [GENUINE.read_bytes(), model_export.write(b"a model", _signer()), b"PK", b"x"]


TARGETS = (
    Target("decision", decision, lambda: list(known.DECISIONS),
           json_mutator(("FromUrl", "_multi", "i", "j", "_text", "_tag", "Fold", "x")), 3000),
    Target("vw-model", vw_file, vw_seeds, mutate_vw, 6000),
    Target("stored-model", stored_model,
           lambda: [checkpoint.dumps(each) for each in _learners()], mutate_checkpoint, 4096),
    Target("model-export", export, export_seeds, mutate_zip, 9000),
)  # fmt: skip
