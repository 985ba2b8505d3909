"""M-Pesa on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case, token_at

TOKENS = {"access_token": "tok-4711-abcdef", "expires_in": "3599"}

CASE = Case(
    name="mpesa",
    configuration=lambda url: {
        "consumer_key": "key-4711", "consumer_secret": SECRET, "shortcode": "174379", "pass_key": "pass-4711-xyz",
        "baseUrl": url,
    },
    auth=lambda seen: seen.headers["authorization"] == "Bearer tok-4711-abcdef",
    log_in=token_at("/oauth/v1/generate", TOKENS),
    tokens=TOKENS,
    read=lambda mpesa: mpesa.request("GET", "/mpesa/something"),
    read_path="/mpesa/something",
    write=lambda mpesa, text: mpesa.buy_goods({"Remarks": text}),
    write_body={"ResponseCode": "0", "ResponseDescription": "Accept the service request successfully."},
    error_body={"requestId": "1", "errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid Amount"},
    error_words="Invalid Amount",
    hidden_error={"ResponseCode": "1", "ResponseDescription": "The service is blocked"},
    hidden_words="The service is blocked",
)  # fmt: skip
