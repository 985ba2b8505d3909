"""monnify on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case, token_at

CASE = Case(
    name="monnify",
    configuration=lambda url: {"baseUrl": url, "apiKey": "key-4711", "secretKey": SECRET},
    auth=lambda seen: seen.headers["authorization"] == "Bearer tok-4711-abcdef",
    log_in=token_at(
        "/api/v1/auth/login", {"responseBody": {"accessToken": "tok-4711-abcdef", "expiresIn": 3600}}
    ),
    tokens={"responseBody": {"accessToken": "tok-4711-abcdef", "expiresIn": 3600}},
    read=lambda monnify: monnify.get_transaction("7"),
    read_path="/api/v2/transactions/7",
    read_body={"requestSuccessful": True, "responseCode": "0", "responseBody": {}},
    write=lambda monnify, text: monnify.post("/v1/invoice/create", {"description": text}),
    write_body={"requestSuccessful": True, "responseCode": "0", "responseBody": {}},
    error_body={"responseMessage": "The amount is too small", "responseCode": "99"},
    error_words="The amount is too small",
    hidden_error={
        "requestSuccessful": False,
        "responseMessage": "The wallet is unknown",
    },
    hidden_words="The wallet is unknown",
)
