"""A patient was registered → a text message to the patient."""

if not value("phone", None):
    skip("the form has no telephone number")

to = phones.normalise(value("phone"), settings.country)
text = f"Welcome to {settings.clinic}. You are registered; please bring your identity card to each visit."
once("welcome SMS", sms.send, to, text)
note("the patient was welcomed")
