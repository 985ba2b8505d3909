"""A payment was confirmed → a text message with its reference number to the payer."""

reference = value("reference")
to = phones.normalise(value("phone"), settings.country)
once(
    "confirmation SMS", sms.send, to, f"Your payment was received. Reference number: {reference}. Thank you."
)
note(f"payment {reference} was confirmed")
state.data = {"reference": reference}
