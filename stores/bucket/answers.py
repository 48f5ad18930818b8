"""What an S3 server's answer must look like before anyone believes it.

Proxies, captive portals and broken servers answer 200, too. An answer that is not S3's is an
outage, never a fact about an object: a listing that ends early would make recordings look lost, and
a web page in place of the versioning state would let versions survive their deletion.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from xml.parsers import expat

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, StringConstraints
from pydantic import ValidationError as Invalid

from schema.object_keys import MAX_KEY_BYTES

# A page of 1,000 keys of 1,024 bytes, each percent-encoded, and as much again for the rest.
MAX_DOCUMENT_BYTES = 8 * 2**20
_MAX_DEPTH = 16  # S3's own documents have six levels
_MAX_ELEMENTS = 100_000  # S3's own have some 20 for each of 1,000 keys

_ROOTS = {
    "ListObjectsV2": ("ListBucketResult",),
    "ListObjectVersions": ("ListVersionsResult",),
    "GetBucketVersioning": ("VersioningConfiguration", "GetBucketVersioningResponse"),  # moto
    "DeleteObjects": ("DeleteResult",),
}
_LISTINGS = frozenset({"ListBucketResult", "ListVersionsResult"})


def _storable(key: str) -> str:
    if not 1 <= len(key.encode(errors="surrogatepass")) <= MAX_KEY_BYTES:
        message = "no key"
        raise ValueError(message)
    return key


_Key = Annotated[str, AfterValidator(_storable)]
_Size = Annotated[int, Field(ge=0, le=10**15)]
_Moment = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))
]
_ETag = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_ErrorCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.]{1,64}$")]


class UnexpectedAnswer(Exception):
    """An answer that no S3 server gives; the message says what is odd and quotes nothing of it."""


class _Object(BaseModel):
    Key: _Key
    Size: _Size
    LastModified: _Moment


class _Version(BaseModel):
    Key: _Key
    VersionId: str
    Size: _Size


class _DeleteMarker(BaseModel):
    Key: _Key
    VersionId: str


class _Deleted(BaseModel):
    Key: _Key


class _NotDeleted(BaseModel):
    Key: _Key
    Code: _ErrorCode


class _ListObjectsV2(BaseModel):
    IsTruncated: bool
    Contents: list[_Object] = []
    NextContinuationToken: str | None = None


class _ListObjectVersions(BaseModel):
    IsTruncated: bool
    Versions: list[_Version] = []
    DeleteMarkers: list[_DeleteMarker] = []


class _GetBucketVersioning(BaseModel):
    Status: Annotated[str | None, Field(pattern="^(Enabled|Suspended)$")] = None


class _DeleteObjects(BaseModel):
    Deleted: list[_Deleted] = []
    Errors: list[_NotDeleted] = []


class _HeadObject(BaseModel):
    ContentLength: _Size
    LastModified: _Moment
    ETag: _ETag


class _GetObject(BaseModel):
    ContentLength: _Size
    ETag: _ETag


_MODELS: Mapping[str, type[BaseModel]] = {
    "ListObjectsV2": _ListObjectsV2,
    "ListObjectVersions": _ListObjectVersions,
    "GetBucketVersioning": _GetBucketVersioning,
    "DeleteObjects": _DeleteObjects,
    "HeadObject": _HeadObject,
    "GetObject": _GetObject,
}


def check_members(operation: str, answer: Mapping[str, Any]) -> None:
    """Check the members of a successful answer that are read.

    Raises:
        UnexpectedAnswer: If one is missing, or has a value that it cannot have.
    """
    if (model := _MODELS.get(operation)) is None:
        return
    try:
        model.model_validate(answer)
    except Invalid as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(part for part in first["loc"] if isinstance(part, str))
        message = f"its answer has no valid {place}"
    else:
        return
    raise UnexpectedAnswer(message)  # outside, because pydantic's error quotes the answer


def check_document(operation: str, body: bytes) -> None:
    """Check that the body of a successful answer is the document that the operation returns.

    S3 also answers 200 with an error, when it fails after its headers have left.

    Raises:
        UnexpectedAnswer: If it is another document, none, or one that would take long to read.
    """
    expected = _ROOTS.get(operation)
    if expected is None and not body:
        return
    root = _Outline(body).root
    if expected is not None and root not in expected:
        message = f"its answer is no {expected[0]}"
        raise UnexpectedAnswer(message)


def is_error_document(body: bytes) -> bool:
    """Return whether the body of an unsuccessful answer is an error of S3."""
    try:
        return _Outline(body).root == "Error"
    except UnexpectedAnswer:
        return False


class _Outline:
    """A document's root; reading it proves that the document is small, flat and well-formed."""

    def __init__(self, body: bytes) -> None:
        self.root = ""
        self._depth = self._elements = self._truncation_flags = 0
        self._flag: str | None = None  # the text so far, inside `IsTruncated`
        parser = expat.ParserCreate(namespace_separator="}")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        try:
            parser.Parse(body, True)
        except expat.ExpatError as error:
            message = "its answer is not XML"
            raise UnexpectedAnswer(message) from error
        # boto3 reads every text but "true" as false, and a listing that ends too early as whole.
        if self.root in _LISTINGS and self._truncation_flags != 1:
            message = "its listing does not say whether it is complete"
            raise UnexpectedAnswer(message)

    def _start(self, name: str, _: object) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            message = "its answer is too deep or has too many elements"
            raise UnexpectedAnswer(message)
        local = name.rpartition("}")[2]
        if self._depth == 1:
            self.root = local
        elif self._depth == 2 and local == "IsTruncated":
            self._flag = ""

    def _text(self, text: str) -> None:
        if self._flag is not None:
            self._flag += text

    def _end(self, _: str) -> None:
        self._depth -= 1
        if self._flag is not None:
            self._truncation_flags += 1 if self._flag in {"true", "false"} else 2
            self._flag = None

    def _doctype(self, *_: object) -> None:
        message = "its answer is a web page"
        raise UnexpectedAnswer(message)
