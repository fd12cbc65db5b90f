"""Our errors under Amazon's names, so that boto3 raises what its callers catch."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from webapp.core.errors import AppError

TYPE_HEADER = "x-amzn-ErrorType"
_TYPES = {
    400: "InvalidInputException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    409: "ResourceInUseException",
    413: "InvalidInputException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


class BadSignature(AppError):
    """Nobody who knows a secret of ours signed this, or not now."""

    code = "bad_signature"
    status = 403


class UnknownKey(AppError):
    """There is no such access key, or it was revoked."""

    code = "unknown_key"
    status = 403


def restated(answer: Response) -> Response:
    """An answer of ours as Amazon's: the kind in a header, the message with every broken rule in the body."""
    body: dict[str, Any] = answer.data
    code = body.get("code")
    kind = _TYPES.get(answer.status_code, "InternalServerException")
    if code in (BadSignature.code, UnknownKey.code):
        kind = "InvalidSignatureException" if code == BadSignature.code else "UnrecognizedClientException"
    problems = body.get("extra", {}).get("problems", [])
    rules = [f"{one.get('field')}: {one.get('rule')} (received {one.get('received')})" for one in problems[:20]]
    message = "; ".join([str(body.get("message")), *rules])
    kept = {name: value for name, value in answer.headers.items() if name.lower() == "retry-after"}
    return Response({"message": message}, status=answer.status_code, headers={**kept, TYPE_HEADER: kind})
