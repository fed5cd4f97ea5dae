"""What the failures of obstore mean: trouble that may pass, an answer about what is there, or something to be mended."""

import re
from typing import Literal, NamedTuple

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_REASON = re.compile(r'(?:message|error): "([^"]+)"|kind: (Timeout)')

Kind = Literal["answer", "connection", "credentials", "certificate", "region", "strange"]
_SIGNS: dict[Kind, re.Pattern[str]] = {
    # Without keys in the environment, the role of the machine is asked for at its metadata address.
    "credentials": re.compile(r"/latest/(api/token|meta-data)|Missing(AccessKeyId|SecretAccessKey)"),
    "certificate": re.compile("InvalidCertificate"),
    "region": re.compile("incorrectly configured region"),
    "answer": re.compile("Server returned (non-2xx status|error response)"),
    "connection": re.compile(r"HttpError \{"),
}
"""By what the text of an exception tells its kind; the first that fits."""

_PASSING_STATUS = {408, 429, 500, 502, 503, 504}
_PASSING_CODES = {
    "ConditionalRequestConflict",
    "InternalError",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
}
"""Come with other statuses too, which otherwise do not pass. `NoSuchUpload` remains when the answer to the end of an upload
is lost: obstore then calls the upload off, which has ended."""
_ABOUT_CONTENT = {404, 412, 416}

_KEYS = "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_ENDPOINT_URL if they belong to another server"
_EXPIRED = "get new ones and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
_REGION = "the bucket is in another region; set AWS_REGION to the bucket's own"
NOT_S3 = "the answers are not those of an S3-compatible server; correct AWS_ENDPOINT_URL"
_SENTENCES = {
    "NoSuchBucket": "there is no such bucket; create it, or correct the URL or AWS_ENDPOINT_URL",
    "InvalidAccessKeyId": f"the server does not know the access key; {_KEYS}",
    "SignatureDoesNotMatch": f"the secret key does not fit the access key; {_KEYS}",
    "ExpiredToken": f"the credentials have expired; {_EXPIRED}",
    "InvalidToken": f"the session token is not valid; {_EXPIRED}",
    "RequestTimeTooSkewed": "this machine's clock is more than minutes off; set it",
    "AuthorizationHeaderMalformed": _REGION,
    "credentials": "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role gives them",
    "certificate": "the server's certificate is not trusted; set AWS_CA_BUNDLE to the file of who signed it",
    "region": _REGION,
    "strange": NOT_S3,
}


class Failure(NamedTuple):
    """A failed request, without what the server said at length: that may name keys."""

    kind: Kind
    status: int | None
    """Of HTTP; None when the answer was cut off, or there was none."""
    code: str
    """Of S3; empty when the answer has none, as those about a file's size never have."""
    reason: str
    """In a few words."""

    @property
    def passes(self) -> bool:
        """Whether another try may go well."""
        answered = self.kind == "answer" and (self.status in _PASSING_STATUS or self.code in _PASSING_CODES)
        return answered or self.kind == "connection"

    @property
    def is_about_content(self) -> bool:
        """Whether the server is well, and what is stored is not as the request asked for: absent, or another version."""
        is_whole = self.kind == "answer" and self.status in _ABOUT_CONTENT
        return is_whole and self.code not in ("NoSuchBucket", "NoSuchUpload")

    def sentence(self, name: str) -> str:
        """What is wrong and what to do, of a failure that does not pass; `name` is what the request was about."""
        known = _SENTENCES.get(self.code) or _SENTENCES.get(self.kind)
        if known:
            return known
        if self.status in (401, 403):
            return f"{name}: not allowed ({self.reason}); give these credentials the permissions that docs/storage.md lists"
        return f"{name}: the server refuses it ({self.reason}); see docs/storage.md for what a server must support"


def failure(error: Exception) -> Failure:
    """What an exception of obstore says: its text alone has the answer."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    return Failure(
        kind=next((kind for kind, sign in _SIGNS.items() if sign.search(text)), "strange"),
        status=int(status[1]) if status else None,
        code=code[1] if code else "",
        reason=" ".join(found[1] for found in (status, code) if found) or _broken(text),
    )


def _broken(text: str) -> str:
    reason = _REASON.search(text)
    return (reason[1] or "no answer in time") if reason else "the connection broke"
