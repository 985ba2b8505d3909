"""pesapal on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case, token_at

CASE = Case(
    name="pesapal",
    configuration=lambda url: {"baseUrl": url, "consumerKey": "key-4711", "consumerSecret": SECRET},
    auth=lambda seen: seen.headers["authorization"] == "Bearer tok-4711-abcdef",
    log_in=token_at("/api/Auth/RequestToken", {"token": "tok-4711-abcdef"}),
    tokens={"token": "tok-4711-abcdef"},
    read=lambda pesapal: pesapal.get_status("7"),
    read_path="/api/Transactions/GetTransactionStatus",
    write=lambda pesapal, text: pesapal.submit_order({"description": text}),
    error_body={"error": {"message": "The notification ID is unknown"}},
    error_words="The notification ID is unknown",
    hidden_error={"status": "500", "error": {"message": "There is one by that ID"}},
    hidden_words="There is one by that ID",
)
