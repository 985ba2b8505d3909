-- CARTO's own functions: a table becomes a dataset that a map can show.
--
-- Two settings of the session come from the server: carto.schema, by which the account calls `public`, and
-- carto.privacy.

CREATE FUNCTION CDB_LatLng(lat float8, lng float8) RETURNS geometry
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN ST_SetSRID(ST_MakePoint(lng, lat), 4326);

-- The poles are infinitely far away on the map, so points near them are moved.
CREATE FUNCTION CDB_TransformToWebmercator(geom geometry) RETURNS geometry
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  pair float8[];
BEGIN
  -- The common case without a detour: a point of EPSG:4326.
  IF length(geom) = 50 AND geom LIKE '0101000020E6100000%' THEN
    pair := ARRAY[_number(_swapped(substr(geom, 19, 16))), _number(_swapped(substr(geom, 35, 16)))];
    IF pair[1] = 'NaN' THEN
      RETURN NULL;
    END IF;
    pair := _projected(pair[1], greatest(-89, least(89, pair[2])), 3857);
    RETURN '0101000020110F0000' || _hex(pair[1]) || _hex(pair[2]);
  ELSIF ST_IsEmpty(geom) THEN
    RETURN NULL;
  END IF;
  RETURN ST_Transform(geom, 3857);
END $$;

CREATE FUNCTION _CDB_update_the_geom_webmercator() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT _is_hex(NEW.the_geom) THEN
    NEW.the_geom := _ewkb(NEW.the_geom);
  END IF;
  NEW.the_geom_webmercator := CDB_TransformToWebmercator(NEW.the_geom);
  RETURN NEW;
END $$;

CREATE FUNCTION CDB_UserTables(perm text DEFAULT 'all') RETURNS SETOF information_schema.sql_identifier
LANGUAGE sql STABLE AS $$
  SELECT relname::information_schema.sql_identifier FROM pg_class
  WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND has_table_privilege(oid, 'SELECT')
    AND (perm = 'all' OR (perm = 'public') = has_table_privilege('publicuser', oid, 'SELECT'))
  ORDER BY relname
$$;

-- A name for a column that has to make room.
CREATE FUNCTION _CDB_free_name(reloid regclass, wanted text) RETURNS text LANGUAGE sql STABLE
RETURN (SELECT wanted || '_' || n FROM generate_series(1, 1700) n WHERE NOT EXISTS (
  SELECT FROM pg_attribute WHERE attrelid = reloid AND NOT attisdropped AND attname = wanted || '_' || n)
  ORDER BY n LIMIT 1);

CREATE FUNCTION _CDB_type(reloid regclass, col text) RETURNS text LANGUAGE sql STABLE
RETURN (SELECT typname FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
  WHERE attrelid = reloid AND attname = col AND attnum > 0 AND NOT attisdropped);

CREATE FUNCTION _CDB_move_away(reloid regclass, col text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', reloid, col, _CDB_free_name(reloid, col));
END $$;

-- Whether there is a key `cartodb_id`, perhaps by another name until now.
CREATE FUNCTION _CDB_usable_id(reloid regclass) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  kind text := _CDB_type(reloid, 'cartodb_id');
  other text;
BEGIN
  IF kind IN ('int2', 'int4', 'int8') THEN
    BEGIN
      EXECUTE format('ALTER TABLE %s ADD CONSTRAINT cartodb_id_try UNIQUE (cartodb_id)', reloid);
      EXECUTE format('ALTER TABLE %s DROP CONSTRAINT cartodb_id_try', reloid);
      EXECUTE format('ALTER TABLE %s ALTER COLUMN cartodb_id SET NOT NULL', reloid);
      RETURN true;
    EXCEPTION WHEN unique_violation OR not_null_violation THEN
      NULL;
    END;
  END IF;
  IF kind IS NOT NULL THEN
    PERFORM _CDB_move_away(reloid, 'cartodb_id');
    RETURN false;
  END IF;
  SELECT attname INTO other FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
  WHERE indrelid = reloid AND indisprimary AND atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
  ORDER BY attnum LIMIT 1;
  IF other IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO cartodb_id', reloid, other);
  END IF;
  RETURN other IS NOT NULL;
END $$;

-- The column from which the geometry is taken; what has the right name and the wrong type makes room.
CREATE FUNCTION _CDB_geometry_source(reloid regclass) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  kind text := _CDB_type(reloid, 'the_geom');
BEGIN
  IF kind IN ('text', 'varchar') THEN
    BEGIN
      EXECUTE format('SELECT count(the_geom::geometry) FROM %s', reloid);
      RETURN 'the_geom';
    EXCEPTION WHEN internal_error THEN
      PERFORM _CDB_move_away(reloid, 'the_geom');
    END;
  ELSIF kind NOT LIKE 'geometry%' THEN
    PERFORM _CDB_move_away(reloid, 'the_geom');
  END IF;
  IF _CDB_type(reloid, 'the_geom_webmercator') NOT LIKE 'geometry%' THEN
    PERFORM _CDB_move_away(reloid, 'the_geom_webmercator');
  END IF;
  RETURN (SELECT attname FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
    WHERE attrelid = reloid AND attnum > 0 AND NOT attisdropped AND typname LIKE 'geometry%'
    ORDER BY typname = 'geometry_4326' DESC, attname = 'the_geom' DESC, attnum LIMIT 1);
END $$;

-- As CARTO does it: a new table, the three columns first. Other keys, defaults and constraints stay behind.
CREATE FUNCTION _CDB_rewrite(reloid regclass, has_id boolean, geom text) RETURNS regclass LANGUAGE plpgsql AS $$
DECLARE
  spot text := (SELECT format('%I', nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE c.oid = reloid);
  table_name text := (SELECT relname FROM pg_class WHERE oid = reloid);
  draft text := spot || '.' || quote_ident(left(table_name, 50) || '_cartodbfied');
  made regclass;
  ids text := spot || '.' || quote_ident(left(table_name, 40) || '_cartodb_id_seq' || reloid::oid);
  shown text := CASE WHEN geom IS NULL THEN 'NULL::geometry' ELSE format(
    'CASE WHEN ST_SRID(%1$I::geometry) = 0 THEN ST_SetSRID(%1$I::geometry, 4326)'
    ' ELSE ST_Transform(%1$I::geometry, 4326) END', geom) END;
  rest text;
BEGIN
  SELECT string_agg(format(', %I', attname), '' ORDER BY attnum) INTO rest FROM pg_attribute
  WHERE attrelid = reloid AND attnum > 0 AND NOT attisdropped
    AND attname NOT IN ('cartodb_id', 'the_geom', 'the_geom_webmercator', coalesce(geom, ''));
  EXECUTE format('CREATE SEQUENCE %s', ids);
  EXECUTE format(
    'CREATE TABLE %s AS SELECT %s AS cartodb_id, g.the_geom::geometry_4326 AS the_geom,'
    ' CDB_TransformToWebmercator(g.the_geom)::geometry_3857 AS the_geom_webmercator%s'
    ' FROM %s AS t, LATERAL (SELECT %s AS the_geom) g',
    draft, CASE WHEN has_id THEN 'cartodb_id' ELSE format('nextval(%L)::int', ids) END,
    coalesce(rest, ''), reloid, shown);
  EXECUTE format('SELECT setval(%L, max(cartodb_id)) FROM %s HAVING max(cartodb_id) > 0', ids, draft);
  EXECUTE format('ALTER TABLE %s ALTER COLUMN cartodb_id SET DEFAULT nextval(%L)', draft, ids);
  EXECUTE format('ALTER SEQUENCE %s OWNED BY %s.cartodb_id', ids, draft);
  EXECUTE format('DROP TABLE %s', reloid);
  made := draft::regclass;
  EXECUTE format('ALTER TABLE %s RENAME TO %I', draft, table_name);
  RETURN made;
END $$;

CREATE FUNCTION _CDB_finish(made regclass, public boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  other text;
BEGIN
  SELECT c.conname INTO other FROM pg_constraint c WHERE conrelid = made AND contype = 'p' AND conkey <> ARRAY[(
    SELECT attnum FROM pg_attribute WHERE attrelid = made AND attname = 'cartodb_id')];
  IF other IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', made, other);
  END IF;
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = made AND contype = 'p') THEN
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (cartodb_id)', made);
  END IF;
  EXECUTE format('CREATE OR REPLACE TRIGGER update_the_geom_webmercator_trigger'
    ' BEFORE INSERT OR UPDATE OF the_geom ON %s'
    ' FOR EACH ROW EXECUTE FUNCTION _CDB_update_the_geom_webmercator()', made);
  IF public THEN
    EXECUTE format('GRANT SELECT ON %s TO publicuser', made);
  END IF;
END $$;

CREATE FUNCTION CDB_CartodbfyTable(destschema text, reloid regclass) RETURNS regclass LANGUAGE plpgsql AS $$
DECLARE
  public boolean := current_setting('carto.privacy', true) = 'public'
    OR has_table_privilege('publicuser', reloid, 'SELECT');
  has_id boolean;
  geom text;
  made regclass := reloid;
BEGIN
  IF destschema NOT IN ('public', coalesce(current_setting('carto.schema', true), 'public')) THEN
    RAISE EXCEPTION 'Invalid schema name "%"', destschema;
  END IF;
  has_id := _CDB_usable_id(reloid);
  geom := _CDB_geometry_source(reloid);
  IF NOT has_id OR pg_get_serial_sequence(reloid::text, 'cartodb_id') IS NULL
    OR _CDB_type(reloid, 'the_geom') IS DISTINCT FROM 'geometry_4326'
    OR _CDB_type(reloid, 'the_geom_webmercator') IS DISTINCT FROM 'geometry_3857' THEN
    made := _CDB_rewrite(reloid, has_id, geom);
  END IF;
  PERFORM _CDB_finish(made, public);
  RETURN made;
END $$;

CREATE FUNCTION CDB_CartodbfyTable(reloid regclass) RETURNS regclass LANGUAGE sql
RETURN CDB_CartodbfyTable('public', reloid);
