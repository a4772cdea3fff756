"""JSON Web Tokens made by hand, true and false ones: nothing of the program, nothing but the standard library."""

import base64
import hashlib
import hmac
import json
import time
import uuid

from lib.server import KEY

HEADER = {"alg": "HS256", "typ": "JWT"}
HOUR = 3600


def part(data):
    """base64url without padding, of bytes or of a value as JSON."""
    if not isinstance(data, bytes):
        data = json.dumps(data, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(token):
    """The claims of a token, unchecked."""
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def signature(signed, key=KEY, digest=hashlib.sha256):
    return part(hmac.new(key.encode() if isinstance(key, str) else key, signed.encode(), digest).digest())


def sign(claims, header=None, key=KEY, digest=hashlib.sha256):
    """The token of these claims (or of raw bytes in their place), under any header, key and digest."""
    signed = f"{part(HEADER if header is None else header)}.{part(claims)}"
    return f"{signed}.{signature(signed, key, digest)}"


def claims(kind, user, **changes):
    """What the program writes into a token of this kind; a change to None takes a claim away."""
    now = int(time.time())
    lifetime = HOUR if kind == "access" else 7 * 24 * HOUR
    made = {"token_type": kind, "exp": now + lifetime, "iat": now, "jti": uuid.uuid4().hex, "user_id": str(user)}
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def access(user, **changes):
    return sign(claims("access", user, **changes))


def refresh(user, **changes):
    return sign(claims("refresh", user, **changes))


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def basic(username, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}
