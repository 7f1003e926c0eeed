"""An authority of one's own, and the certificates it issues as files, for tests of the server's TLS."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sidegate.client.channel import ClientTls
from sidegate.server.grpc.certificates import TlsFiles

_NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    def copy_to(self, other: Issued) -> None:
        """Replace the files of another certificate, as its renewal does."""
        shutil.copy(self.certificate, other.certificate)
        shutil.copy(self.key, other.key)


@dataclass(slots=True)
class Authority:
    """An authority whose files are in a directory."""

    directory: Path
    _made: trustme.CA = field(default_factory=trustme.CA)
    _number: int = field(default_factory=lambda: next(_NUMBERS))

    @property
    def ca(self) -> Path:
        """The authority's own certificate."""
        path = self.directory / f"authority-{self._number}.pem"
        self._made.cert_pem.write_to_path(str(path))
        return path

    def server(self, address: str = "127.0.0.1") -> Issued:
        """Issue a certificate for an IP address and `localhost`."""
        return self.issue([x509.DNSName("localhost"), x509.IPAddress(ip_address(address))])

    def client(self, *, dns: str | None = None, uri: str | None = None) -> Issued:
        """Issue a certificate for a client, with a name of either kind, or both."""
        names: list[x509.GeneralName] = []
        if dns is not None:
            names.append(x509.DNSName(dns))
        if uri is not None:
            names.append(x509.UniformResourceIdentifier(uri))
        return self.issue(names or [x509.DNSName("client.example")])

    def issue(self, names: list[x509.GeneralName]) -> Issued:
        """Issue a certificate for any names."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.load_pem_x509_certificate(self._made.cert_pem.bytes())
        signer = serialization.load_pem_private_key(self._made.private_key_pem.bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .sign(signer, hashes.SHA256())
        )
        number = next(_NUMBERS)
        issued = Issued(self.directory / f"{number}-certificate.pem", self.directory / f"{number}-key.pem")
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return issued


def server_files(issued: Issued, client_ca: Path | None = None) -> TlsFiles:
    """Return what a server needs to use a certificate."""
    return TlsFiles(issued.certificate, issued.key, client_ca)


def client_files(authority: Authority, issued: Issued | None = None) -> ClientTls:
    """Return what a client needs that trusts an authority, and shows a certificate."""
    return ClientTls(authority.ca, issued and issued.certificate, issued and issued.key)
