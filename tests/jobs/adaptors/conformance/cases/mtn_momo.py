"""mtn_momo on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case, token_at


def shows(seen):
    return (
        seen.headers["authorization"] == "Bearer tok-4711-abcdef"
        and seen.headers["ocp-apim-subscription-key"] == "sub-k3y-77"
        and seen.headers["x-target-environment"] == "sandbox"
    )


CASE = Case(
    name="mtn_momo",
    configuration=lambda url: {
        "baseUrl": url,
        "apiUser": "amina",
        "apiKey": SECRET,
        "subscriptionKey": "sub-k3y-77",
    },
    auth=shows,
    log_in=token_at("/collection/token/", {"access_token": "tok-4711-abcdef", "expires_in": 3600}),
    tokens={"access_token": "tok-4711-abcdef", "expires_in": 3600},
    read=lambda mtn_momo: mtn_momo.get_payment("7"),
    read_path="/collection/v1_0/requesttopay/7",
    write=lambda mtn_momo, text: mtn_momo.request_to_pay({"payerMessage": text}, reference="r1"),
    write_status=202,
    write_body=b"",
    repeats=True,
    error_body={"code": "INVALID_CURRENCY", "message": "The currency is not supported"},
    error_words="The currency is not supported",
)
