-- Geometries without PostGIS: their types and their forms, in plain SQL and PL/pgSQL.
--
-- A geometry is text: hexadecimal EWKB, as PostGIS shows it. The lengths of the domains are marks: PostgreSQL
-- describes a column of a domain as its base type *with its length*, which is how the server tells geometries from
-- other text. The longest varchar has 10485760 characters.

CREATE DOMAIN geometry AS varchar(10485759);
CREATE DOMAIN geometry_4326 AS varchar(10485758);
CREATE DOMAIN geometry_3857 AS varchar(10485757);

-- Numbers in the byte order of Intel, which PostGIS writes.

CREATE FUNCTION _swapped(big text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN upper(regexp_replace(reverse(big), '(.)(.)', '\2\1', 'g'));

CREATE FUNCTION _hex(value float8) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN upper(regexp_replace(reverse(encode(float8send(value), 'hex')), '(.)(.)', '\2\1', 'g'));

CREATE FUNCTION _hex(value int) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN upper(regexp_replace(reverse(encode(int4send(value), 'hex')), '(.)(.)', '\2\1', 'g'));

CREATE FUNCTION _number(big text) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  bits bigint := ('x' || big)::bit(64)::bigint;
  exponent int := (bits >> 52) & 2047;
  fraction float8 := (bits & 4503599627370495) / 4503599627370496.0::float8;
  sign float8 := CASE WHEN bits < 0 THEN -1 ELSE 1 END;
BEGIN
  IF exponent = 2047 THEN
    RETURN CASE WHEN fraction > 0 THEN 'NaN' ELSE sign * 'Infinity'::float8 END;
  ELSIF exponent = 0 THEN
    RETURN sign * fraction * power(2::float8, -1022);
  END IF;
  RETURN sign * (1 + fraction) * power(2::float8, exponent - 1023);
END $$;

-- EWKB to {"type", "coordinates"} and back.

CREATE FUNCTION _read_int(data bytea, at int, small boolean) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN CASE WHEN small
  THEN get_byte(data, at) + get_byte(data, at + 1) * 256 + get_byte(data, at + 2) * 65536
    + get_byte(data, at + 3) * 16777216::bigint
  ELSE get_byte(data, at + 3) + get_byte(data, at + 2) * 256 + get_byte(data, at + 1) * 65536
    + get_byte(data, at) * 16777216::bigint END;

CREATE FUNCTION _read_position(data bytea, at int, small boolean, size int) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  part text;
  position jsonb := '[]';
BEGIN
  FOR n IN 0..size - 1 LOOP
    part := encode(substring(data FROM at + 1 + n * 8 FOR 8), 'hex');
    position := position || to_jsonb(_number(CASE WHEN small THEN _swapped(part) ELSE part END));
  END LOOP;
  RETURN position;
END $$;

CREATE FUNCTION _read_line(data bytea, INOUT at int, small boolean, size int, OUT line jsonb)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  count int := _read_int(data, at, small);
BEGIN
  SELECT coalesce(jsonb_agg(_read_position(data, at + 4 + n * size * 8, small, size) ORDER BY n), '[]') INTO line
  FROM generate_series(0, count - 1) n;
  at := at + 4 + count * size * 8;
END $$;

CREATE FUNCTION _read(data bytea, INOUT at int, OUT shape jsonb, OUT srid int)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  small boolean := get_byte(data, at) = 1;
  code bigint := _read_int(data, at + 1, small);
  size int := 2 + (code >> 31 & 1)::int + (code >> 30 & 1)::int;
  kinds text[] := '{Point,LineString,Polygon,MultiPoint,MultiLineString,MultiPolygon,GeometryCollection}';
  kind text := kinds[code & 255];
  parts jsonb[] := '{}';
  step record;
BEGIN
  at := at + 5;
  srid := 0;
  IF code >> 29 & 1 = 1 THEN
    srid := _read_int(data, at, small);
    at := at + 4;
  END IF;
  IF kind = 'Point' THEN
    shape := _read_position(data, at, small, size);
    IF shape->>0 = 'NaN' THEN
      shape := '[]';
    END IF;
    at := at + size * 8;
  ELSIF kind = 'LineString' THEN
    SELECT * INTO step FROM _read_line(data, at, small, size);
    at := step.at;
    shape := step.line;
  ELSE
    FOR n IN 1.._read_int(data, at, small) LOOP
      IF n = 1 THEN
        at := at + 4;
      END IF;
      IF kind = 'Polygon' THEN
        SELECT s.at, s.line AS part INTO step FROM _read_line(data, at, small, size) s;
      ELSE
        SELECT s.at, s.shape AS part INTO step FROM _read(data, at) s;
      END IF;
      at := step.at;
      parts := parts || CASE WHEN kind LIKE 'Multi%' THEN step.part->'coordinates' ELSE step.part END;
    END LOOP;
    shape := to_jsonb(parts);
  END IF;
  IF shape IS NULL OR kind IS NULL THEN
    RAISE EXCEPTION 'parse error - invalid geometry' USING ERRCODE = 'XX000';
  END IF;
  shape := jsonb_build_object(
    'type', kind, CASE WHEN kind = 'GeometryCollection' THEN 'geometries' ELSE 'coordinates' END, shape);
END $$;

CREATE FUNCTION _size(shape jsonb) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  inner_part jsonb := coalesce(shape->'coordinates', shape->'geometries'->0->'coordinates');
BEGIN
  WHILE jsonb_typeof(inner_part->0) = 'array' LOOP
    inner_part := inner_part->0;
  END LOOP;
  RETURN greatest(2, least(3, coalesce(jsonb_array_length(inner_part), 2)));
END $$;

CREATE FUNCTION _write_line(line jsonb, size int) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN _hex(jsonb_array_length(line)) || coalesce((
  SELECT string_agg(_hex((position->>0)::float8) || _hex((position->>1)::float8)
    || CASE WHEN size = 3 THEN _hex((position->>2)::float8) ELSE '' END, '' ORDER BY n)
  FROM jsonb_array_elements(line) WITH ORDINALITY lines(position, n)), '');

CREATE FUNCTION _write(shape jsonb, srid int, size int) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  kinds text[] := '{Point,LineString,Polygon,MultiPoint,MultiLineString,MultiPolygon,GeometryCollection}';
  kind text := shape->>'type';
  code int := array_position(kinds, kind);
  parts jsonb := coalesce(shape->'coordinates', shape->'geometries');
  flags int := CASE WHEN size = 3 THEN 128 ELSE 0 END + CASE WHEN srid > 0 THEN 32 ELSE 0 END;
  head text := '01' || upper(lpad(to_hex(code), 2, '0')) || '0000' || upper(lpad(to_hex(flags), 2, '0'))
    || CASE WHEN srid > 0 THEN _hex(srid) ELSE '' END;
  body text;
BEGIN
  IF kind = 'Point' AND parts = '[]' THEN
    body := repeat(_hex('NaN'::float8), size);
  ELSIF kind = 'Point' THEN
    body := substr(_write_line(jsonb_build_array(parts), size), 9);
  ELSIF kind = 'LineString' THEN
    body := _write_line(parts, size);
  ELSE
    SELECT _hex(jsonb_array_length(parts)) || coalesce(string_agg(CASE
        WHEN kind = 'Polygon' THEN _write_line(part, size)
        WHEN kind = 'GeometryCollection' THEN _write(part, 0, size)
        ELSE _write(jsonb_build_object('type', substr(kind, 6), 'coordinates', part), 0, size)
      END, '' ORDER BY n), '')
    INTO body FROM jsonb_array_elements(parts) WITH ORDINALITY all_parts(part, n);
  END IF;
  IF head IS NULL OR body IS NULL THEN
    RAISE EXCEPTION 'parse error - invalid geometry' USING ERRCODE = 'XX000';
  END IF;
  RETURN head || body;
END $$;

-- Well-known text to the same JSON and back. Collections are written, not read.

CREATE FUNCTION _from_text(wkt text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  kinds text[] := '{Point,LineString,Polygon,MultiPoint,MultiLineString,MultiPolygon}';
  parts text[] := regexp_match(wkt, '^\s*([A-Za-z]+)\s*(?:Z\s*)?(\(.*\)|EMPTY)\s*$', 'i');
  kind text := (SELECT k FROM unnest(kinds) k WHERE upper(k) = upper(parts[1]));
  body text := parts[2];
  shape jsonb;
BEGIN
  IF upper(body) = 'EMPTY' THEN
    shape := '[]';
  ELSIF kind IS NOT NULL AND body ~ '^[-+0-9.eE,()\s]+$' THEN
    body := regexp_replace(body, '([-+0-9.eE]+(?:\s+[-+0-9.eE]+)+)', '[\1]', 'g');
    body := regexp_replace(body, '([0-9.])\s+(?=[-+0-9.])', '\1,', 'g');
    shape := translate(body, '()', '[]')::jsonb;
    IF kind = 'Point' THEN
      shape := shape->0;
    ELSIF kind = 'MultiPoint' AND jsonb_typeof(shape->0->0) = 'array' THEN
      shape := (SELECT jsonb_agg(point->0 ORDER BY n) FROM jsonb_array_elements(shape) WITH ORDINALITY p(point, n));
    END IF;
  END IF;
  IF kind IS NULL OR shape IS NULL THEN
    RAISE EXCEPTION 'parse error - invalid geometry' USING ERRCODE = 'XX000',
      HINT = format('"%s" <-- parse error at position %s within geometry', left(wkt, 20), least(length(wkt), 20));
  END IF;
  RETURN jsonb_build_object('type', kind, 'coordinates', shape);
END $$;

CREATE FUNCTION _to_text(shape jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  kind text := shape->>'type';
  body text := (shape->'coordinates')::text;
BEGIN
  IF kind = 'GeometryCollection' THEN
    SELECT '(' || string_agg(_to_text(part), ',' ORDER BY n) || ')' INTO body
    FROM jsonb_array_elements(shape->'geometries') WITH ORDINALITY p(part, n);
  ELSIF body = '[]' THEN
    body := ' EMPTY';
  ELSE
    body := regexp_replace(body, '(-?[0-9.eE+-]+), (?=-?[0-9])', '\1 ', 'g');
    body := regexp_replace(body, '\[([^\[\]]+)\]', '\1', 'g');
    body := translate(replace(body, ', ', ','), '[]', '()');
    IF kind = 'Point' THEN
      body := '(' || body || ')';
    END IF;
  END IF;
  RETURN upper(kind) || CASE WHEN _size(shape) = 3 THEN ' Z ' ELSE '' END || body;
END $$;

-- Any of the forms in which a geometry may be written.

CREATE FUNCTION _is_hex(given text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN given ~ '^0[01][0-9A-Fa-f]+$';

CREATE FUNCTION _parsed(given text, OUT shape jsonb, OUT srid int)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  named text[] := regexp_match(given, '^\s*SRID\s*=\s*([0-9]+)\s*;(.*)$', 'i');
BEGIN
  IF _is_hex(given) THEN
    SELECT r.shape, r.srid INTO shape, srid FROM _read(decode(given, 'hex'), 0) r;
  ELSIF given ~ '^\s*\{' THEN
    shape := given::jsonb - 'crs';
    srid := 4326;
    PERFORM _write(shape, 0, _size(shape));
  ELSE
    shape := _from_text(coalesce(named[2], given));
    srid := coalesce(named[1]::int, 0);
  END IF;
EXCEPTION WHEN data_exception OR syntax_error THEN
  RAISE EXCEPTION 'parse error - invalid geometry' USING ERRCODE = 'XX000';
END $$;

-- SRID, x and y of a plain point, which most are; it spares the way through JSON.
CREATE FUNCTION _point(given text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN regexp_match(given, '^(?:SRID=(\d+);)?POINT\((-?\d+(?:\.\d+)?) (-?\d+(?:\.\d+)?)\)$');

CREATE FUNCTION _ewkb(given text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  point text[];
BEGIN
  IF _is_hex(given) THEN
    RETURN upper(given);
  END IF;
  point := _point(given);
  IF point IS NOT NULL THEN
    RETURN CASE WHEN point[1]::int > 0 THEN '0101000020' || _hex(point[1]::int) ELSE '0101000000' END
      || _hex(point[2]::float8) || _hex(point[3]::float8);
  END IF;
  RETURN (SELECT _write(p.shape, p.srid, _size(p.shape)) FROM _parsed(given) p);
END $$;

CREATE FUNCTION _srid(given text) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  point text[];
BEGIN
  IF given LIKE '01________%' AND _is_hex(given) THEN
    RETURN CASE WHEN ('x' || substr(given, 9, 2))::bit(8) & B'00100000' = B'00100000'
      THEN ('x' || _swapped(substr(given, 11, 8)))::bit(32)::int ELSE 0 END;
  END IF;
  point := _point(given);
  IF point IS NOT NULL THEN
    RETURN coalesce(point[1]::int, 0);
  END IF;
  RETURN (SELECT p.srid FROM _parsed(given) p);
END $$;

-- What a column takes.

CREATE FUNCTION _valid(given text, wanted int) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  srid int;
BEGIN
  IF given IS NULL OR (wanted = 0 AND _is_hex(given)) THEN
    RETURN true;
  END IF;
  srid := _srid(given);
  IF wanted > 0 AND srid <> wanted THEN
    RAISE EXCEPTION 'Geometry SRID (%) does not match column SRID (%)', srid, wanted USING ERRCODE = '22023';
  END IF;
  RETURN true;
END $$;

ALTER DOMAIN geometry ADD CHECK (cartodb._valid(VALUE, 0));
ALTER DOMAIN geometry_4326 ADD CHECK (cartodb._valid(VALUE, 4326));
ALTER DOMAIN geometry_3857 ADD CHECK (cartodb._valid(VALUE, 3857));
