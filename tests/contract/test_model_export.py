"""Signed exports come back, genuine ones too; forged and hostile ones do not."""

import gzip
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.model_export import (
    CERTIFICATE,
    MODEL,
    SIGNATURE,
    ModelExportError,
    SignatureError,
    Signer,
    new_signer,
    read,
    write,
)
from shared.learner import vw_model
from shared.learner.exploration import History, Softmax
from tests.learner.test_parity import read_predictions, run

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def signer():
    return new_signer("Open Personalizer", NOW)


@pytest.fixture(scope="module")
def genuine():
    return (DATA / "genuine-export.zip").read_bytes()


@pytest.fixture(scope="module")
def export(signer):
    return write(b"a model", signer)


def zipped(**members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return data.getvalue()


def members(export):
    with zipfile.ZipFile(io.BytesIO(export)) as archive:
        return {name.replace(".", "__"): archive.read(name) for name in archive.namelist()}


def test_a_model_comes_back_from_its_export(signer, export):
    found = read(export)

    assert found.model == b"a model"
    assert found.signer == signer.certificate
    assert write(b"a model", signer) == export


def test_a_genuine_export_of_personalizer_is_read(genuine):
    found = read(genuine)

    learner = vw_model.loads(found.model)
    assert learner.settings.arguments == (
        "--cb_explore_adf --cb_type mtr --epsilon 0.2 --learning_rate 0.001 --power_t 0 "
        "--quadratic ::"
    )
    assert learner.learned == 4719
    assert (learner.regressor.weights != 0).sum() == 779


def test_a_genuine_export_scores_as_in_vowpal_wabbit(genuine, tmp_path):
    """On 144 decisions whose features have every weight of the model among them."""
    model = read(genuine).model
    lines = gzip.decompress((DATA / "genuine-decisions.jsonl.gz").read_bytes()).splitlines()
    (tmp_path / "model").write_bytes(model)
    (tmp_path / "log").write_bytes(b"".join(line + b"\n" for line in lines))
    policy = vw_model.loads(model).policy()

    run(f"-i {tmp_path / 'model'} -t --json -d {tmp_path / 'log'} -p {tmp_path / 'greedy'}")
    run(
        f"-i {tmp_path / 'model'} --softmax --lambda 1000 -t --json -d {tmp_path / 'log'} "
        f"-p {tmp_path / 'softmax'}"
    )

    for line, greedy, steep in zip(
        lines,
        read_predictions(tmp_path / "greedy"),
        read_predictions(tmp_path / "softmax"),
        strict=True,
    ):
        decision = policy.decide_json(line)
        odds = Softmax(1000.0).probabilities([decision.scores], 0.2, History())
        for action, probability in greedy.items():
            assert decision.probabilities[action] == pytest.approx(probability, abs=1e-5)
            assert odds[action] == pytest.approx(steep[action], abs=1e-4)


def test_a_model_that_was_changed_is_refused(export):
    parts = members(export)
    parts["model__vw"] = b"another model"

    with pytest.raises(SignatureError):
        read(zipped(**parts))


def test_a_genuine_export_with_one_bit_changed_is_refused(genuine):
    parts = members(genuine)
    model = bytearray(parts["model__vw"])
    model[5000] ^= 1
    parts["model__vw"] = bytes(model)

    with pytest.raises(SignatureError):
        read(zipped(**parts))


def test_anothers_certificate_is_refused(export):
    parts = members(export) | {"signer__der": new_signer("another", NOW).certificate}

    with pytest.raises(SignatureError):
        read(zipped(**parts))


@pytest.mark.parametrize("missing", [MODEL, CERTIFICATE, SIGNATURE])
def test_every_member_is_needed(export, missing):
    parts = members(export)
    del parts[missing.replace(".", "__")]

    with pytest.raises(ModelExportError, match="must hold"):
        read(zipped(**parts))


@pytest.mark.parametrize("name", ["../model.vw", "extra", "model.vw/"])
def test_no_other_member_is_taken(export, name):
    with pytest.raises(ModelExportError, match="must hold"):
        read(zipped(**members(export), **{name.replace(".", "__"): b"x"}))


def test_a_member_that_is_there_twice_is_refused(export):
    data = io.BytesIO(export)
    with zipfile.ZipFile(data, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(SIGNATURE, b"x")

    with pytest.raises(ModelExportError, match="must hold"):
        read(data.getvalue())


@pytest.mark.parametrize("lie", [False, True], ids=["stated", "understated"])
def test_a_bomb_is_not_unpacked(export, lie):
    parts = members(export) | {"sha512_signature__bin": b"\0" * (64 << 20)}
    bomb = zipped(**parts)
    if lie:
        bomb = bomb.replace((64 << 20).to_bytes(4, "little"), (256).to_bytes(4, "little"))

    with pytest.raises(ModelExportError):
        read(bomb)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_damage_gives_another_error_or_another_model(export, data):
    start = data.draw(st.integers(0, len(export)))
    end = data.draw(st.integers(start, min(len(export), start + 30)))
    damaged = export[:start] + data.draw(st.binary(max_size=30)) + export[end:]
    try:
        assert read(damaged).model == b"a model"
    except ModelExportError:
        pass


def test_a_weak_key_is_refused():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 (the point)
    strong = new_signer("x", NOW)
    subject = x509.load_der_x509_certificate(strong.certificate).subject
    certificate = (
        x509.CertificateBuilder(subject, subject, weak.public_key(), 7)
        .not_valid_before(NOW)
        .not_valid_after(NOW.replace(year=2030))
        .sign(strong.key, hashes.SHA256())
    )

    with pytest.raises(SignatureError, match="2,048"):
        read(write(b"a model", Signer(weak, certificate.public_bytes(Encoding.DER))))
