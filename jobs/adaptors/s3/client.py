"""The operations of `s3`. Objects are put whole, so putting one twice leaves one."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote
from xml.etree.ElementTree import ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from jobs.adaptors.auth import Auth, NoAuth
from jobs.adaptors.bodies import to_json
from jobs.adaptors.context import Context
from jobs.adaptors.engine import Response, RestClient
from jobs.adaptors.errors import AdaptorError, AuthError, ValidationError
from jobs.adaptors.s3.signing import Signer
from jobs.adaptors.spec import address, credential, operation, secret, text

WRONG_CREDENTIAL = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "RequestTimeTooSkewed"}
)
DEFAULT_MAX = 10_000


class Client(RestClient):
    """One account; buckets are named by each call or by the credential."""

    system = "S3"
    expects_json = False
    headers: ClassVar[Mapping[str, str]] = {}
    schema = credential(
        {
            "accessKeyId": text("Access key ID", minLength=1),
            "secretAccessKey": secret("Secret access key", minLength=1),
            "sessionToken": secret("Session token", "Only with keys that are valid for a time."),
            "region": text("Region", default="us-east-1", examples=["eu-west-1"]),
            "bucket": text("Bucket", "The one that is meant when a job names none."),
            "endpoint": address(
                "Address", "For MinIO and others; Amazon's own if empty.", example="https://minio.example.org"
            ),
        },
        required=("accessKeyId", "secretAccessKey"),
    )

    def __init__(self, configuration: dict[str, Any], context: Context) -> None:
        super().__init__(configuration, context)
        self._bucket = str(configuration.get("bucket") or "")
        self._signer = Signer(
            configuration["accessKeyId"],
            configuration["secretAccessKey"],
            str(configuration.get("region") or "us-east-1"),
            str(configuration.get("sessionToken") or ""),
        )

    def base_url(self, configuration: dict[str, Any]) -> str:
        region = configuration.get("region") or "us-east-1"
        return str(configuration.get("endpoint") or f"https://s3.{region}.amazonaws.com")

    def authenticate(self, configuration: dict[str, Any]) -> Auth:
        return NoAuth()

    def words(self, response: Response) -> str:
        found = _xml(response.body)
        return (
            f"{found.get('Message', '')} ({found['Code']})" if found.get("Code") else super().words(response)
        )

    def _error(self, response: Response, *, safe: bool, message: str = "") -> AdaptorError:
        """Wrong keys are a 403 here, which elsewhere means a missing permission."""
        if response.status in (400, 403) and _xml(response.body).get("Code") in WRONG_CREDENTIAL:
            return AuthError(message or self._sentence(response), status=response.status, body=response.body)
        return super()._error(response, safe=safe, message=message)

    @operation(example='s3.put("reports/2026-11.csv", csv.write(rows))', writes=True)
    def put(  # type: ignore[override]  # an object instead of a path
        self,
        key: str,
        content: Any,
        *,
        bucket: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Write an object (text, bytes, or anything else as JSON); answers `{bucket, key, etag, size}`."""
        data, kind = _as_bytes(content)
        kind = content_type or mimetypes.guess_type(_named(key))[0] or kind
        headers = {"content-type": kind, "content-md5": base64.b64encode(_md5(data)).decode("ascii")}
        headers |= {f"x-amz-meta-{name}": str(value) for name, value in (metadata or {}).items()}
        response = self._signed("PUT", key, bucket, content=data, headers=headers)
        etag = response.headers.get("etag", "").strip('"')
        return {"bucket": bucket or self._bucket, "key": key, "etag": etag, "size": len(data)}

    @operation(example='report = s3.get("reports/2026-11.json")')
    def get(self, key: str, *, bucket: str | None = None) -> Any:  # type: ignore[override]
        """An object: JSON as values, text as text, anything else as bytes."""
        response = self._signed("GET", _named(key), bucket)
        kind = response.headers.get("content-type", "")
        if "json" in kind:
            try:
                return json.loads(response.content)
            except ValueError:
                raise ValidationError(f"The object {key} is not valid JSON.", sent=False) from None
        if kind.startswith("text/") or any(word in kind for word in ("xml", "csv", "yaml")):
            return response.content.decode("utf-8", "replace")
        return response.content

    @operation(example='content = s3.get_bytes("photos/7.jpg")')
    def get_bytes(self, key: str, *, bucket: str | None = None) -> bytes:
        """An object as bytes."""
        return self._signed("GET", _named(key), bucket).content

    @operation(example='about = s3.head("reports/2026-11.csv")')
    def head(self, key: str, *, bucket: str | None = None) -> dict[str, Any] | None:
        """Size, type and time of an object, or None if there is none."""
        response = self._signed("HEAD", _named(key), bucket, errors={404: False})
        if response.status == 404:
            return None
        named = {"etag": "etag", "modified": "last-modified", "content_type": "content-type"}
        found: dict[str, Any] = {
            ours: response.headers.get(theirs, "").strip('"') for ours, theirs in named.items()
        }
        return {**found, "size": int(response.headers.get("content-length", 0))}

    @operation(example='for each in s3.list("reports/"): print(each["key"], each["size"])')
    def list(
        self, prefix: str = "", *, bucket: str | None = None, max: int = DEFAULT_MAX
    ) -> list[dict[str, Any]]:
        """Objects whose keys begin so, in order: `key`, `size`, `etag`, `modified`."""
        found: list[dict[str, Any]] = []
        for each in self.each(prefix, bucket=bucket):
            if len(found) >= max:
                self.context.log("warning", f"There are more than {max:,} objects; pass max=… to see more.")
                break
            found.append(each)
        return found

    @operation(example='for each in s3.each("reports/"): print(each["key"])')
    def each(self, prefix: str = "", *, bucket: str | None = None) -> Iterator[dict[str, Any]]:
        """The same one by one, all pages."""
        token = ""
        while True:
            params = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            root = _parsed(self._signed("GET", "", bucket, params=params).content)
            for entry in root.iter():
                if _name(entry) == "Contents":
                    told = {_name(child): child.text or "" for child in entry}
                    yield {
                        "key": told["Key"],
                        "size": int(told.get("Size") or 0),
                        "etag": told.get("ETag", "").strip('"'),
                        "modified": told.get("LastModified", ""),
                    }
            token = next((each.text or "" for each in root if _name(each) == "NextContinuationToken"), "")
            if not token:
                return

    @operation(example='s3.delete("reports/2025-11.csv")', writes=True)
    def delete(self, key: str, *, bucket: str | None = None) -> None:  # type: ignore[override]
        """Delete an object; one that is gone already is no error."""
        self._signed("DELETE", _named(key), bucket)

    @operation(example='s3.copy("inbox/a.csv", "done/a.csv")', writes=True)
    def copy(self, key: str, to: str, *, bucket: str | None = None) -> None:
        """Copy an object inside its bucket. An error can stand in an answer that looks like a success."""
        source = quote(f"/{bucket or self._bucket}/{_named(key)}", safe="/-_.~")
        response = self._signed("PUT", _named(to), bucket, headers={"x-amz-copy-source": source})
        if not self.context.dry_run and b"<Error" in response.content:
            raise AdaptorError(self._sentence(response), body=response.body, sent=True)

    def test(self) -> str:
        """One sentence for *Test connection*; a failure raises."""
        if self._bucket:
            self._signed("GET", "", None, params={"list-type": "2", "max-keys": "1"})
            return f"S3 accepts the keys for the bucket {self._bucket}."
        self._signed("GET", "", "")
        return "S3 accepts the keys."

    def _signed(
        self,
        method: str,
        key: str,
        bucket: str | None,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        errors: Any = None,
    ) -> Response:
        chosen = self._bucket if bucket is None else bucket
        if key and not chosen:
            raise ValidationError("Name a bucket, in the call or in the credential.", sent=False)
        path = quote(f"/{chosen}/{key}" if chosen else "/", safe="/-_.~")
        given = dict(headers or {})
        # As a whole address, which is left as it is: `a//b` and `a/b` are two objects.
        path = self.http_client.address("").rstrip("/") + path
        url = self.http_client.address(path, params)
        signature = self._signer.headers(method, url, content=content or b"", headers=given)
        data = content if content is not None else (b"" if method == "PUT" else None)
        return super().request(
            method, path, data, params=params, headers={**given, **signature}, parse_as="auto", errors=errors
        )


def _named(key: Any) -> str:
    """A key that means one object: without any the request would be about the bucket itself."""
    if not isinstance(key, str) or not key.strip():
        raise ValidationError("An object in S3 needs a key.", sent=False)
    if any(part in (".", "..") for part in key.split("/")):
        raise ValidationError("A key with '.' or '..' as a part of it cannot be asked for.", sent=False)
    return key


def _as_bytes(content: Any) -> tuple[bytes, str]:
    if isinstance(content, (bytes, bytearray)):
        return bytes(content), "application/octet-stream"
    if isinstance(content, str):
        return content.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    return to_json(content), "application/json"


def _md5(data: bytes) -> bytes:
    """What S3 compares the body with: against damage on the way, not against people."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def _parsed(content: bytes) -> Any:
    try:
        return ElementTree.fromstring(content)
    except (ParseError, DefusedXmlException, ValueError):
        raise AdaptorError("S3 answered with something that is no XML.", sent=True) from None


def _xml(body: Any) -> dict[str, str]:
    """The fields of an error answer."""
    if not isinstance(body, str) or "<Error" not in body:
        return {}
    try:
        root = ElementTree.fromstring(body.encode("utf-8"))
    except (ParseError, DefusedXmlException, ValueError):
        return {}
    return {_name(each): each.text or "" for each in root}


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
