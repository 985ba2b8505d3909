"""`email` against a real SMTP server."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.adaptors import registry
from jobs.adaptors.context import Context
from jobs.adaptors.errors import AdaptorError, AuthError, ConfigurationError, Unavailable, ValidationError
from tests.servers.smtp import Postbox

SENDER = "Clinic <clinic@example.org>"
NURSE, LEAD = "nurse@example.org", "lead@example.org"


@pytest.fixture
def postbox():
    with Postbox() as server:
        yield server


def connected(server: Postbox, *, context: Context | None = None, **more: Any) -> Any:
    configuration = {"host": "127.0.0.1", "port": server.port, "security": "none", "from": SENDER, **more}
    return registry.connect("email", configuration, context or Context(allow_private=True))


def test_a_mail_arrives_as_it_was_written(postbox):
    sent = connected(postbox).send(
        to=[NURSE, "Lead Ö <lead@example.org>"],
        subject="Größe\nund 体重",
        text="Bonjour Aïssatou,\n.\nà demain",
        html="<p>Bonjour</p>",
        reply_to="office@example.org",
        attachments={"räport.csv": "a,b\n1,ü\n", "photo.bin": b"\0\1\2"},
    )
    (mail,) = postbox.taken
    assert mail["Subject"] == "Größe und 体重"
    assert mail["From"] == SENDER
    assert mail["Reply-To"] == "office@example.org"
    assert mail["Message-ID"] == sent["message_id"]
    assert "Bonjour Aïssatou,\n.\nà demain" in mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    first, second = mail.iter_attachments()
    assert (first.get_filename(), first.get_content().replace("\r\n", "\n")) == ("räport.csv", "a,b\n1,ü\n")
    assert second.get_content() == b"\0\1\2"
    assert (sent["accepted"], sent["refused"]) == ([NURSE, "Lead Ö <lead@example.org>"], {})


def test_attachments_arrive_to_the_byte(postbox):
    lab = "MSH|^~\\&|LAB\rPID|1||7\r"
    connected(postbox).send(
        to=NURSE,
        subject="x",
        text="y",
        attachments={"lab.hl7": lab, "a.csv": "a,b", "c.txt": "", "é.txt": "é\n"},
    )
    (mail,) = postbox.taken
    found = {each.get_filename(): each for each in mail.iter_attachments()}
    assert {name: each.get_payload(decode=True) for name, each in found.items()} == {
        "lab.hl7": lab.encode(),
        "a.csv": b"a,b",
        "c.txt": b"",
        "é.txt": "é\n".encode(),
    }
    assert (found["a.csv"].get_content_type(), found["a.csv"].get_content_charset()) == ("text/csv", "utf-8")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"to": f"{NURSE}, {LEAD}"}, "give several as a list"),
        ({"cc": [f"{NURSE}, {LEAD}"]}, "give several as a list"),
        ({"to": None}, "must be text"),
        ({"bcc": [7]}, "must be text"),
        ({"reply_to": "nonsense"}, "is not a mail address"),
        ({"headers": {"Subject": "again"}}, "'Subject' cannot be added"),
        ({"headers": {"X-A": "a\r\nBcc: evil@example.org"}}, "'X-A' cannot be added"),
        ({"headers": {"X-A\r\nBcc": "evil@example.org"}}, "cannot be added"),
        ({"attachments": {"a.json": {"a": 1}}}, "'a.json' is neither text nor bytes"),
        ({"attachments": {"a.csv": None}}, "'a.csv' is neither text nor bytes"),
    ],
)
def test_what_cannot_be_sent_as_it_is_meant_is_refused(postbox, more, words):
    with pytest.raises(ValidationError, match=words) as caught:
        connected(postbox).send(**({"to": NURSE, "subject": "x", "text": "y"} | more))
    assert caught.value.sent is False
    assert postbox.taken == []


def test_nothing_and_half_a_character_are_written_as_they_can_be(postbox):
    sent = connected(postbox).send(
        to=(each for each in [NURSE]), subject=None, text="a\ud83d", headers={"X-N": 5}
    )
    (mail,) = postbox.taken
    assert (mail["Subject"], mail["X-N"], sent["accepted"], mail["To"]) == ("", "5", [NURSE], NURSE)
    assert mail.get_content().strip() == "a?"


def test_a_hidden_recipient_gets_it_and_stays_hidden(postbox):
    connected(postbox).send(to=NURSE, bcc=LEAD, subject="x", text="y")
    assert postbox.envelopes[0].recipients == [NURSE, LEAD]
    assert LEAD not in postbox.taken[0].as_string()


def test_a_recipient_that_is_refused_is_named_and_the_others_get_it(postbox):
    postbox.refused[LEAD] = "550 No such user"
    sent = connected(postbox).send(to=[NURSE, LEAD], subject="x", text="y")
    assert sent["accepted"] == [NURSE]
    assert sent["refused"] == {LEAD: "550 No such user"}


@pytest.mark.parametrize(("reply", "again"), [("550 No such user", False), ("450 Busy", True)])
def test_when_everybody_is_refused_that_is_an_error(postbox, reply, again):
    postbox.refused[NURSE] = reply
    with pytest.raises(ValidationError, match=reply) as caught:
        connected(postbox).send(to=NURSE, subject="x", text="y")
    assert (caught.value.sent, caught.value.retryable) == (False, again)
    assert postbox.taken == []


def test_a_mail_whose_answer_was_lost_is_not_sent_again(postbox):
    postbox.dies_after_data = 1
    with pytest.raises(Unavailable, match="broke off") as caught:
        connected(postbox).send(to=NURSE, subject="x", text="y")
    assert (caught.value.sent, caught.value.retryable) == (True, False)
    assert len(postbox.taken) <= 1


def test_a_mail_that_the_server_does_not_want_says_why(postbox):
    postbox.reply_to_data = "554 This looks like spam"
    with pytest.raises(ValidationError, match="554 This looks like spam"):
        connected(postbox).send(to=NURSE, subject="x", text="y")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_encryption_is_checked_against_the_authority(security):
    with Postbox(
        tls="starttls" if security == "starttls" else "implicit", users={"clinic": "pass-4711"}
    ) as server:
        told: list[Any] = []
        more = {"security": security, "username": "clinic", "password": "pass-4711", "host": "localhost"}
        with pytest.raises(Unavailable, match="certificate is not trusted") as caught:
            connected(server, **more).send(to=NURSE, subject="x", text="y")
        assert caught.value.sent is False
        authority = server.client_context().get_ca_certs(binary_form=True)[0]
        context = Context(allow_private=True, trace=told.append)
        client = connected(server, context=context, **more, ca=pem(authority))
        assert client.test() == "The mail server localhost accepts the credential."
        client.send(to=NURSE, subject="x", text="my password is pass-4711")
        assert (server.envelopes[0].encrypted, server.envelopes[0].user) == (True, "clinic")
        assert "pass-4711" not in str(told)
        assert told[-1]["outcome"] == "1 of 1 recipients"
        with pytest.raises(AuthError) as refused:
            connected(server, **{**more, "password": "wrong-4711"}, ca=pem(authority)).test()
        assert "wrong-4711" not in str(refused.value)


@pytest.mark.parametrize("nonsense", ["nonsense", "ក្រសួង"])
def test_a_certificate_that_cannot_be_read_is_told_from_a_server_that_is_away(postbox, nonsense):
    with pytest.raises(ConfigurationError, match="PEM"):
        connected(postbox, security="starttls", ca=nonsense).test()


def pem(certificate: bytes) -> str:
    import ssl

    return ssl.DER_cert_to_PEM_cert(certificate)


def test_a_dry_run_sends_nothing_and_shows_it(postbox):
    told: list[Any] = []
    client = connected(postbox, context=Context(allow_private=True, dry_run=True, trace=told.append))
    client.send(to=NURSE, subject="Hello", text="the text")
    assert postbox.taken == []
    assert (told[0]["dry"], told[0]["protocol"], told[0]["method"]) == (True, "smtp", "SEND")
    assert "the text" in told[0]["request_body"]


@pytest.mark.parametrize("to", [[], "nobody", "a@b\r\nBcc: c@d", [NURSE, ""]])
def test_a_wrong_address_is_refused_before_anything_is_sent(postbox, to):
    with pytest.raises(ValidationError):
        connected(postbox).send(to=to, subject="x", text="y")
    assert postbox.recipients_asked == 0


def test_a_server_that_is_not_there_is_told_and_worth_another_try(postbox):
    client = connected(postbox)
    postbox.close()
    with pytest.raises(Unavailable, match="nothing answers") as caught:
        client.send(to=NURSE, subject="x", text="y")
    assert (caught.value.sent, caught.value.retryable) == (False, True)
    postbox.open()


def test_a_private_mail_server_is_refused_where_the_project_does_not_allow_it(postbox):
    with pytest.raises(AdaptorError, match="private address"):
        connected(postbox, context=Context()).test()
