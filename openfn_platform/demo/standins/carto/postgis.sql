-- What map code needs of PostGIS: making, reading and re-projecting, by PostGIS's names.

CREATE FUNCTION ST_MakePoint(x float8, y float8) RETURNS geometry LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN '0101000000' || _hex(x) || _hex(y);

CREATE FUNCTION ST_Point(x float8, y float8) RETURNS geometry LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ST_MakePoint(x, y);

CREATE FUNCTION ST_SetSRID(geom geometry, srid int) RETURNS geometry
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
  IF geom LIKE '0101000000%' AND length(geom) = 42 AND srid > 0 THEN
    RETURN '0101000020' || _hex(srid) || substr(geom, 11);
  END IF;
  IF length(geom) = 50 AND geom LIKE '0101000020%' AND srid > 0 THEN
    RETURN '0101000020' || _hex(srid) || substr(geom, 19);
  END IF;
  RETURN (SELECT _write(p.shape, ST_SetSRID.srid, _size(p.shape)) FROM _parsed(geom) p);
END $$;

CREATE FUNCTION ST_Point(x float8, y float8, srid int) RETURNS geometry
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN ST_SetSRID(ST_MakePoint(x, y), srid);

CREATE FUNCTION ST_SRID(geom geometry) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN _srid(geom);

CREATE FUNCTION ST_GeomFromText(wkt text) RETURNS geometry LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN _ewkb(wkt);

CREATE FUNCTION ST_GeomFromText(wkt text, srid int) RETURNS geometry
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN ST_SetSRID(_ewkb(wkt), srid);

CREATE FUNCTION ST_GeomFromEWKT(ewkt text) RETURNS geometry LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN _ewkb(ewkt);

CREATE FUNCTION ST_GeomFromGeoJSON(given text) RETURNS geometry
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  point text[];
BEGIN
  IF given !~ '^\s*\{' THEN
    RAISE EXCEPTION 'Unexpected GeoJSON' USING ERRCODE = 'XX000';
  END IF;
  point := regexp_match(given, '^\{"type": ?"Point", ?"coordinates": ?\[(-?\d+(?:\.\d+)?), ?(-?\d+(?:\.\d+)?)\]\}$');
  IF point IS NOT NULL THEN
    RETURN '0101000020E6100000' || _hex(point[1]::float8) || _hex(point[2]::float8);
  END IF;
  RETURN _ewkb(given);
END $$;

CREATE FUNCTION ST_GeomFromGeoJSON(given jsonb) RETURNS geometry LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ST_GeomFromGeoJSON(given::text);

CREATE FUNCTION ST_AsText(geom geometry) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT _to_text(p.shape) FROM _parsed(geom) p);

CREATE FUNCTION ST_AsEWKT(geom geometry) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT CASE WHEN p.srid > 0 THEN 'SRID=' || p.srid || ';' ELSE '' END || _to_text(p.shape)
  FROM _parsed(geom) p);

CREATE FUNCTION _rounded(value jsonb, digits int) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
  IF jsonb_typeof(value) = 'number' THEN
    RETURN to_jsonb(trim_scale(round(value::numeric, digits)));
  ELSIF jsonb_typeof(value) = 'array' THEN
    RETURN (SELECT coalesce(jsonb_agg(_rounded(part, digits) ORDER BY n), '[]')
      FROM jsonb_array_elements(value) WITH ORDINALITY p(part, n));
  ELSIF jsonb_typeof(value) = 'object' THEN
    RETURN (SELECT jsonb_object_agg(key, _rounded(part, digits)) FROM jsonb_each(value) p(key, part));
  END IF;
  RETURN value;
END $$;

CREATE FUNCTION _geojson(shape jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  body text := '"coordinates":' || replace((shape->'coordinates')::text, ', ', ',');
BEGIN
  IF shape ? 'geometries' THEN
    SELECT '"geometries":[' || coalesce(string_agg(_geojson(part), ',' ORDER BY n), '') || ']' INTO body
    FROM jsonb_array_elements(shape->'geometries') WITH ORDINALITY p(part, n);
  END IF;
  RETURN format('{"type":"%s",%s}', shape->>'type', body);
END $$;

CREATE FUNCTION ST_AsGeoJSON(geom geometry, digits int DEFAULT 9) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT _geojson(_rounded(p.shape, digits)) FROM _parsed(geom) p);

CREATE FUNCTION _ordinate(geom geometry, n int) RETURNS float8
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  found jsonb := (SELECT p.shape FROM _parsed(geom) p);
BEGIN
  IF found->>'type' <> 'Point' THEN
    RAISE EXCEPTION 'Argument to %() must have type POINT', CASE n WHEN 0 THEN 'ST_X' ELSE 'ST_Y' END
      USING ERRCODE = '22023';
  END IF;
  RETURN (found->'coordinates'->>n)::float8;
END $$;

CREATE FUNCTION ST_X(geom geometry) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN _ordinate(geom, 0);

CREATE FUNCTION ST_Y(geom geometry) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN _ordinate(geom, 1);

CREATE FUNCTION ST_IsEmpty(geom geometry) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT coalesce(p.shape->'coordinates', p.shape->'geometries') = '[]' FROM _parsed(geom) p);

CREATE FUNCTION GeometryType(geom geometry) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT upper(p.shape->>'type') FROM _parsed(geom) p);

-- Rings are closed and have four positions; crossings of lines are not looked for.
CREATE FUNCTION _closed(rings jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT coalesce(bool_and(jsonb_array_length(ring) >= 4 AND ring->0 = ring->-1), true)
  FROM jsonb_array_elements(rings) ring);

CREATE FUNCTION ST_IsValid(geom geometry) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (SELECT CASE p.shape->>'type'
    WHEN 'LineString' THEN jsonb_array_length(p.shape->'coordinates') <> 1
    WHEN 'Polygon' THEN _closed(p.shape->'coordinates')
    WHEN 'MultiPolygon' THEN (SELECT coalesce(bool_and(_closed(rings)), true)
      FROM jsonb_array_elements(p.shape->'coordinates') rings)
    ELSE p.shape::text !~ '(NaN|Infinity)' END
  FROM _parsed(geom) p);

CREATE FUNCTION _projected(x float8, y float8, target int) RETURNS float8[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN CASE WHEN target = 3857
  THEN ARRAY[x * 20037508.342789244 / 180, ln(tan(radians(45 + y / 2))) * 6378137]
  ELSE ARRAY[x * 180 / 20037508.342789244, 2 * degrees(atan(exp(y / 6378137))) - 90] END;

CREATE FUNCTION _moved(value jsonb, target int) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  pair float8[];
BEGIN
  IF jsonb_typeof(value->0) = 'number' THEN
    pair := _projected((value->>0)::float8, (value->>1)::float8, target);
    RETURN jsonb_set(jsonb_set(value, '{0}', to_jsonb(pair[1])), '{1}', to_jsonb(pair[2]));
  ELSIF jsonb_typeof(value) = 'array' THEN
    RETURN (SELECT coalesce(jsonb_agg(_moved(part, target) ORDER BY n), '[]')
      FROM jsonb_array_elements(value) WITH ORDINALITY p(part, n));
  ELSIF jsonb_typeof(value) = 'object' THEN
    RETURN (SELECT jsonb_object_agg(key, _moved(part, target)) FROM jsonb_each(value) p(key, part));
  END IF;
  RETURN value;
END $$;

CREATE FUNCTION ST_Transform(geom geometry, srid int) RETURNS geometry
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  given record;
BEGIN
  SELECT * INTO given FROM _parsed(geom);
  IF given.srid = srid THEN
    RETURN _ewkb(geom);
  ELSIF given.srid = 0 THEN
    RAISE EXCEPTION 'ST_Transform: Input geometry has unknown (0) SRID' USING ERRCODE = '22023';
  ELSIF given.srid NOT IN (4326, 3857) OR srid NOT IN (4326, 3857) THEN
    RAISE EXCEPTION 'Cannot find SRID (%) in spatial_ref_sys', CASE WHEN srid IN (4326, 3857)
      THEN given.srid ELSE srid END USING ERRCODE = '22023';
  END IF;
  RETURN _write(_moved(given.shape, srid), srid, _size(given.shape));
END $$;
