-- HEALPix (NESTED), rotations, proper motions, sexagesimal angles, time scales, histograms.

CREATE OR REPLACE FUNCTION vogate.vg_spread(v BIGINT) RETURNS BIGINT LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The bits of a 32-bit number at the even places.
BEGIN
    v := (v | (v << 16)) & 281470681808895;
    v := (v | (v << 8)) & 71777214294589695;
    v := (v | (v << 4)) & 1085102592571150095;
    v := (v | (v << 2)) & 3689348814741910323;
    RETURN (v | (v << 1)) & 6148914691236517205;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_gather(v BIGINT) RETURNS BIGINT LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The bits at the even places.
BEGIN
    v := v & 6148914691236517205;
    v := (v | (v >> 1)) & 3689348814741910323;
    v := (v | (v >> 2)) & 1085102592571150095;
    v := (v | (v >> 4)) & 71777214294589695;
    v := (v | (v >> 8)) & 281470681808895;
    RETURN (v | (v >> 16)) & 4294967295;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_healpix(depth BIGINT, lon DOUBLE PRECISION, lat DOUBLE PRECISION) RETURNS BIGINT
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Gorski et al. 2005, ApJ 622, 759; as tap.adql.healpix computes it.
DECLARE
    nside BIGINT; z DOUBLE PRECISION; sine DOUBLE PRECISION; height DOUBLE PRECISION; tt DOUBLE PRECISION;
    along DOUBLE PRECISION; scale DOUBLE PRECISION; jp BIGINT; jm BIGINT; ifp BIGINT; ifm BIGINT; face BIGINT;
    ix BIGINT; iy BIGINT; bits INTEGER := depth;
BEGIN
    IF NOT (abs(lat) <= 90 AND abs(lon) < 'Infinity' AND depth BETWEEN 0 AND 29) THEN RETURN NULL; END IF;
    nside := 1::BIGINT << bits; z := sin(radians(lat)); sine := cos(radians(lat)); height := abs(z); tt := lon / 90;
    IF tt < 0 OR tt >= 4 THEN tt := tt - 4 * floor(tt / 4); END IF;
    IF tt >= 4 THEN tt := 0; END IF;
    IF height <= 2.0::DOUBLE PRECISION / 3 THEN
        jp := floor(nside * (0.5 + tt) - nside * (z * 0.75)); jm := floor(nside * (0.5 + tt) + nside * (z * 0.75));
        ifp := jp >> bits; ifm := jm >> bits;
        face := CASE WHEN ifp = ifm THEN ifp | 4 WHEN ifp < ifm THEN ifp ELSE ifm + 8 END;
        ix := jm & (nside - 1); iy := nside - (jp & (nside - 1)) - 1;
    ELSE
        face := least(floor(tt), 3); along := tt - face; scale := nside * sine / sqrt((1 + height) / 3);
        jp := least(floor(along * scale), nside - 1); jm := least(floor((1 - along) * scale), nside - 1);
        IF z >= 0 THEN
            ix := nside - jm - 1; iy := nside - jp - 1;
        ELSE
            face := face + 8; ix := jp; iy := jm;
        END IF;
    END IF;
    RETURN (face << (2 * bits)) | vogate.vg_spread(ix) | (vogate.vg_spread(iy) << 1);
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_healpix_centre(depth BIGINT, cell BIGINT) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    nside BIGINT; face BIGINT; ix BIGINT; iy BIGINT; ring BIGINT; nr DOUBLE PRECISION; fraction DOUBLE PRECISION;
    z DOUBLE PRECISION; sine DOUBLE PRECISION; phi DOUBLE PRECISION; bits INTEGER := depth; lon DOUBLE PRECISION;
BEGIN
    IF NOT (depth BETWEEN 0 AND 29) THEN RETURN NULL; END IF;
    nside := 1::BIGINT << bits;
    IF NOT (cell BETWEEN 0 AND 12 * nside * nside - 1) THEN RETURN NULL; END IF;
    face := cell >> (2 * bits); cell := cell & ((1::BIGINT << (2 * bits)) - 1);
    ix := vogate.vg_gather(cell); iy := vogate.vg_gather(cell >> 1);
    ring := (2 + face / 4) * nside - ix - iy - 1;
    nr := CASE WHEN ring < nside THEN ring WHEN ring > 3 * nside THEN 4 * nside - ring ELSE nside END;
    fraction := nr * nr / (3.0::DOUBLE PRECISION * nside * nside);
    IF ring < nside OR ring > 3 * nside THEN
        z := CASE WHEN ring < nside THEN 1 - fraction ELSE fraction - 1 END; sine := sqrt(fraction * (2 - fraction));
    ELSE
        z := (2 * nside - ring) * 2.0::DOUBLE PRECISION / (3.0::DOUBLE PRECISION * nside); sine := sqrt((1 - z) * (1 + z));
    END IF;
    phi := ((ARRAY[1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7])[face + 1] * nr + ix - iy) * (pi() / 4) / nr;
    lon := degrees(phi); lon := lon - 360 * floor(lon / 360);
    RETURN ARRAY[CASE WHEN lon >= 360 THEN 0 ELSE lon END, degrees(atan2(z, sine))];
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_rotate(m DOUBLE PRECISION[], kind INTEGER, coordinates DOUBLE PRECISION[])
RETURNS DOUBLE PRECISION[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Points, circles or polygons in other coordinates.
DECLARE
    step INTEGER := CASE kind WHEN 1 THEN 3 ELSE 2 END; v DOUBLE PRECISION[]; x DOUBLE PRECISION; y DOUBLE PRECISION;
    z DOUBLE PRECISION; k INTEGER;
BEGIN
    FOR k IN 0..coalesce(array_length(coordinates, 1), 0) / step - 1 LOOP
        v := vogate.vg_unit(coordinates[step * k + 1], coordinates[step * k + 2]);
        x := m[1] * v[1] + m[2] * v[2] + m[3] * v[3]; y := m[4] * v[1] + m[5] * v[2] + m[6] * v[3];
        z := m[7] * v[1] + m[8] * v[2] + m[9] * v[3];
        coordinates[step * k + 1] := vogate.vg_lon(x, y);
        coordinates[step * k + 2] := degrees(atan2(z, sqrt(x * x + y * y)));
    END LOOP;
    RETURN coordinates;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_epoch_prop(
    ra DOUBLE PRECISION, "dec" DOUBLE PRECISION, parallax DOUBLE PRECISION, pm_ra DOUBLE PRECISION,
    pm_dec DOUBLE PRECISION, velocity DOUBLE PRECISION, years DOUBLE PRECISION) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Six astrometric parameters after some years (tap.adql.motion).
DECLARE
    mas DOUBLE PRECISION := pi() / (180 * 3600e3); a DOUBLE PRECISION := radians(ra); d DOUBLE PRECISION := radians("dec");
    rx DOUBLE PRECISION := cos(d) * cos(a); ry DOUBLE PRECISION := cos(d) * sin(a); rz DOUBLE PRECISION := sin(d);
    mx DOUBLE PRECISION := (-pm_ra * sin(a) - pm_dec * sin(d) * cos(a)) * mas;
    my DOUBLE PRECISION := (pm_ra * cos(a) - pm_dec * sin(d) * sin(a)) * mas; mz DOUBLE PRECISION := pm_dec * cos(d) * mas;
    far BOOLEAN := NOT (parallax > 0 AND parallax <> 'NaN');
    radial DOUBLE PRECISION := CASE WHEN far THEN 0 ELSE velocity * parallax / 4.740470446 * mas END;
    square DOUBLE PRECISION := mx * mx + my * my + mz * mz; ahead DOUBLE PRECISION := 1 + radial * years;
    f DOUBLE PRECISION; ux DOUBLE PRECISION; uy DOUBLE PRECISION; uz DOUBLE PRECISION;
    vx DOUBLE PRECISION; vy DOUBLE PRECISION; vz DOUBLE PRECISION; lon DOUBLE PRECISION; lat DOUBLE PRECISION;
    near DOUBLE PRECISION; speed DOUBLE PRECISION;
BEGIN
    IF NOT (abs(rx + ry + rz) < 'Infinity' AND abs(mx + my + mz) < 'Infinity' AND abs(years) < 'Infinity') THEN RETURN NULL; END IF;
    f := 1 / sqrt(1 + 2 * radial * years + (square + radial * radial) * years * years);
    ux := (rx * ahead + mx * years) * f; uy := (ry * ahead + my * years) * f; uz := (rz * ahead + mz * years) * f;
    vx := (mx * ahead - rx * square * years) * f ^ 3; vy := (my * ahead - ry * square * years) * f ^ 3;
    vz := (mz * ahead - rz * square * years) * f ^ 3;
    lon := atan2(uy, ux); lat := atan2(uz, sqrt(ux * ux + uy * uy)); near := parallax * f;
    speed := CASE WHEN far THEN velocity
        ELSE (radial + (square + radial * radial) * years) * f * f / mas * 4.740470446 / near END;
    RETURN ARRAY[vogate.vg_lon(ux, uy), degrees(lat), near, (vy * cos(lon) - vx * sin(lon)) / mas,
                 (vz * cos(lat) - vx * sin(lat) * cos(lon) - vy * sin(lat) * sin(lon)) / mas, speed];
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_sexagesimal(parts TEXT[], most DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    minutes DOUBLE PRECISION := parts[2]; seconds DOUBLE PRECISION := parts[3];
    value DOUBLE PRECISION := parts[1]::DOUBLE PRECISION + minutes / 60 + seconds / 3600;
BEGIN
    RETURN CASE WHEN minutes < 60 AND seconds < 60 AND value <= most THEN value END;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_hms(written TEXT) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE parts TEXT[] := coalesce(
    regexp_match(written, '^\s*(\d{1,2})(?:\s*[:hH]\s*|\s+)(\d{1,2})(?:\s*[:mM]\s*|\s+)(\d{1,2}(?:\.\d*)?)\s*[sS]?\s*$'),
    regexp_match(written, '^\s*(\d\d)(\d\d)(\d\d(?:\.\d*)?)\s*$'));
BEGIN
    RETURN 15 * vogate.vg_sexagesimal(parts, 24);
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_dms(written TEXT) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE parts TEXT[] := coalesce(
    regexp_match(
        written, '^\s*([+-]?)(\d{1,3})(?:\s*[:dD]\s*|\s+)(\d{1,2})(?:\s*[:mM]\s*|\s+)(\d{1,2}(?:\.\d*)?)\s*[sS]?\s*$'),
    regexp_match(written, '^\s*([+-]?)(\d\d)(\d\d)(\d\d(?:\.\d*)?)\s*$'));
BEGIN
    RETURN CASE parts[1] WHEN '-' THEN -1 ELSE 1 END * vogate.vg_sexagesimal(parts[2:4], 360);
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_leaps() RETURNS DOUBLE PRECISION[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CAST('{@LEAPS@}' AS DOUBLE PRECISION[])
$$;

CREATE OR REPLACE FUNCTION vogate.vg_utc_to_tt(mjd DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN n > 0 AND mjd < 'Infinity' THEN mjd + (32.184 + 9.0 + n) / 86400.0 END
    FROM (SELECT count(*) AS n FROM unnest(vogate.vg_leaps()) AS leap WHERE leap <= mjd) AS passed
$$;

CREATE OR REPLACE FUNCTION vogate.vg_tt_to_utc(mjd DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN n > 0 AND mjd < 'Infinity' THEN mjd - (32.184 + 9.0 + n) / 86400.0 END
    FROM (SELECT count(*) AS n FROM unnest(vogate.vg_leaps()) WITH ORDINALITY AS leap(start, number)
          WHERE start + (32.184 + 9.0 + number) / 86400.0 <= mjd) AS passed
$$;

CREATE OR REPLACE FUNCTION vogate.vg_counted(counts BIGINT[], bin INTEGER, bins INTEGER) RETURNS BIGINT[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF counts IS NULL THEN counts := array_fill(0::BIGINT, ARRAY[bins]); END IF;
    IF bin IS NOT NULL THEN counts[bin + 1] := counts[bin + 1] + 1; END IF;
    RETURN counts;
END $$;

CREATE OR REPLACE AGGREGATE vogate.vg_histogram(INTEGER, INTEGER) (SFUNC = vogate.vg_counted, STYPE = BIGINT[]);

CREATE OR REPLACE FUNCTION vogate.vg_cells_of(deepest BIGINT, depth INTEGER, margin DOUBLE PRECISION) RETURNS BIGINT[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The cells of an order that points near an order-29 cell can be in: its own, and neighbours across the edges that are
-- nearer than a part (margin) of a cell (tap.adql.crossmatch_postgres).
DECLARE
    bits INTEGER := 29 - depth; nside BIGINT := 1::BIGINT << depth; side BIGINT := 1::BIGINT << bits;
    inside BIGINT := deepest & ((1::BIGINT << (2 * bits)) - 1); cell BIGINT := deepest >> (2 * bits);
    fx DOUBLE PRECISION := (vogate.vg_gather(inside) + 0.5) / side;
    fy DOUBLE PRECISION := (vogate.vg_gather(inside >> 1) + 0.5) / side;
    west INTEGER := CASE WHEN fx <= margin THEN -1 ELSE 0 END; east INTEGER := CASE WHEN 1 - fx <= margin THEN 1 ELSE 0 END;
    south INTEGER := CASE WHEN fy <= margin THEN -1 ELSE 0 END; north INTEGER := CASE WHEN 1 - fy <= margin THEN 1 ELSE 0 END;
    found BIGINT[] := ARRAY[cell]; face INTEGER; other INTEGER; turn INTEGER; edge INTEGER;
    ix BIGINT; iy BIGINT; x BIGINT; y BIGINT; swap BIGINT; dx INTEGER; dy INTEGER;
BEGIN
    IF west = 0 AND east = 0 AND south = 0 AND north = 0 THEN RETURN found; END IF;
    face := cell >> (2 * depth); inside := cell & ((1::BIGINT << (2 * depth)) - 1);
    ix := vogate.vg_gather(inside); iy := vogate.vg_gather(inside >> 1);
    FOR dx IN west..east LOOP
        FOR dy IN south..north LOOP
            CONTINUE WHEN dx = 0 AND dy = 0;
            x := ix + dx; y := iy + dy;
            edge := 4 + (x >= nside)::INTEGER - (x < 0)::INTEGER + 3 * ((y >= nside)::INTEGER - (y < 0)::INTEGER);
            other := (CAST('{@ACROSS@}' AS INTEGER[]))[12 * edge + face + 1];
            CONTINUE WHEN other < 0;
            turn := (CAST('{@TURN@}' AS INTEGER[]))[3 * edge + face / 4 + 1];
            x := (x + nside) % nside; y := (y + nside) % nside;
            IF turn & 1 > 0 THEN x := nside - x - 1; END IF;
            IF turn & 2 > 0 THEN y := nside - y - 1; END IF;
            IF turn & 4 > 0 THEN swap := x; x := y; y := swap; END IF;
            found := found || ((other::BIGINT << (2 * depth)) | vogate.vg_spread(x) | (vogate.vg_spread(y) << 1));
        END LOOP;
    END LOOP;
    RETURN found;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_cells(depth INTEGER, lon DOUBLE PRECISION, lat DOUBLE PRECISION, radius DOUBLE PRECISION)
RETURNS BIGINT[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT vogate.vg_cells_of(
        vogate.vg_healpix(29, lon, lat), depth, radians(radius) * 1.000000001 * (1::BIGINT << depth) / (0.6 * sqrt(pi() / 3)))
$$;
