"""Results as JSON, GeoJSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Any

from openfn_platform.demo.standins.carto.errors import JSON_TYPE, told
from openfn_platform.demo.standins.carto.execution import Outcome
from openfn_platform.demo.standins.carto.parameters import Wish, quote_identifier
from openfn_platform.demo.standins.wire import Answer

Run = Callable[[str], Outcome]
CSV_TYPE = "text/csv; charset=utf-8; header=present"


def as_json(wish: Wish, run: Run, notices: Sequence[tuple[str, str]], clock: Callable[[], float]) -> Answer:
    """Rows first, then time, columns and count, then an error if one came, then what was noticed."""
    outcome = run(wish.sql)
    kept = [{k: v for k, v in row.items() if k not in wish.skipfields} for row in outcome.rows]
    body: dict[str, Any] = {
        "rows": kept,
        "time": round(clock(), 3),
        "fields": {name: known for name, known in outcome.fields.items() if name not in wish.skipfields},
        "total_rows": (None if outcome.error else outcome.affected) or len(outcome.rows),
    }
    if outcome.error:
        body["error"] = [str(outcome.error)]
    for severity, message in notices:
        body.setdefault(f"{severity.lower()}s", []).append(message)
    return _file(wish, JSON_TYPE, told(body))


def as_geojson(wish: Wish, run: Run) -> Answer:
    """One feature per row; the geometry is the column `the_geom`."""
    query = f"SELECT *, ST_AsGeoJSON(the_geom,{wish.digits}) as the_geom FROM ({wish.sql}) as foo"  # noqa: S608
    outcome = run(query)
    features = [
        {
            "type": "Feature",
            "geometry": json.loads(row["the_geom"] or "null"),
            "properties": {
                name: value
                for name, value in row.items()
                if name not in ("the_geom", "the_geom_webmercator") and name not in wish.skipfields
            },
        }
        for row in outcome.rows
    ]
    body: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if outcome.error:
        body["error"] = [str(outcome.error)]
    return _file(wish, JSON_TYPE, told(body))


def as_csv(wish: Wish, run: Run) -> Answer:
    """PostgreSQL's own texts, the geometry first. An error after rows spoils all: the file is made before it is sent."""
    inner = f"({wish.sql}) as _cartodbsqlapi"
    known = run(f"SELECT * FROM {inner} LIMIT 0").columns  # noqa: S608
    names = [name for name, _, _ in known if name not in wish.skipfields]
    names.sort(key=lambda name: name != "the_geom")
    quoted = ", ".join(f"{quote_identifier(name)}::text" for name in names)
    outcome = run(f"SELECT {quoted} FROM {inner}")  # noqa: S608
    if outcome.error:
        raise outcome.error
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in outcome.rows)
    return _file(wish, CSV_TYPE, text.getvalue().encode())


def _file(wish: Wish, kind: str, body: bytes) -> Answer:
    disposition = "inline" if wish.inline else "attachment"
    headers = {
        "Content-Type": kind,
        "Content-Disposition": f"{disposition}; filename={wish.filename}.{wish.format};"
        f' modification-date="{formatdate(usegmt=True)}";',
        "Vary": "Authorization",
    }
    return Answer(200, body, headers)
