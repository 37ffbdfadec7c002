"""Secrets and signatures after the Standard Webhooks specification, version 1.0.0: HMAC-SHA256, `v1`."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

PREFIX: Final = "whsec_"
"""Of secrets, so that one is known for what it is wherever it turns up."""
BYTES: Final = 32
"""Of a secret's random part; the specification wants 24 to 64."""


def new_secret() -> str:
    """A secret that nobody guesses."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def signed_headers(event_id: UUID, at: datetime, body: bytes, secrets_: Sequence[str]) -> Mapping[str, str]:
    """The three headers of the specification; a signature for each secret, the newest first."""
    second = str(int(at.timestamp()))
    content = b".".join((str(event_id).encode(), second.encode(), body))
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": second,
        "webhook-signature": " ".join(f"v1,{_signature(secret, content)}" for secret in secrets_),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
