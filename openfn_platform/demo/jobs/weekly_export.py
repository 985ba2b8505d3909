"""Weekly export: how many patients were registered since the last one → a text message to the programme lead."""

from datetime import timedelta

if run.period:
    start, end = run.period  # last Friday 23:00 to this one, also when catching up
else:
    end = dates.now(run.time_zone)  # started by hand: the last seven days
    start = end - timedelta(days=7)

# OpenMRS lists patients only by name or number; each registration has a visit of its own type.
visits = openmrs.get("encounter", encounterType=settings.visit_type, v="custom:(uuid,auditInfo)")
made = [dates.parse(visit["auditInfo"]["dateCreated"]) for visit in visits]
count = sum(start <= moment < end for moment in made)

days = f"{start:%d.%m.%Y} to {end:%d.%m.%Y}"
once("report", sms.send, settings.lead, f"{settings.clinic}, {days}: {count} registrations.")
note(f"{count} registrations from {days}")
state.data = {"registrations": count, "from": start, "to": end}
