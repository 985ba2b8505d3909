"""A later step of a referral failed: take back what the earlier ones did, the newest first."""

if state.error["job"] == "refer-in-dhis2":
    event = (state.error["partial"] or {}).get("event")  # it may be there although the answer got lost
else:
    event = steps["refer-in-dhis2"].data["dhis2_event"]
encounter = steps["refer-in-openmrs"].data["encounter"]

taken_back = []
if event and dhis2.find_one("events", events=event, fields="event"):
    dhis2.destroy("events", event)
    taken_back.append(f"event {event}")
if not openmrs.get(f"encounter/{encounter}", singleton=True)["voided"]:
    openmrs.destroy(f"encounter/{encounter}", reason="the referral could not be completed")
    taken_back.append(f"encounter {encounter}")

note(f"taken back: {' and '.join(taken_back) or 'nothing was left'}")
state.data = {"taken_back": taken_back}
