-- Regions as text, STC-S and DALI (tap.adql.regions); NULL for what is no region.

CREATE OR REPLACE FUNCTION vogate.vg_numbers(tokens TEXT[], at INTEGER, OUT numbers DOUBLE PRECISION[], OUT next INTEGER)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The numbers from a token on; numbers is NULL where one is too large for a double.
BEGIN
    numbers := '{}'; next := at;
    WHILE tokens[next] ~ '^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$' LOOP
        IF length(tokens[next]) > 200 OR tokens[next] ~ '[eE][+-]?\d{3}' THEN numbers := NULL; RETURN; END IF;
        numbers := numbers || tokens[next]::DOUBLE PRECISION; next := next + 1;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_from_galactic(coordinates DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE v DOUBLE PRECISION[]; x DOUBLE PRECISION; y DOUBLE PRECISION; z DOUBLE PRECISION; k INTEGER;
BEGIN
    FOR k IN 0..array_length(coordinates, 1) / 2 - 1 LOOP
        IF NOT abs(coordinates[2 * k + 2]) <= 90 THEN RETURN NULL; END IF;
        v := vogate.vg_unit(coordinates[2 * k + 1], coordinates[2 * k + 2]);
        x := -0.0548755604162154 * v[1] + 0.4941094278755837 * v[2] - 0.8676661490190047 * v[3];
        y := -0.8734370902348850 * v[1] - 0.4448296299600112 * v[2] - 0.1980763734312015 * v[3];
        z := -0.4838350155487132 * v[1] + 0.7469822444972189 * v[2] + 0.4559837761750669 * v[3];
        coordinates[2 * k + 1] := vogate.vg_lon(x, y); coordinates[2 * k + 2] := degrees(atan2(z, sqrt(x * x + y * y)));
    END LOOP;
    RETURN coordinates;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_combination(word TEXT, parts DOUBLE PRECISION[], count INTEGER) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- UNION, INTERSECTION or NOT of encoded parts, each after its length, with a bounding cap.
DECLARE
    cx DOUBLE PRECISION := parts[3]; cy DOUBLE PRECISION := parts[4]; cz DOUBLE PRECISION := parts[5];
    radius DOUBLE PRECISION := parts[6]; at INTEGER := 1; kind DOUBLE PRECISION := 3;
BEGIN
    IF word = 'NOT' THEN
        IF count <> 1 THEN RETURN NULL; END IF;
        IF parts[2] = 1 THEN RETURN ARRAY[1, -cx, -cy, -cz, pi() - radius]; END IF;
        RETURN ARRAY[5, cx, cy, cz, pi()] || parts;
    END IF;
    IF count = 1 THEN RETURN parts[2:]; END IF;
    WHILE at <= array_length(parts, 1) LOOP
        IF word = 'UNION' THEN
            radius := greatest(
                radius, vogate.vg_apart(cx, cy, cz, parts[at + 2], parts[at + 3], parts[at + 4]) + parts[at + 5]);
        ELSIF parts[at + 5] < radius THEN
            cx := parts[at + 2]; cy := parts[at + 3]; cz := parts[at + 4]; radius := parts[at + 5];
        END IF;
        at := at + 1 + parts[at]::INTEGER;
    END LOOP;
    RETURN ARRAY[CASE word WHEN 'UNION' THEN 3 ELSE 4 END, cx, cy, cz, least(radius, pi())] || parts;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_simple_region(word TEXT, numbers DOUBLE PRECISION[], frame TEXT)
RETURNS DOUBLE PRECISION[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE count INTEGER := coalesce(array_length(numbers, 1), 0);
BEGIN
    IF count <> (CASE word WHEN 'POSITION' THEN 2 WHEN 'POINT' THEN 2 WHEN 'CIRCLE' THEN 3 WHEN 'BOX' THEN 4 ELSE count END)
        OR frame NOT IN ('', 'ICRS', 'FK5', 'J2000', 'UNKNOWNFRAME', 'GALACTIC', 'GALACTIC_II', 'GAL') THEN
        RETURN NULL;
    END IF;
    IF word = 'BOX' THEN
        numbers := vogate.vg_box_corners(numbers[1], numbers[2], numbers[3], numbers[4]); word := 'POLYGON';
        IF numbers IS NULL THEN RETURN NULL; END IF;
    END IF;
    IF frame LIKE 'GAL%' AND count > 1 THEN
        IF word = 'POLYGON' THEN
            numbers := vogate.vg_from_galactic(numbers);
        ELSE
            numbers := vogate.vg_from_galactic(numbers[1:2]) || numbers[3:];
        END IF;
    END IF;
    RETURN vogate.vg_encode(CASE word WHEN 'POLYGON' THEN 2 WHEN 'CIRCLE' THEN 1 ELSE 0 END, numbers);
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_region(
    tokens TEXT[], at INTEGER, inherited TEXT, depth INTEGER, OUT shape DOUBLE PRECISION[], OUT next INTEGER)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- One region from a token on; next is where the text goes on.
DECLARE
    word TEXT := upper(tokens[at]); frame TEXT := inherited; parts DOUBLE PRECISION[] := '{}'; count INTEGER := 0;
    part DOUBLE PRECISION[]; numbers DOUBLE PRECISION[]; trailer TEXT;
BEGIN
    next := at + 1;
    IF depth > 20 THEN RETURN; END IF;
    IF upper(tokens[next]) IN ('ICRS', 'FK5', 'FK4', 'J2000', 'B1950', 'GALACTIC', 'GALACTIC_II', 'GAL', 'ECLIPTIC',
                               'UNKNOWNFRAME') THEN
        frame := upper(tokens[next]); next := next + 1;
    END IF;
    WHILE upper(tokens[next]) IN (
        'GEOCENTER', 'BARYCENTER', 'HELIOCENTER', 'TOPOCENTER', 'LSR', 'LSRK', 'LSRD', 'GALACTIC_CENTER', 'LOCAL_GROUP_CENTER',
        'EMBARYCENTER', 'RELOCATABLE', 'UNKNOWNREFPOS', 'SPHERICAL2', 'CARTESIAN2', 'UNKNOWNFLAVOR') LOOP
        next := next + 1;
    END LOOP;
    IF word IN ('UNION', 'INTERSECTION', 'NOT') THEN
        IF tokens[next] IS DISTINCT FROM '(' THEN RETURN; END IF;
        next := next + 1;
        WHILE tokens[next] <> ')' LOOP
            SELECT r.shape, r.next INTO part, next FROM vogate.vg_region(tokens, next, frame, depth + 1) AS r;
            IF part IS NULL THEN RETURN; END IF;
            parts := parts || array_length(part, 1)::DOUBLE PRECISION || part; count := count + 1;
        END LOOP;
        IF tokens[next] IS NULL OR count = 0 THEN RETURN; END IF;
        next := next + 1; shape := vogate.vg_combination(word, parts, count);
        RETURN;
    END IF;
    IF word IN ('ALLSKY', 'FULL') THEN shape := ARRAY[1, 1, 0, 0, pi()]; RETURN; END IF;
    IF word NOT IN ('POSITION', 'POINT', 'CIRCLE', 'BOX', 'POLYGON') THEN RETURN; END IF;
    SELECT n.numbers, n.next INTO numbers, next FROM vogate.vg_numbers(tokens, next) AS n;
    IF numbers IS NULL THEN RETURN; END IF;
    WHILE upper(tokens[next]) IN ('UNIT', 'FILLFACTOR', 'ERROR', 'RESOLUTION', 'SIZE', 'PIXSIZE') LOOP
        trailer := upper(tokens[next]); next := next + 1;
        IF trailer = 'UNIT' THEN
            IF coalesce(upper(tokens[next]), '') NOT IN ('DEG', 'DEGREE', 'DEGREES') THEN RETURN; END IF;
            next := next + 1;
            WHILE upper(tokens[next]) = 'DEG' LOOP next := next + 1; END LOOP;
        ELSE
            next := (vogate.vg_numbers(tokens, next)).next;
        END IF;
    END LOOP;
    shape := vogate.vg_simple_region(word, numbers, frame);
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_encode_text(region TEXT) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    tokens TEXT[] := ARRAY(SELECT m[1] FROM regexp_matches(region, '([()]|[^\s(),]+)', 'g') AS m);
    shape DOUBLE PRECISION[]; numbers DOUBLE PRECISION[]; next INTEGER; count INTEGER;
BEGIN
    IF length(region) > 500000 OR array_length(tokens, 1) IS NULL THEN RETURN NULL; END IF;
    IF tokens[1] ~ '^[+-]?(\d|\.\d)' THEN
        SELECT n.numbers, n.next INTO numbers, next FROM vogate.vg_numbers(tokens, 1) AS n;
        count := array_length(numbers, 1);
        IF count = 2 OR count = 3 THEN
            shape := vogate.vg_encode(count - 2, numbers);
        ELSIF count >= 6 THEN
            shape := vogate.vg_polygon_shape(numbers);
        END IF;
    ELSE
        SELECT r.shape, r.next INTO shape, next FROM vogate.vg_region(tokens, 1, '', 0) AS r;
    END IF;
    RETURN CASE WHEN next > array_length(tokens, 1) THEN shape END;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_parse(kind INTEGER, region TEXT) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Text as the DALI value of one kind of shape.
DECLARE shape DOUBLE PRECISION[] := vogate.vg_encode_text(region);
BEGIN
    RETURN CASE WHEN shape[1] = kind THEN vogate.vg_dali(shape, NULL) END;
END $$;
