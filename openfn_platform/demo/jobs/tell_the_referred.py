"""A referral, step 3: the text message to the patient."""

if run.attempt > 1 and openmrs.get(f"encounter/{value('encounter')}", singleton=True)["voided"]:
    fail("the referral was taken back when this step failed", hint="Send the referral again instead.")

to = phones.normalise(value("phone"), settings.country)
text = f"You are expected at {value('facility_name')}. Please bring your identity card."
once("referral SMS", sms.send, to, text)
note("the patient knows where to go")
