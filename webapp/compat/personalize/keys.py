"""The pair of keys that a client of Amazon's signs with, made from one of our API keys.

SigV4 needs the signing secret on both sides, and of our own secrets only hashes are kept. So the secret access key is
derived, by HMAC-SHA256 under a key made from SECRET_KEY, from the API key's prefix and hash. The database alone gives
nobody a secret, nor does SECRET_KEY alone; both together do. Revoking the API key ends it; another SECRET_KEY changes
it. It is shown once, with the API key.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from django.utils.crypto import salted_hmac

from webapp.accounts.models import ApiKey

MARK: Final = "FRESHET"
_SALT: Final = "webapp.compat.personalize"
_ACCESS_KEY_ID: Final = re.compile(rf"{MARK}([0-9A-F]{{1,16}})\Z")


def access_key_id(api_key: ApiKey) -> str:
    """No secret: requests carry it in the clear."""
    return MARK + api_key.prefix.upper()


def secret_access_key(api_key: ApiKey) -> str:
    """43 characters."""
    digest = salted_hmac(_SALT, f"{api_key.prefix}:{api_key.secret_sha256}", algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def prefix_of(key_id: str) -> str | None:
    """The prefix of the API key that an access key id is of, or None."""
    found = _ACCESS_KEY_ID.match(key_id)
    return None if found is None else found.group(1).lower()
