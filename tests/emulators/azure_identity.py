"""What Azure gives a process that runs there: an address that gives out tokens, and a service that takes them over TLS."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.emulators.azure import Azurite

HEADER = "a word that proves that the process runs there"


class TokenEndpoint:
    """As App Service and Container Apps have it for managed identities; no token is signed, and azurite asks for no signature."""

    def __init__(self) -> None:
        self.asked_for: list[str] = []
        self.lifetime_seconds = 3600
        """Of what the tokens say of themselves; the endpoint promises an hour whatever it is."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        return {
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self._server.server_port}/msi/token",
            "IDENTITY_HEADER": HEADER,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        }

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(endpoint) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.headers["X-IDENTITY-HEADER"] == HEADER
                (resource,) = parse_qs(urlsplit(self.path).query)["resource"]
                endpoint.asked_for.append(resource)
                token = _token(resource, endpoint.lifetime_seconds)
                answer = {"access_token": token, "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
                body = json.dumps({**answer, "resource": resource}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base's name
                """Nothing."""

        return Handler


def azurite_with_tls(directory: Path) -> tuple[Azurite, Path]:
    """Azurite that takes tokens too, and the certificate that it shows."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    _write_certificate(certificate, key)
    azurite = Azurite(directory, "--oauth", "basic", "--cert", certificate, "--key", key)
    azurite.endpoint = azurite.endpoint.replace("http:", "https:")
    return azurite, certificate


def _token(audience: str, lifetime_seconds: int) -> str:
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{UUID(int=1)}/",
        "iat": now - 7200,
        "nbf": now - 7200,
        "exp": now + lifetime_seconds,
        "oid": str(UUID(int=2)),
    }
    return ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=")
        for part in (json.dumps({"alg": "RS256", "typ": "JWT"}).encode(), json.dumps(claims).encode(), b"unsigned")
    )


def _write_certificate(certificate: Path, key: Path) -> None:
    """One for loopback that has signed itself, for a day."""
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "azurite of a test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
