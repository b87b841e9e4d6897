-- Shapes as encoded lists of doubles (tap.adql.shapes): making them, and what they are as values.
-- Where something is no shape the result is NULL.

CREATE OR REPLACE FUNCTION vogate.vg_apart(
    ax DOUBLE PRECISION, ay DOUBLE PRECISION, az DOUBLE PRECISION,
    bx DOUBLE PRECISION, b_y DOUBLE PRECISION, bz DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The angle between unit vectors, in radians.
DECLARE
    x DOUBLE PRECISION := ay * bz - az * b_y; y DOUBLE PRECISION := az * bx - ax * bz;
    z DOUBLE PRECISION := ax * b_y - ay * bx;
BEGIN
    RETURN atan2(sqrt(x * x + y * y + z * z), ax * bx + ay * b_y + az * bz);
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_lon(x DOUBLE PRECISION, y DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE lon DOUBLE PRECISION := degrees(atan2(y, x));
BEGIN
    IF lon < 0 THEN lon := lon + 360; END IF;
    RETURN CASE WHEN lon >= 360 THEN 0 ELSE lon END;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_unit(lon DOUBLE PRECISION, lat DOUBLE PRECISION) RETURNS DOUBLE PRECISION[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT ARRAY[cos(radians(lat)) * cos(radians(lon)), cos(radians(lat)) * sin(radians(lon)), sin(radians(lat))]
$$;

CREATE OR REPLACE FUNCTION vogate.vg_cap_of(v DOUBLE PRECISION[], a INTEGER, b INTEGER, c INTEGER) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Centre of the smallest cap around the points a and b, or with c in 1.. of that whose edge goes through all three.
DECLARE
    x DOUBLE PRECISION := v[3 * a - 2]; y DOUBLE PRECISION := v[3 * a - 1]; z DOUBLE PRECISION := v[3 * a];
    px DOUBLE PRECISION := v[3 * b - 2]; py DOUBLE PRECISION := v[3 * b - 1]; pz DOUBLE PRECISION := v[3 * b];
    qx DOUBLE PRECISION; qy DOUBLE PRECISION; qz DOUBLE PRECISION; cx DOUBLE PRECISION := x + px;
    cy DOUBLE PRECISION := y + py; cz DOUBLE PRECISION := z + pz; size DOUBLE PRECISION;
BEGIN
    IF c > 0 THEN
        px := px - x; py := py - y; pz := pz - z;
        qx := v[3 * c - 2] - x; qy := v[3 * c - 1] - y; qz := v[3 * c] - z;
        cx := py * qz - pz * qy; cy := pz * qx - px * qz; cz := px * qy - py * qx;
        IF cx * x + cy * y + cz * z < 0 THEN cx := -cx; cy := -cy; cz := -cz; END IF;
    END IF;
    size := sqrt(cx * cx + cy * cy + cz * cz);
    RETURN CASE WHEN size >= 1e-12 THEN ARRAY[cx / size, cy / size, cz / size] END;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_least_cosine(v DOUBLE PRECISION[], points INTEGER[], c DOUBLE PRECISION[])
RETURNS DOUBLE PRECISION LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT min(v[3 * i - 2] * c[1] + v[3 * i - 1] * c[2] + v[3 * i] * c[3]) FROM unnest(points) AS i
$$;

CREATE OR REPLACE FUNCTION vogate.vg_smallest_cap(v DOUBLE PRECISION[], count INTEGER) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Centre of the smallest cap around points nearly a hemisphere apart (shapes.py, _smallest_cap).
DECLARE
    base INTEGER[] := ARRAY[1]; kept INTEGER[]; chosen INTEGER[]; c DOUBLE PRECISION[]; best DOUBLE PRECISION[];
    reach DOUBLE PRECISION; most DOUBLE PRECISION; least_one DOUBLE PRECISION; dot DOUBLE PRECISION; far INTEGER := 1;
BEGIN
    least_one := 2;
    FOR i IN 2..count LOOP
        dot := v[1] * v[3 * i - 2] + v[2] * v[3 * i - 1] + v[3] * v[3 * i];
        IF dot < least_one THEN least_one := dot; far := i; END IF;
    END LOOP;
    base := base || far;
    FOR step IN 1..200 LOOP
        best := NULL; most := -1;
        FOR i IN 1..array_length(base, 1) - 1 LOOP
            FOR j IN i + 1..array_length(base, 1) LOOP
                FOR k IN j..array_length(base, 1) LOOP
                    chosen := CASE WHEN k = j THEN ARRAY[base[i], base[j]] ELSE ARRAY[base[i], base[j], base[k]] END;
                    c := vogate.vg_cap_of(v, base[i], base[j], CASE WHEN k = j THEN 0 ELSE base[k] END);
                    CONTINUE WHEN c IS NULL;
                    reach := vogate.vg_least_cosine(v, chosen, c);
                    CONTINUE WHEN vogate.vg_least_cosine(v, base, c) < reach - 1e-14;
                    IF best IS NULL OR reach > most THEN best := c; most := reach; kept := chosen; END IF;
                END LOOP;
            END LOOP;
        END LOOP;
        IF best IS NULL OR most <= 0 THEN RETURN NULL; END IF;
        least_one := 2;
        FOR i IN 1..count LOOP
            dot := v[3 * i - 2] * best[1] + v[3 * i - 1] * best[2] + v[3 * i] * best[3];
            IF dot < least_one THEN least_one := dot; far := i; END IF;
        END LOOP;
        IF least_one >= most - 1e-12 THEN RETURN CASE WHEN least_one > 1e-6 THEN best END; END IF;
        base := kept || far;
    END LOOP;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_bounding_cap(v DOUBLE PRECISION[], count INTEGER) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Centre and radius of a cap smaller than a hemisphere around points (Badoiu & Clarkson 2003, as in shapes.py).
DECLARE
    mx DOUBLE PRECISION := 0; my DOUBLE PRECISION := 0; mz DOUBLE PRECISION := 0; size DOUBLE PRECISION;
    cx DOUBLE PRECISION; cy DOUBLE PRECISION; cz DOUBLE PRECISION; cosine DOUBLE PRECISION; chord DOUBLE PRECISION;
    away DOUBLE PRECISION; farthest DOUBLE PRECISION; far INTEGER; i INTEGER; step INTEGER; c DOUBLE PRECISION[];
BEGIN
    FOR i IN 1..count LOOP
        mx := mx + v[3 * i - 2]; my := my + v[3 * i - 1]; mz := mz + v[3 * i];
    END LOOP;
    mx := mx / count; my := my / count; mz := mz / count;
    FOR step IN 2..39 LOOP
        size := sqrt(mx * mx + my * my + mz * mz);
        IF size > 1e-9 THEN
            cx := mx / size; cy := my / size; cz := mz / size; cosine := 2; chord := 0;
            FOR i IN 1..count LOOP
                cosine := least(cosine, v[3 * i - 2] * cx + v[3 * i - 1] * cy + v[3 * i] * cz);
                chord := greatest(chord, (v[3 * i - 2] - cx) ^ 2 + (v[3 * i - 1] - cy) ^ 2 + (v[3 * i] - cz) ^ 2);
            END LOOP;
            IF cosine > 0.1 THEN
                RETURN ARRAY[cx, cy, cz, 2 * asin(least(1, sqrt(chord) / 2)) * (1 + 1e-12) + 1e-15];
            END IF;
        END IF;
        farthest := -1;
        FOR i IN 1..count LOOP
            away := (v[3 * i - 2] - mx) ^ 2 + (v[3 * i - 1] - my) ^ 2 + (v[3 * i] - mz) ^ 2;
            IF away > farthest THEN farthest := away; far := i; END IF;
        END LOOP;
        mx := mx + (v[3 * far - 2] - mx) / step; my := my + (v[3 * far - 1] - my) / step;
        mz := mz + (v[3 * far] - mz) / step;
    END LOOP;
    c := vogate.vg_smallest_cap(v, count);
    IF c IS NULL THEN RETURN NULL; END IF;
    chord := 0;
    FOR i IN 1..count LOOP
        chord := greatest(chord, (v[3 * i - 2] - c[1]) ^ 2 + (v[3 * i - 1] - c[2]) ^ 2 + (v[3 * i] - c[3]) ^ 2);
    END LOOP;
    RETURN ARRAY[c[1], c[2], c[3], 2 * asin(least(1, sqrt(chord) / 2)) * (1 + 1e-12) + 1e-15];
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_signed_area(
    v DOUBLE PRECISION[], first INTEGER, count INTEGER,
    cx DOUBLE PRECISION, cy DOUBLE PRECISION, cz DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Steradians, positive for counter-clockwise polygons (Van Oosterom & Strackee 1983); vertex 1 begins at v[first].
DECLARE
    total DOUBLE PRECISION := 0; ax DOUBLE PRECISION; ay DOUBLE PRECISION; az DOUBLE PRECISION;
    bx DOUBLE PRECISION; b_y DOUBLE PRECISION; bz DOUBLE PRECISION; i INTEGER; j INTEGER; k INTEGER;
BEGIN
    FOR k IN 0..count - 1 LOOP
        i := first + 3 * k; j := first + 3 * ((k + 1) % count);
        ax := v[i]; ay := v[i + 1]; az := v[i + 2]; bx := v[j]; b_y := v[j + 1]; bz := v[j + 2];
        total := total + 2 * atan2(
            cx * (ay * bz - az * b_y) + cy * (az * bx - ax * bz) + cz * (ax * b_y - ay * bx),
            1 + (cx * ax + cy * ay + cz * az) + (ax * bx + ay * b_y + az * bz) + (bx * cx + b_y * cy + bz * cz));
    END LOOP;
    RETURN total;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_polygon_shape(coordinates DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The encoded polygon of vertices lon, lat, lon, lat, ...
DECLARE
    n INTEGER := coalesce(array_length(coordinates, 1), 0); v DOUBLE PRECISION[] := '{}'; m INTEGER := 0;
    p DOUBLE PRECISION[]; lon DOUBLE PRECISION; lat DOUBLE PRECISION; cap DOUBLE PRECISION[];
    shape DOUBLE PRECISION[]; i INTEGER; j INTEGER; k INTEGER;
BEGIN
    IF n % 2 = 1 OR n > 20000 THEN RETURN NULL; END IF;
    FOR i IN 1..n / 2 LOOP
        lon := coordinates[2 * i - 1]; lat := coordinates[2 * i];
        IF lon IS NULL OR lat IS NULL OR NOT abs(lon) < 'Infinity' OR NOT abs(lat) <= 90 THEN RETURN NULL; END IF;
        IF abs(lon) >= 360 THEN lon := lon - 360 * trunc(lon / 360); END IF;
        p := vogate.vg_unit(lon, lat);
        CONTINUE WHEN m > 0 AND vogate.vg_apart(v[3 * m - 2], v[3 * m - 1], v[3 * m], p[1], p[2], p[3]) <= 1e-14;
        v[3 * m + 1] := p[1]; v[3 * m + 2] := p[2]; v[3 * m + 3] := p[3]; m := m + 1;
    END LOOP;
    WHILE m > 1 AND vogate.vg_apart(v[1], v[2], v[3], v[3 * m - 2], v[3 * m - 1], v[3 * m]) <= 1e-14 LOOP
        m := m - 1;
    END LOOP;
    IF m < 3 THEN RETURN NULL; END IF;
    FOR k IN 0..m - 1 LOOP
        i := 3 * k; j := 3 * ((k + 1) % m);
        IF sqrt((v[i + 1] + v[j + 1]) ^ 2 + (v[i + 2] + v[j + 2]) ^ 2 + (v[i + 3] + v[j + 3]) ^ 2) < 1e-9 THEN
            RETURN NULL;
        END IF;
    END LOOP;
    cap := vogate.vg_bounding_cap(v, m);
    IF cap IS NULL THEN RETURN NULL; END IF;
    shape := 2::DOUBLE PRECISION || cap;
    IF vogate.vg_signed_area(v, 1, m, cap[1], cap[2], cap[3]) < 0 THEN
        FOR k IN REVERSE m..1 LOOP
            i := 5 + 3 * (m - k);
            shape[i + 1] := v[3 * k - 2]; shape[i + 2] := v[3 * k - 1]; shape[i + 3] := v[3 * k];
        END LOOP;
        RETURN shape;
    END IF;
    RETURN shape || v[1:3 * m];
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_encode(kind INTEGER, coordinates DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- A DALI point (0), circle (1) or polygon (2).
DECLARE lon DOUBLE PRECISION := coordinates[1]; lat DOUBLE PRECISION := coordinates[2]; radius DOUBLE PRECISION := 0;
BEGIN
    IF kind = 2 THEN RETURN vogate.vg_polygon_shape(coordinates); END IF;
    IF coalesce(array_length(coordinates, 1), 0) <> 2 + kind THEN RETURN NULL; END IF;
    IF kind = 1 THEN radius := least(radians(coordinates[3]), pi()); END IF;
    IF abs(lat) <= 90 AND abs(lon) < 'Infinity' AND radius >= 0 AND radius <> 'NaN' THEN
        RETURN (kind::DOUBLE PRECISION || vogate.vg_unit(lon, lat)) || radius;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_dali(shape DOUBLE PRECISION[], written DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
-- A point, circle or polygon as DALI has it: clockwise as one looks at the sphere from outside, its first vertex first.
-- The numbers that made it come back unrounded where they are all in use.
DECLARE
    kind INTEGER := shape[1]; m INTEGER; lon DOUBLE PRECISION; lat DOUBLE PRECISION; at INTEGER; k INTEGER;
    result DOUBLE PRECISION[] := '{}'; turned BOOLEAN := true; v DOUBLE PRECISION[] := '{}'; p DOUBLE PRECISION[];
BEGIN
    IF shape IS NULL OR kind > 2 THEN RETURN NULL; END IF;
    IF kind < 2 THEN
        result := ARRAY[vogate.vg_lon(shape[2], shape[3]), degrees(atan2(shape[4], sqrt(shape[2] ^ 2 + shape[3] ^ 2)))];
        RETURN CASE WHEN kind = 1 THEN result || degrees(shape[5]) ELSE result END;
    END IF;
    m := (array_length(shape, 1) - 5) / 3;
    IF coalesce(array_length(written, 1), 0) = 2 * m THEN
        FOR k IN 1..m LOOP
            p := vogate.vg_unit(vogate.vg_wrap(written[2 * k - 1]), written[2 * k]);
            v[3 * k - 2] := p[1]; v[3 * k - 1] := p[2]; v[3 * k] := p[3];
        END LOOP;
        turned := vogate.vg_signed_area(v, 1, m, shape[2], shape[3], shape[4]) >= 0;
    ELSE
        written := NULL;
    END IF;
    FOR k IN 0..m - 1 LOOP
        at := CASE WHEN turned THEN (m - k) % m ELSE k END;
        IF written IS NULL THEN
            lon := vogate.vg_lon(shape[6 + 3 * at], shape[7 + 3 * at]);
            lat := degrees(atan2(shape[8 + 3 * at], sqrt(shape[6 + 3 * at] ^ 2 + shape[7 + 3 * at] ^ 2)));
        ELSE
            lon := vogate.vg_wrap(written[2 * at + 1]); lat := written[2 * at + 2];
        END IF;
        result[2 * k + 1] := lon; result[2 * k + 2] := lat;
    END LOOP;
    RETURN result;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_polygon(coordinates DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT vogate.vg_dali(vogate.vg_polygon_shape(coordinates), coordinates)
$$;

CREATE OR REPLACE FUNCTION vogate.vg_box_corners(
    lon DOUBLE PRECISION, lat DOUBLE PRECISION, width DOUBLE PRECISION, height DOUBLE PRECISION)
RETURNS DOUBLE PRECISION[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- A rectangle in the gnomonic projection about the centre (ADQL 2.1, section 4.2.7).
DECLARE
    a DOUBLE PRECISION; d DOUBLE PRECISION := radians(lat); x DOUBLE PRECISION; y DOUBLE PRECISION;
    c DOUBLE PRECISION[]; sx DOUBLE PRECISION; sy DOUBLE PRECISION; px DOUBLE PRECISION; py DOUBLE PRECISION;
    pz DOUBLE PRECISION; result DOUBLE PRECISION[] := '{}'; k INTEGER;
BEGIN
    IF NOT (width >= 0 AND width < 180 AND height >= 0 AND height < 180 AND abs(lat) <= 90 AND abs(lon) < 'Infinity') THEN
        RETURN NULL;
    END IF;
    IF abs(lon) >= 360 THEN lon := lon - 360 * trunc(lon / 360); END IF;
    a := radians(lon); c := vogate.vg_unit(lon, lat); x := tan(radians(width) / 2); y := tan(radians(height) / 2);
    FOR k IN 0..3 LOOP
        sx := (ARRAY[1, -1, -1, 1])[k + 1] * x; sy := (ARRAY[1, 1, -1, -1])[k + 1] * y;
        px := c[1] - sx * sin(a) - sy * sin(d) * cos(a); py := c[2] + sx * cos(a) - sy * sin(d) * sin(a);
        pz := c[3] + sy * cos(d);
        result[2 * k + 1] := vogate.vg_lon(px, py); result[2 * k + 2] := degrees(atan2(pz, sqrt(px * px + py * py)));
    END LOOP;
    RETURN result;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_box(
    lon DOUBLE PRECISION, lat DOUBLE PRECISION, width DOUBLE PRECISION, height DOUBLE PRECISION)
RETURNS DOUBLE PRECISION[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT vogate.vg_polygon(vogate.vg_box_corners(lon, lat, width, height))
$$;

CREATE OR REPLACE FUNCTION vogate.vg_area(shape DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Square degrees; NULL for combinations.
BEGIN
    RETURN degrees(degrees(1::DOUBLE PRECISION)) * CASE shape[1]::INTEGER
        WHEN 0 THEN 0
        WHEN 1 THEN 4 * pi() * sin(shape[5] / 2) ^ 2
        WHEN 2 THEN abs(vogate.vg_signed_area(shape, 6, (array_length(shape, 1) - 5) / 3, shape[2], shape[3], shape[4]))
    END;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_centroid(shape DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Centre of area (Stokes; in the plane of the cap for small polygons, where the moments of the sides would cancel).
DECLARE
    kind INTEGER := shape[1]; m INTEGER := (array_length(shape, 1) - 5) / 3; small BOOLEAN := shape[5] < 1e-4;
    cx DOUBLE PRECISION := shape[2]; cy DOUBLE PRECISION := shape[3]; cz DOUBLE PRECISION := shape[4];
    x DOUBLE PRECISION := 0; y DOUBLE PRECISION := 0; z DOUBLE PRECISION := 0; total DOUBLE PRECISION := 0;
    ax DOUBLE PRECISION; ay DOUBLE PRECISION; az DOUBLE PRECISION; bx DOUBLE PRECISION; b_y DOUBLE PRECISION;
    bz DOUBLE PRECISION; nx DOUBLE PRECISION; ny DOUBLE PRECISION; nz DOUBLE PRECISION; size DOUBLE PRECISION;
    w DOUBLE PRECISION; i INTEGER; j INTEGER; k INTEGER;
BEGIN
    IF kind > 2 THEN RETURN NULL; END IF;
    IF kind = 2 THEN
        FOR k IN 0..m - 1 LOOP
            i := 6 + 3 * k; j := 6 + 3 * ((k + 1) % m);
            ax := shape[i]; ay := shape[i + 1]; az := shape[i + 2]; bx := shape[j]; b_y := shape[j + 1]; bz := shape[j + 2];
            IF small THEN
                ax := ax - cx; ay := ay - cy; az := az - cz; bx := bx - cx; b_y := b_y - cy; bz := bz - cz;
                w := (ay * bz - az * b_y) * cx + (az * bx - ax * bz) * cy + (ax * b_y - ay * bx) * cz;
                total := total + w; x := x + (ax + bx) * w; y := y + (ay + b_y) * w; z := z + (az + bz) * w;
            ELSE
                nx := ((ay - b_y) * (az + bz) - (az - bz) * (ay + b_y)) / 2;
                ny := ((az - bz) * (ax + bx) - (ax - bx) * (az + bz)) / 2;
                nz := ((ax - bx) * (ay + b_y) - (ay - b_y) * (ax + bx)) / 2;
                size := sqrt(nx * nx + ny * ny + nz * nz);
                CONTINUE WHEN size = 0;
                w := atan2(size, ax * bx + ay * b_y + az * bz) / size;
                x := x + nx * w; y := y + ny * w; z := z + nz * w;
            END IF;
        END LOOP;
        IF small AND abs(total) > 1e-300 THEN
            x := cx + x / (3 * total); y := cy + y / (3 * total); z := cz + z / (3 * total);
        ELSIF small OR NOT sqrt(x * x + y * y + z * z) > 1e-18 THEN
            x := cx; y := cy; z := cz;
        END IF;
        cx := x; cy := y; cz := z;
    END IF;
    RETURN ARRAY[vogate.vg_lon(cx, cy), degrees(atan2(cz, sqrt(cx * cx + cy * cy)))];
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_distance(
    lon1 DOUBLE PRECISION, lat1 DOUBLE PRECISION, lon2 DOUBLE PRECISION, lat2 DOUBLE PRECISION) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE a DOUBLE PRECISION[] := vogate.vg_unit(lon1, lat1); b DOUBLE PRECISION[] := vogate.vg_unit(lon2, lat2);
BEGIN
    RETURN degrees(vogate.vg_apart(a[1], a[2], a[3], b[1], b[2], b[3]));
END $$;
