"""Mail server, database and SMS gateway answer plain clients and fail as they are told; files: `test_files.py`."""

import http.server
import smtplib
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from email.message import EmailMessage
from urllib.parse import parse_qsl, urlencode, urlsplit

import pymysql
import pytest

from tests.servers.kannel import kannel
from tests.servers.mysql import mysql_server
from tests.servers.programs import program
from tests.servers.smtp import Postbox
from tests.waiting import wait_for

# SMTP


def a_mail(to="asha@example.org"):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "clinic@example.org", to, "Grüße"
    mail.set_content("Clinic tomorrow")
    return mail


def test_a_mail_arrives_over_starttls_with_a_log_in():
    with Postbox(tls="starttls", users={"clinic": "secret"}) as postbox:
        with smtplib.SMTP("127.0.0.1", postbox.port) as client:
            with pytest.raises(smtplib.SMTPSenderRefused, match="STARTTLS"):
                client.send_message(a_mail())
            client.starttls(context=postbox.client_context())
            with pytest.raises(smtplib.SMTPSenderRefused, match="Authentication required"):
                client.send_message(a_mail())
            client.login("clinic", "secret")
            client.send_message(a_mail())
        assert postbox.taken[0]["Subject"] == "Grüße"
        (envelope,) = postbox.envelopes
        assert (envelope.encrypted, envelope.user) == (True, "clinic")
        assert (envelope.sender, envelope.recipients) == ("clinic@example.org", ["asha@example.org"])


def test_implicit_tls_wants_the_right_certificate_and_password():
    with Postbox(tls="implicit", users={"clinic": "secret"}) as postbox:
        context = postbox.client_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            smtplib.SMTP_SSL("127.0.0.1", postbox.port, context=ssl.create_default_context())
        with smtplib.SMTP_SSL("127.0.0.1", postbox.port, context=context) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("clinic", "wrong")
            client.login("clinic", "secret")
            client.send_message(a_mail())
        assert postbox.envelopes[0].encrypted


def test_recipients_are_refused_by_address_or_pattern():
    with Postbox() as postbox:
        postbox.refused = {"full@example.org": "452 Mailbox full", "*@gone.example": "550 No such domain"}
        with smtplib.SMTP("127.0.0.1", postbox.port) as client:
            refused = client.send_message(a_mail("asha@example.org, full@example.org, joe@gone.example"))
        assert {address: code for address, (code, _) in refused.items()} == {
            "full@example.org": 452,
            "joe@gone.example": 550,
        }
        assert postbox.envelopes[0].recipients == ["asha@example.org"]
        assert not postbox.envelopes[0].encrypted


@pytest.mark.parametrize("tls", ["", "starttls"])
def test_a_mail_can_be_taken_without_an_answer(tls):
    with Postbox(tls=tls) as postbox:
        postbox.dies_after_data = 1
        client = smtplib.SMTP("127.0.0.1", postbox.port)
        if tls:
            client.starttls(context=postbox.client_context())
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            client.send_message(a_mail())
        client.close()
        assert postbox.addresses() == ["asha@example.org"]


def test_a_caller_that_stays_on_the_line_does_not_keep_it_from_closing():
    with Postbox() as postbox:
        client = smtplib.SMTP("127.0.0.1", postbox.port)
    client.close()


# MariaDB


def test_a_database_of_its_own_speaks_mysql():
    with mysql_server() as server:
        connection = pymysql.connect(
            host="127.0.0.1",
            port=server.port,
            user=server.user,
            password=server.password,
            database=server.database,
            charset="utf8mb4",
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE visits (place varchar(20) PRIMARY KEY, n int)")
            cursor.executemany("INSERT INTO visits VALUES (%s, %s)", [("Moshi 🏥", 3), ("Arusha", None)])
            cursor.execute("SELECT place, n FROM visits ORDER BY place DESC")
            assert cursor.fetchall() == (("Moshi 🏥", 3), ("Arusha", None))
            with pytest.raises(pymysql.err.OperationalError, match="denied"):
                cursor.execute("CREATE DATABASE another")
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            pymysql.connect(host="127.0.0.1", port=server.port, user="root")


# Kannel


@contextmanager
def listener():
    """Notes the queries with which it is called."""
    calls = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            calls.append(dict(parse_qsl(urlsplit(self.path).query)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_real_gateway_delivers_texts_reports_and_answers():
    with listener() as (url, calls), kannel(f"{url}/in?from=%p&to=%P&text=%a") as gateway:
        login = {"username": gateway.user, "password": gateway.password}
        text = {"to": "+255712345678", "from": "CLINIC", "text": "Grüße ✓", "charset": "utf-8", "coding": "2"}
        report = {"dlr-mask": "31", "dlr-url": f"{url}/dlr?state=%d"}

        def send(**fields):
            with urllib.request.urlopen(f"{gateway.url}/cgi-bin/sendsms?{urlencode(fields)}") as answer:
                return answer.status, answer.read()

        assert send(**login, **text, **report) == (202, b"0: Accepted for delivery")
        (received,) = gateway.handset.wait_for(1)
        assert (received.sender, received.receiver, received.text) == ("CLINIC", "+255712345678", "Grüße ✓")
        reports = [{"state": "8"}, {"state": "1"}]  # taken by the network, delivered
        wait_for(lambda: all(report in calls for report in reports), lambda: str(calls))

        gateway.handset.say("+255712345678", "2020", "STOP please")
        answer = {"from": "+255712345678", "to": "2020", "text": "STOP please"}
        wait_for(lambda: answer in calls, lambda: str(calls))

        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            send(**{**login, "password": "wrong"}, **text)
        refused.value.close()


def test_a_program_that_is_not_here_skips_the_test_and_says_what_to_install():
    with pytest.raises(pytest.skip.Exception, match="no nosuchd here: apt-get install nosuch"):
        program("nosuchd", package="nosuch")
