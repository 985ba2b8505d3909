"""The file servers answer plain clients, keep a record, and fail in the way that they are told to."""

import io
import urllib.error
import urllib.request
from contextlib import contextmanager
from functools import cache

import paramiko
import pytest

from tests.servers.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server
from tests.servers.sftp import SftpServer

# SFTP


@pytest.fixture
def sftp():
    with SftpServer() as server:
        yield server


@contextmanager
def logged_in(server, **login):
    transport = paramiko.Transport(("127.0.0.1", server.port))
    try:
        transport.connect(server.host_key, server.user, **login)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        with client:
            yield client
    finally:
        transport.close()
        transport.join(5)


def test_files_go_both_ways_and_every_step_is_on_record(sftp):
    with logged_in(sftp, password=sftp.password) as client:
        client.mkdir("/in")
        with client.open("/in/visits.csv", "w") as file:
            file.write("a,b\n1,2\n")
        assert client.listdir("/in") == ["visits.csv"]
        client.rename("/in/visits.csv", "/in/done.csv")
        with client.open("/in/done.csv") as file:
            assert file.read() == b"a,b\n1,2\n"
        assert client.stat("/in/done.csv").st_size == 8
        client.remove("/in/done.csv")
        client.rmdir("/in")
    assert list(sftp.folder.iterdir()) == []
    assert sftp.done("write") == ["/in/visits.csv"]
    names = [operation.name for operation in sftp.operations]
    assert names[:5] == ["mkdir", "open", "write", "close", "list"]
    assert names[-2:] == ["remove", "rmdir"]


def test_a_file_can_be_added_to_and_read_from_the_middle(sftp):
    with logged_in(sftp, password=sftp.password) as client:
        for text in ("one", "two"):
            with client.open("log", "a") as file:
                file.write(text)
        with client.open("log", "r+") as file:
            file.seek(3)
            assert file.read(3) == b"two"
            file.seek(0)
            file.write("ONE")
    assert (sftp.folder / "log").read_text() == "ONEtwo"


def test_the_password_or_the_key_opens_and_nothing_else(sftp):
    for login in ({"password": sftp.password}, {"pkey": sftp.client_key}):
        with logged_in(sftp, **login) as client:
            assert client.listdir() == []
    for login in ({"password": "wrong"}, {"pkey": paramiko.ECDSAKey.generate()}):
        with pytest.raises(paramiko.AuthenticationException), logged_in(sftp, **login):
            pass
    assert {(method, accepted) for method, _, accepted in sftp.logins} == {
        (method, accepted) for method in ("password", "publickey") for accepted in (True, False)
    }


def test_the_host_key_is_known_to_the_caller(sftp, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text(sftp.known_host + "\n")
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(known))
        client.connect(
            "127.0.0.1", sftp.port, sftp.user, sftp.password, look_for_keys=False, allow_agent=False
        )
        transport = client.get_transport()
        assert transport is not None
        assert transport.get_remote_server_key().fingerprint == sftp.fingerprint


@pytest.mark.parametrize(("operation", "kept"), [("write", b"x" * 100), ("close", b"x" * 100), ("open", b"")])
def test_a_line_can_go_dead_after_any_operation(sftp, operation, kept):
    sftp.drop_after(operation)
    with pytest.raises((paramiko.SSHException, OSError)), logged_in(sftp, password=sftp.password) as client:
        client.putfo(_file(b"x" * 100), "/visits.csv")
    assert (sftp.folder / "visits.csv").read_bytes() == kept
    with logged_in(sftp, password=sftp.password) as client:
        client.putfo(_file(b"y"), "/visits.csv")
    assert (sftp.folder / "visits.csv").read_bytes() == b"y"


def test_nothing_is_above_the_folder_and_errors_are_the_systems(sftp):
    with logged_in(sftp, password=sftp.password) as client:
        assert client.normalize("../../etc") == "/etc"
        for attempt in (client.stat, client.remove, client.listdir, client.open):
            with pytest.raises(FileNotFoundError):
                attempt("../../etc/passwd")
        client.putfo(_file(b"x"), "/a")
        client.putfo(_file(b"y"), "/b")
        with pytest.raises(OSError, match="Failure"):
            client.rename("/a", "/b")
        client.posix_rename("/a", "/b")
    assert (sftp.folder / "b").read_bytes() == b"x"


def _file(content):
    return io.BytesIO(content)


# S3


@pytest.fixture
def s3():
    with S3Server() as server:
        server.make_bucket("exports")
        yield server


@cache
def boto_session():
    """Loads the description of S3 once, and only for tests that need it."""
    import boto3

    return boto3.Session()


@contextmanager
def boto(server, secret=SECRET_KEY):
    from botocore.config import Config

    client = boto_session().client(
        "s3",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1}),
    )
    try:
        yield client
    finally:
        client.close()


def test_objects_are_stored_listed_and_on_record(s3):
    with boto(s3) as client:
        client.put_object(Bucket="exports", Key="2026/März & more.csv", Body=b"a,b", Metadata={"run": "7"})
        (found,) = client.list_objects_v2(Bucket="exports", Prefix="2026/")["Contents"]
        assert found["Key"] == "2026/März & more.csv"
        answer = client.get_object(Bucket="exports", Key=found["Key"])
        assert (answer["Body"].read(), answer["Metadata"]) == (b"a,b", {"run": "7"})
        assert client.head_object(Bucket="exports", Key=found["Key"])["ContentLength"] == 3
        client.delete_object(Bucket="exports", Key=found["Key"])
    assert [seen.method for seen in s3.requests] == ["PUT", "GET", "GET", "HEAD", "DELETE"]
    assert [seen.status for seen in s3.requests] == [200, 200, 200, 200, 204]


def test_a_wrong_signature_is_refused_and_can_be_let_pass(s3):
    from botocore.exceptions import ClientError

    with boto(s3, secret="wrong") as client:
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            client.put_object(Bucket="exports", Key="a", Body=b"x")
        s3.check_signatures = False
        client.put_object(Bucket="exports", Key="a", Body=b"x")
    assert s3.stored("/exports/a") == b"x"
    s3.check_signatures = True
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(s3.url + "/exports/a")
    with refused.value as error:
        assert b"not signed" in error.read()


def test_an_object_can_be_taken_without_an_answer(s3):
    from botocore.exceptions import ConnectionClosedError

    s3.drop_after("PUT")
    with boto(s3) as client:
        with pytest.raises(ConnectionClosedError):
            client.put_object(Bucket="exports", Key="a", Body=b"x")
        assert s3.stored("/exports/a") == b"x"
        client.put_object(Bucket="exports", Key="a", Body=b"y")
    assert [seen.status for seen in s3.requests] == [0, 200]


def test_the_next_server_is_empty(s3):
    with boto(s3) as client:
        assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["exports"]
        assert "Contents" not in client.list_objects_v2(Bucket="exports")
