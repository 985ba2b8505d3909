"""flutterwave on trial."""

from tests.jobs.adaptors.conformance.case import SECRET, Case

CASE = Case(
    name="flutterwave",
    configuration=lambda url: {"baseUrl": url, "secretKey": SECRET},
    auth=lambda seen: seen.headers["authorization"] == f"Bearer {SECRET}",
    read=lambda flutterwave: flutterwave.get_transaction("7"),
    read_path="/v3/transactions/7/verify",
    read_body={"status": "success", "data": {"id": 7}},
    write=lambda flutterwave, text: flutterwave.initiate_payment({"tx_ref": text}),
    write_body={"status": "success", "data": {"link": "x"}},
    error_body={"status": "error", "message": "amount is required"},
    error_words="amount is required",
    hidden_error={"status": "error", "message": "The currency is not enabled"},
    hidden_words="The currency is not enabled",
)
