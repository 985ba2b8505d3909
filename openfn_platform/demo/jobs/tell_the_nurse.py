"""A registration was refused: take back what was half done, then tell the supervisor what to correct."""

MEANT = {
    "Identifier": "the national ID",
    "givenName": "the first name",
    "familyName": "the last name",
    "birthdate": "the date of birth",
    "gender": "the sex",
}

created = (state.error["partial"] or {}).get("created")
if created:
    openmrs.destroy(f"patient/{created}", reason="the registration could not be completed")

# What OpenMRS said can quote the patient's data, so the message only names what it complained about.
said = state.error["message"] or ""
wrong = [label for word, label in MEANT.items() if word in said]
form = value("form.meta.instanceID", "unknown")[:8]
text = f"Registration form {form} was refused. Please check {' and '.join(wrong) or 'the whole form'}."
once(f"tell the supervisor about {state.error['run']}", sms.send, settings.supervisor, text)

note("the supervisor was told" + (", and the half-made patient taken back" if created else ""))
state.data = {"form": form, "check": wrong, "taken_back": created}
