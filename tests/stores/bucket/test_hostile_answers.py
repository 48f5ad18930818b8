"""A server whose answers no S3 server would give: each is an outage, in bounded time and memory."""

import gzip
import hashlib
import time

import pytest

from schema.errors.storage import (
    ObjectMissing,
    ObjectTooLarge,
    StorageDenied,
    StorageUnavailable,
    WrongBucket,
)
from stores.bucket import audio_bucket, bodies
from stores.bucket.answers import MAX_DOCUMENT_BYTES
from stores.bucket.audio_bucket import MARKER_KEY
from stores.bucket.listing import list_objects
from stores.bucket.object_beginning import read_beginning
from stores.bucket.versions import deletion_for_good, keeps_versions, list_versions
from tests.support.hostile_bucket import answer, sending

KEY = "audio/u/c/m_1.wav"
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"
S3 = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
SECONDS = 5.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(audio_bucket, "_FIRST_PAUSE_SECONDS", 0)


@pytest.fixture
def unavailable(hostile_bucket):
    """Answer everything with these bytes; the call must report an outage in bounded time."""

    def _unavailable(call, data, *targets):
        for target in targets or (KEY, "?list-type", "?versions", "?versioning", "?delete"):
            hostile_bucket[target] = sending(data)
        bucket = hostile_bucket.bucket()
        started = time.monotonic()
        with pytest.raises(StorageUnavailable) as error:
            call(bucket)
        assert time.monotonic() - started < SECONDS
        return error.value.reason

    return _unavailable


def document(root, *children, **headers):
    return answer(body=f"<{root} {S3}>{''.join(children)}</{root}>".encode(), **headers)


def contents(key, **members):
    facts = {"Key": key, "Size": 4, "LastModified": "2025-12-01T12:00:00.000Z", **members}
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in facts.items() if value != "")
    return f"<Contents>{inner}</Contents>"


def page(*children, truncated="false"):
    return document("ListBucketResult", f"<IsTruncated>{truncated}</IsTruncated>", *children)


def get(bucket):
    return bucket.get(KEY, max_bytes=100)


def head(bucket):
    return bucket.head(KEY)


def listed(bucket):
    return [found.key for page in list_objects(bucket, "audio/") for found in page]


def versions(bucket):
    return [found for page in list_versions(bucket, "audio/") for found in page]


def deletion(bucket):
    report = bucket.delete_many([KEY])
    assert not report.deleted
    raise report.broken


CALLS = [get, head, listed, versions, deletion, keeps_versions, lambda b: read_beginning(b, KEY)]

ODD = {
    "nothing": b"",
    "no HTTP": b"\x00\xff" * 200,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(10_000)),
    "a header of 1 MB": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2**20 + b"\r\n\r\n",
    "status 99999": b"HTTP/1.1 99999 Odd\r\n\r\n",
    "a web page": answer(body=HTML, ETag='"5f-1"', Content_Type="text/html"),
    "a web page without ETag": answer(body=HTML, ETag=None, Content_Type="text/html"),
    "a web page as 404": answer("404 Not Found", HTML),
    "a web page as 500": answer("500 Oops", HTML),
    "a length without a body": answer(length=5),
    "a negative length": answer(Content_Length="-5"),
    "a length in words": answer(Content_Length="five"),
    "two lengths": answer(body=b"data", Content_Length="4\r\nContent-Length: 5"),
    "no length": answer(Content_Length=None),
    "chunks that break off": answer(
        body=b"ffff\r\nabc", Content_Length=None, Transfer_Encoding="chunked"
    ),
    "chunks of no size": answer(body=b"zz\r\n", Content_Length=None, Transfer_Encoding="chunked"),
    "gzip": answer(body=gzip.compress(bytes(10**6)), Content_Encoding="gzip", ETag=None),
    "a redirect": answer("307 Temporary Redirect", Location="http://127.0.0.1:9/elsewhere"),
    "a redirect to a region": answer(
        "301 Moved Permanently",
        b"<Error><Code>PermanentRedirect</Code><Endpoint>evil.example</Endpoint></Error>",
        x_amz_bucket_region="evil",
    ),
    "not modified": answer("304 Not Modified"),
    "endless continues": b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
    "switching protocols": answer("101 Switching Protocols"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ODD)
def test_what_is_not_s3s_is_an_outage(hostile_bucket, unavailable, call, name):
    if call is head and name in {"chunks that break off", "chunks of no size"}:
        pytest.skip("the answer to HEAD has no body")
    if call is head and name in {"a length without a body", "a web page"}:
        pytest.skip("is what the HEAD of an object looks like")
    if call is get and name == "a redirect to a region":
        hostile_bucket["?location"] = sending(HTML)
    unavailable(call, ODD[name])
    assert len(hostile_bucket.requests) <= 10  # five tries, and five to confirm a 404
    hosts = {line for r in hostile_bucket.requests for line in r.split(b"\r\n") if b"Host:" in line}
    assert hosts == {f"Host: localhost:{hostile_bucket.port}".encode()}


DEEP = b"<a>" * 1_000_000
XML = {
    "a million levels": DEEP,
    "a million levels, closed": DEEP + DEEP.replace(b"<", b"</"),
    "a million elements": b"<ListBucketResult>" + b"<a/>" * 1_000_000 + b"</ListBucketResult>",
    "100 MB": b"<a>" + b" " * 100_000_000 + b"</a>",
    "a million attributes": b"<a " + b"".join(b'a%d="" ' % n for n in range(500_000)) + b"/>",
    "a billion laughs": b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
    "a file of ours": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "another document": b"<Rss/>",
    "an error, although it succeeded": b"<Error><Code>InternalError</Code></Error>",
    "half a document": b"<ListBucketResult><IsTruncated>false</IsTruncated>",
    "two documents": b"<ListBucketResult/><ListBucketResult/>",
    "another encoding": "<ListBucketResult/>".encode("utf-16") + b"\x00",
    "a character that XML has not": b"<ListBucketResult>&#0;</ListBucketResult>",
}


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request", "503 Slow Down"])
@pytest.mark.parametrize("name", XML)
@pytest.mark.parametrize("call", [listed, versions, deletion, keeps_versions])
def test_xml_is_read_in_bounded_time_and_only_as_expected(hostile_bucket, call, name, status):
    for target in ("?list-type", "?versions", "?versioning", "?delete"):
        hostile_bucket[target] = sending(answer(status, XML[name]))
    bucket = hostile_bucket.bucket()
    started = time.process_time()
    with pytest.raises((StorageUnavailable, StorageDenied)):
        call(bucket)
    assert time.process_time() - started < SECONDS


def test_no_more_of_an_answer_is_read_than_the_limit(hostile_bucket, unavailable):
    read = []

    def behave(connection):
        connection.sendall(answer(length=10**12))
        for _ in range(100):
            connection.sendall(bytes(2**20))
            read.append(1)

    hostile_bucket["?list-type"] = behave
    with pytest.raises(StorageUnavailable, match=str(MAX_DOCUMENT_BYTES)):
        listed(hostile_bucket.bucket())
    assert len(read) < 100


# The versioning state


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"{}",
        b"<a/>",
        b"<Error/>",
        f"<VersioningConfiguration {S3}>".encode(),
        f"<VersioningConfiguration {S3}><Status>On</Status></VersioningConfiguration>".encode(),
        f"<VersioningConfiguration {S3}><Status/></VersioningConfiguration>".encode(),
        f"<ListBucketResult {S3}><IsTruncated>false</IsTruncated></ListBucketResult>".encode(),
    ],
)
def test_garbage_for_the_versioning_state_deletes_nothing(hostile_bucket, body):
    hostile_bucket["?versioning"] = sending(answer(body=body))
    with pytest.raises(StorageUnavailable, match="versioning state"):
        deletion_for_good(hostile_bucket.bucket())
    assert all(request.startswith(b"GET /b?versioning") for request in hostile_bucket.requests)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        ("404 Not Found", HTML, StorageUnavailable),
        ("501 Not Implemented", HTML, StorageUnavailable),
        ("405 Method Not Allowed", b"", StorageDenied),
        ("403 Forbidden", HTML, StorageDenied),
        ("404 Not Found", b"<Error><Code>NoSuchBucket</Code></Error>", WrongBucket),
    ],
)
def test_an_unclear_refusal_of_the_versioning_state_deletes_nothing(
    hostile_bucket, status, body, error
):
    hostile_bucket["?versioning"] = sending(answer(status, body))
    with pytest.raises(error):
        keeps_versions(hostile_bucket.bucket())


def test_only_the_word_of_s3_means_that_a_server_knows_no_versions(hostile_bucket):
    body = b"<Error><Code>NotImplemented</Code></Error>"
    hostile_bucket["?versioning"] = sending(answer("501 Not Implemented", body))
    assert not keeps_versions(hostile_bucket.bucket())
    assert len(hostile_bucket.requests) == 1


# Listings


@pytest.mark.parametrize(
    "listing",
    [
        page(contents("video/a")),
        page(contents("audio/b"), contents("audio/a")),
        page(contents("audio/a"), contents("audio/a")),
        page(contents("")),
        page(contents("audio/" + "x" * 1019)),
        page(contents("audio/" + "\u3000" * 340)),
        page(contents("audio/a", Size="")),
        page(contents("audio/a", Size=-1)),
        page(contents("audio/a", Size="many")),
        page(contents("audio/a", Size=10**400)),
        page(contents("audio/a", LastModified="")),
        page(contents("audio/a", LastModified="yesterday")),
        page(contents("audio/a", LastModified="0000-00-00T00:00:00Z")),
        page(contents("audio/a", LastModified="2025-12-01T12:00:00")),
        page(contents("audio/a", LastModified="9999-12-31T23:59:59-23:00")),
        page(contents("audio/a", LastModified="1e300")),
        page(contents("audio/a"), truncated="true"),
        page(contents("audio/a"), truncated=""),
        page(contents("audio/a"), truncated="TRUE"),
        page(contents("audio/a"), truncated="maybe"),
        page(contents("audio/a"), "<IsTruncated>true</IsTruncated>"),
        document("ListBucketResult", contents("audio/a")),
        page("<Contents/>"),
        page("<Contents>text</Contents>"),
        page(
            contents("audio/a"),
            "<NextContinuationToken></NextContinuationToken>",
            truncated="true",
        ),
    ],
    ids=lambda data: data.decode().partition('01/">')[2][:90],
)
def test_a_listing_that_cannot_be_right_is_an_outage(unavailable, listing):
    unavailable(listed, listing)


@pytest.mark.parametrize("keys", [(), ("audio/a",)])
def test_a_listing_without_end_ends(hostile_bucket, keys):
    numbers = iter(range(10**6))

    def behave(connection):
        token = f"<NextContinuationToken>{next(numbers)}</NextContinuationToken>"
        connection.sendall(page(*map(contents, keys), token, truncated="true"))

    hostile_bucket["?list-type"] = behave
    with pytest.raises(StorageUnavailable):
        listed(hostile_bucket.bucket())
    assert len(hostile_bucket.requests) < 200


@pytest.mark.parametrize("keys", [(), ("audio/a",)])
def test_a_listing_of_versions_without_end_ends(hostile_bucket, keys):
    version = "<Version><Key>{}</Key><VersionId>1</VersionId><Size>1</Size></Version>"
    marker = "<NextKeyMarker>audio/a</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>"
    flag = "<IsTruncated>true</IsTruncated>"
    hostile_bucket["?versions"] = sending(
        document("ListVersionsResult", flag, *map(version.format, keys), marker)
    )
    with pytest.raises(StorageUnavailable):
        versions(hostile_bucket.bucket())
    assert len(hostile_bucket.requests) < 10


def test_versions_of_another_prefix_are_an_outage(unavailable):
    version = "<Version><Key>video/a</Key><VersionId>1</VersionId><Size>1</Size></Version>"
    unavailable(
        versions, document("ListVersionsResult", "<IsTruncated>false</IsTruncated>", version)
    )


@pytest.mark.parametrize(
    "entry",
    [
        "<Deleted/>",
        "<Error/>",
        "<Error><Key>k</Key></Error>",
        "<Error><Key>k</Key><Code>\x9bred</Code></Error>",
        f"<Error><Key>k</Key><Code>{'x' * 1000}</Code></Error>",
    ],
)
def test_an_odd_answer_to_a_deletion_confirms_nothing(unavailable, entry):
    unavailable(deletion, document("DeleteResult", f"<Deleted><Key>{KEY}</Key></Deleted>", entry))


def test_a_deletion_of_keys_that_were_not_asked_for_confirms_nothing(hostile_bucket):
    deleted = "<Deleted><Key>audio/other</Key></Deleted>"
    hostile_bucket["?delete"] = sending(document("DeleteResult", deleted))
    report = hostile_bucket.bucket().delete_many([KEY])
    assert (report.deleted, report.failed) == ((), {KEY: "NotConfirmed"})


# Objects


def etag(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


def test_the_length_and_the_etag_vouch_for_a_body(hostile_bucket):
    hostile_bucket[KEY] = sending(answer(body=b"data", ETag=etag(b"data")))
    assert get(hostile_bucket.bucket()) == b"data"


def test_a_body_that_does_not_match_its_md5_is_an_outage(hostile_bucket, unavailable):
    hostile_bucket.etag_is_md5 = True
    reason = unavailable(get, answer(body=b"dada", ETag=etag(b"data")), KEY)
    assert reason == bodies.OTHER_MD5


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"0123456789abcdef0123456789abcdef-3"'},
        {"ETag": '"opaque"'},
        {"ETag": etag(b"other"), "x_amz_server_side_encryption_aws_kms_key_id": "arn:aws:kms:k"},
        {"ETag": etag(b"other"), "x_amz_server_side_encryption_customer_algorithm": "AES256"},
    ],
)
def test_an_etag_that_is_no_md5_is_not_compared(hostile_bucket, headers):
    hostile_bucket.etag_is_md5 = True
    hostile_bucket[KEY] = sending(answer(body=b"data", **headers))
    assert get(hostile_bucket.bucket()) == b"data"


def test_a_server_whose_etags_are_never_md5s_is_believed(hostile_bucket):
    hostile_bucket[KEY] = sending(answer(body=b"data", ETag=etag(b"other")))
    assert get(hostile_bucket.bucket()) == b"data"  # the marker's ETag is none either


def test_without_a_marker_a_body_that_does_not_match_its_etag_is_not_missing(hostile_bucket):
    del hostile_bucket.objects[MARKER_KEY]
    hostile_bucket[KEY] = sending(answer(body=b"data", ETag=etag(b"other")))
    assert get(hostile_bucket.bucket()) == b"data"


def test_a_web_page_in_the_place_of_a_recording_is_an_outage(unavailable):
    assert unavailable(get, answer(body=b"\n " + HTML), KEY) == bodies.MARKUP
    error = b'\xef\xbb\xbf<?xml version="1.0"?><Error/>'
    assert unavailable(get, answer(body=error), KEY) == bodies.MARKUP


def test_a_web_page_that_was_uploaded_is_that_recording(hostile_bucket):
    hostile_bucket[KEY] = sending(answer(body=HTML, ETag=etag(HTML)))
    assert get(hostile_bucket.bucket()) == HTML


def test_a_body_longer_than_its_announced_length_is_an_outage(unavailable):
    chunks = b"8\r\n12345678\r\n0\r\n\r\n"
    unavailable(get, answer(body=chunks, length=4, Transfer_Encoding="chunked"), KEY)


def test_an_announced_terabyte_is_refused_and_not_read(hostile_bucket):
    hostile_bucket[KEY] = sending(answer(length=10**12))
    with pytest.raises(ObjectTooLarge):
        get(hostile_bucket.bucket())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("203 Non-Authoritative Information", b"data"),
        ("204 No Content", b""),
        ("206 Partial Content", b"data"),
    ],
)
def test_a_part_of_an_object_is_not_taken_for_all_of_it(unavailable, status, body):
    partial = answer(status, body, Content_Range="bytes 0-3/99")
    assert unavailable(get, partial, KEY) == f"HTTP {status[:3]} in place of 200"


def test_compressed_bytes_are_not_unpacked(hostile_bucket):
    bomb = gzip.compress(bytes(10**7))
    hostile_bucket[KEY] = sending(answer(body=bomb, Content_Encoding="gzip"))
    assert hostile_bucket.bucket().get(KEY, max_bytes=len(bomb)) == bomb


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Range": None},
        {"Content_Range": "bytes 0-3/*"},
        {"Content_Range": "bytes 4-7/8"},
        {"Content_Range": "bytes 0-3/-4"},
        {"Content_Range": "bytes 0-3/99"},
    ],
)
def test_the_beginning_of_an_object_is_the_range_asked_for(unavailable, headers):
    unavailable(
        lambda bucket: read_beginning(bucket, KEY),
        answer("206 Partial Content", b"data", **headers),
        KEY,
    )


@pytest.mark.parametrize(
    "modified",
    [None, "yesterday", "Mon, 01 Dec 2025 12:00:00", "Mon, 01 Dec 9999 12:00:00 GMT", "1e308"],
)
def test_a_head_without_a_modification_time_is_an_outage(unavailable, modified):
    unavailable(head, answer(length=4, Last_Modified=modified), KEY)


def test_a_404_alone_does_not_make_an_object_missing(unavailable):
    unavailable(head, answer("404 Not Found", HTML), KEY)
    unavailable(head, answer("404 Not Found"), KEY)
    unavailable(get, answer("404 Not Found", HTML), KEY)


def test_an_object_is_missing_if_the_bucket_says_so(hostile_bucket):
    body = b"<Error><Code>NoSuchKey</Code></Error>"
    hostile_bucket[KEY] = sending(answer("404 Not Found", body))
    assert head(hostile_bucket.bucket()) is None
    with pytest.raises(ObjectMissing):
        get(hostile_bucket.bucket())


# The marker


@pytest.mark.parametrize("data", [HTML, b"", b"marker", b"x" * 10_000])
def test_something_else_in_the_markers_place_is_an_outage(unavailable, data):
    unavailable(lambda bucket: bucket.verify_marker(), answer(body=data), MARKER_KEY)


def test_the_markers_own_bytes_are_believed(hostile_bucket):
    hostile_bucket.bucket().verify_marker()


# Codes


@pytest.mark.parametrize("code", ["\x9b31mred", "a" * 1000, "a b", "Ärger", ""])
def test_a_code_that_is_none_is_not_repeated(hostile_bucket, code):
    body = f"<Error><Code>{code}</Code></Error>".encode()
    hostile_bucket[KEY] = sending(answer("403 Forbidden", body))
    with pytest.raises(StorageDenied) as error:
        get(hostile_bucket.bucket())
    assert error.value.code == "403"


def test_a_wrong_clock_is_named(hostile_bucket):
    skewed = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
    hostile_bucket[KEY] = sending(answer("403 Forbidden", skewed))
    with pytest.raises(StorageDenied, match="clock"):
        get(hostile_bucket.bucket())


def test_our_own_mistakes_surface(hostile_bucket):
    bucket = hostile_bucket.bucket()
    with pytest.raises(Exception, match="Parameter validation failed"):
        bucket.ask("make a mistake", lambda _: bucket.client.get_object(Key=3))
