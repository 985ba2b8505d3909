"""Weekly export: how many patients each clinic registered → DHIS2, and the number of all to the programme lead."""

from collections import Counter
from datetime import timedelta

if run.period:
    start, end = run.period  # last Friday 23:00 to this one, also when catching up
else:
    end = dates.now(run.time_zone)  # started by hand: the last seven days
    start = end - timedelta(days=7)

# OpenMRS lists patients only by name or number; each registration has a visit of its own type.
visits = openmrs.get("encounter", encounterType=settings.visit_type, v="custom:(uuid,location:ref,auditInfo)")
made = [visit for visit in visits if start <= dates.parse(visit["auditInfo"]["dateCreated"]) < end]
by_clinic = Counter(visit["location"]["display"] if visit["location"] else "no location" for visit in made)

values = []
week = dates.iso_week(end)  # the week in which the export is due, from Friday to Friday
for line in settings.clinics:
    clinic, _, code = (part.strip() for part in line.partition("="))
    count = by_clinic.pop(clinic, 0)
    unit = dhis2.find_one("organisationUnits", code=code, fields="id")
    if unit is None:
        problem(clinic, f"DHIS2 has no organisation unit with the code {code}")
    else:
        values.append(
            {"dataElement": settings.data_element, "orgUnit": unit["id"], "period": week, "value": count}
        )
for clinic, count in by_clinic.items():
    problem(clinic, f"its {count} registrations have no organisation unit in the settings")

if values:
    report = dhis2.send_values(values, data_set=settings.data_set)  # sets values, so a retry adds nothing
    for conflict in report.conflicts:
        problem(conflict.object, conflict.message)

count = len(made)
days = f"{start:%d.%m.%Y} to {end:%d.%m.%Y}"
once("report", sms.send, settings.lead, f"{settings.clinic}, {days}: {count} registrations.")
note(f"{count} registrations from {days}")
state.data = {"registrations": count, "from": start, "to": end, "week": week, "values": values}
