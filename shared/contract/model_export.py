"""The signed zip in which Personalizer exported models, and took them back.

Its members are ``model.vw``, the model; ``signer.der``, an X.509 certificate; and
``sha512_signature.bin``, the model's RSA signature (PKCS #1 v1.5, SHA-512) by the certificate's
key. The certificate proves that the model is whole and who signed it; whom to trust is the
caller's decision.
"""

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from shared.contract.errors import ContractError, ErrorCode, sentence

MODEL, CERTIFICATE, SIGNATURE = "model.vw", "signer.der", "sha512_signature.bin"

MAX_MODEL = 256 << 20
"""Bytes of a model: four numbers for each of 2^24 weights."""

_MAX_SIZES = {MODEL: MAX_MODEL, CERTIFICATE: 64 << 10, SIGNATURE: 4 << 10}
_MAX_DIRECTORY = 4096
"""Bytes of the zip's list of members: three take about 200."""

_MAX_RATIO = 200
"""By how much a member of a megabyte and more may be compressed: numbers that were learned give
less than 20, nothing but zeros 1,000."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others ask for memory in their header
_END = struct.Struct("<4s4H2LH")  # APPNOTE.TXT 4.3.16: end of central directory
_KEY_SIZES = range(2048, 16384 + 1)
_NEVER_EARLIER = (1980, 1, 1, 0, 0, 0)  # zip's first date: the same model gives the same bytes


class ModelExportError(ValueError):
    """The bytes are not a signed model."""


class SignatureError(ModelExportError):
    """The model is not what was signed, or the signature is not one that can be checked."""


@dataclass(frozen=True, slots=True)
class ModelExport:
    """A model whose signature holds.

    Attributes:
        model: A Vowpal Wabbit model file.
        signer: The certificate of who signed it (DER).
        fingerprint: SHA-256 of the certificate, in hexadecimal.
    """

    model: bytes
    signer: bytes
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs exports.

    Attributes:
        key: An RSA key of at least 2,048 bits.
        certificate: Its X.509 certificate (DER).
    """

    key: rsa.RSAPrivateKey
    certificate: bytes


def dump_signer(signer: Signer) -> bytes:
    """Return a signer's key and certificate (PEM), to be kept secret."""
    key = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key + x509.load_der_x509_certificate(signer.certificate).public_bytes(Encoding.PEM)


def load_signer(data: bytes) -> Signer:
    """Return the signer of ``dump_signer``'s bytes."""
    key = load_pem_private_key(data, None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the signer's key must be RSA")
    certificate = x509.load_pem_x509_certificate(data[data.index(b"-----BEGIN CERTIFICATE") :])
    return Signer(key, certificate.public_bytes(Encoding.DER))


def new_signer(name: str, now: datetime, valid: timedelta = timedelta(days=3650)) -> Signer:
    """Return a new key with a certificate of its own.

    Args:
        name: Who signs, at most 64 characters.
        now: The start of the certificate's validity.
        valid: How long it is valid.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + valid)
        .sign(key, hashes.SHA256())
    )
    return Signer(key, certificate.public_bytes(Encoding.DER))


def write(model: bytes, signer: Signer) -> bytes:
    """Return the signed zip of a model. The same model and signer give the same bytes."""
    members = {
        MODEL: model,
        CERTIFICATE: signer.certificate,
        SIGNATURE: signer.key.sign(model, padding.PKCS1v15(), hashes.SHA512()),
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _NEVER_EARLIER), content, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def model_of(body: bytes) -> bytes:
    """Return the model file of an import: of a signed zip, or the bytes themselves.

    Raises:
        ContractError: A signed zip is damaged, or its signature does not hold.
    """
    if not body:
        raise ContractError(ErrorCode.INVALID_MODEL_FORMAT, "The body must be a model.", "body")
    if not body.startswith(b"PK"):
        return body
    try:
        return read(body).model
    except SignatureError as exc:
        code = ErrorCode.INVALID_MODEL_SIGNATURE
        raise ContractError(code, sentence(exc), "body") from exc
    except ModelExportError as exc:
        raise ContractError(ErrorCode.INVALID_MODEL_FORMAT, sentence(exc), "body") from exc


def read(data: bytes) -> ModelExport:
    """Return the model of a signed zip.

    Raises:
        ModelExportError: The bytes are not a zip of exactly these three members, or a member is
            larger than allowed, whatever size it states.
        SignatureError: The signature does not hold.
    """
    _check_directory(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if len(archive.infolist()) != 3 or members.keys() != _MAX_SIZES.keys():
                raise ModelExportError(f"the zip must hold {', '.join(_MAX_SIZES)} and no more")
            if any(info.compress_type not in _METHODS for info in members.values()):
                raise ModelExportError("the zip's members must be deflated or stored")
            contents = {name: _read(archive, info) for name, info in members.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as exc:
        raise ModelExportError("the model is not a zip that can be read") from exc
    except (RuntimeError, ValueError, OverflowError) as exc:
        if isinstance(exc, ModelExportError):
            raise
        raise ModelExportError("the model is not a zip that can be read") from exc
    certificate = _certificate(contents[CERTIFICATE])
    _verify(certificate, contents[SIGNATURE], contents[MODEL])
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    return ModelExport(contents[MODEL], contents[CERTIFICATE], fingerprint)


def _check_directory(data: bytes) -> None:
    """Refuse a zip with a long list of members before it is read: an entry takes 500 bytes."""
    at = data.rfind(b"PK\5\6", max(0, len(data) - _END.size - 0xFFFF))
    if at < 0 or at + _END.size > len(data):
        raise ModelExportError("the model is not a zip that can be read")
    _, _, _, _, entries, size, _, _ = _END.unpack_from(data, at)
    if entries != len(_MAX_SIZES) or size > _MAX_DIRECTORY or b"PK\6\7" in data[at - 20 : at]:
        raise ModelExportError(f"the zip must hold {', '.join(_MAX_SIZES)} and no more")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    limit = min(_MAX_SIZES[info.filename], max(1 << 20, _MAX_RATIO * info.compress_size))
    with archive.open(info) as member:
        content = member.read(limit + 1)
    if len(content) > limit:
        raise ModelExportError(f"{info.filename} in the zip is too large")
    return content


def _certificate(data: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(data)
    except (ValueError, x509.InvalidVersion) as exc:
        raise SignatureError(f"{CERTIFICATE} in the zip is not a certificate") from exc


def _verify(certificate: x509.Certificate, signature: bytes, model: bytes) -> None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise SignatureError("the signer's key cannot be used") from exc
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in _KEY_SIZES:
        raise SignatureError("the signer's key must be RSA with at least 2,048 bits")
    try:
        key.verify(signature, model, padding.PKCS1v15(), hashes.SHA512())
    except (InvalidSignature, ValueError) as exc:
        raise SignatureError("the model is not what was signed") from exc
