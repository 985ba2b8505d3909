"""DHIS2 events of two weeks → the public table in CARTO: no names, and nothing without consent to publish."""

from datetime import timedelta

TABLE = "disease_events"

if run.period:
    start, end = run.period
else:
    end = dates.now(run.time_zone)  # started by hand: the last two weeks
    start = end - timedelta(days=14)


def public(event):
    """What everybody may see of an event, or None. Only what is named here ever leaves DHIS2."""
    said = {each["dataElement"]: each["value"] for each in event["dataValues"]}
    if said.get(settings.consent) != "true" or not event.get("geometry"):
        return None
    return {
        "event": event["event"],
        "occurred": event["occurredAt"][:10],
        "facility": event["orgUnit"],
        "disease": said.get(settings.disease),
        "outcome": said.get(settings.outcome),
        "the_geom": event["geometry"],
    }


columns = {"event": "text", "occurred": "date", "facility": "text", "disease": "text", "outcome": "text"}
carto.publish(TABLE, columns, key="event", public=True)

read, shown = 0, set()
events = dhis2.tracker.each(
    "events",
    program=settings.program,
    occurredAfter=f"{start:%Y-%m-%d}",  # whole days: those at the edges come twice, and change nothing
    occurredBefore=f"{end:%Y-%m-%d}",
    order="createdAt:asc",
    fields="event,orgUnit,occurredAt,geometry,dataValues[dataElement,value]",
)
for part in chunks(events, 500):
    rows = {row["event"]: row for event in part if (row := public(event))}
    if rows:
        carto.upsert_rows(TABLE, rows.values(), key="event")
    read += len(part)
    shown |= rows.keys()
    log(f"{read:,} events read, {len(shown):,} of them on the map")

# Consent may be taken back, and events are deleted: what was shown earlier goes, too.
inside = "select event from disease_events where occurred > %s and occurred < %s order by event"
before = {row["event"] for row in carto.each(inside, [f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}"])}
for event in sorted(before - shown):
    carto.delete_rows(TABLE, {"event": event})

note(f"{len(shown):,} of {read:,} events are on the public map")
state.data = {
    "read": read,
    "shown": len(shown),
    "withheld": read - len(shown),
    "removed": len(before - shown),
}
