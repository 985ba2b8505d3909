"""S3 on trial: requests are signed, and a PUT leaves one object however often it is made."""

from tests.common.faulty import answer
from tests.jobs.adaptors.conformance.case import SECRET, Case, query

PAGE = "<ListBucketResult>{token}<Contents><Key>{n}</Key><Size>{n}</Size></Contents></ListBucketResult>"


def pages(seen):
    n = int(query(seen).get("continuation-token", 0))
    token = f"<NextContinuationToken>{n + 1}</NextContinuationToken>" if n < 4 else ""
    return answer(200, PAGE.format(n=n, token=token).encode(), kind="application/xml")


CASE = Case(
    name="s3",
    configuration=lambda url: {
        "accessKeyId": "AKID",
        "secretAccessKey": SECRET,
        "bucket": "clinic",
        "endpoint": url,
    },
    auth=lambda seen: seen.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/"),
    read=lambda s3: s3.list("reports/"),
    read_path="/clinic/",
    read_body=b"<ListBucketResult></ListBucketResult>",
    write=lambda s3, text: s3.put("a.txt", text),
    write_body=b"",
    repeats=True,
    error_body=b"<Error><Code>EntityTooLarge</Code><Message>Your object is too large</Message></Error>",
    error_words="Your object is too large (EntityTooLarge)",
    pages=pages,
    all=lambda s3: [{"n": each["size"]} for each in s3.each()],
    kind="application/xml",
)
