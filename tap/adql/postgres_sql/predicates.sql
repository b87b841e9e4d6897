-- Exact tests between encoded shapes, as tap.adql.predicates and tap.adql.combinations compute them.
-- Points within 2e-15 radians of a boundary count as on it, and so inside.

CREATE OR REPLACE FUNCTION vogate.vg_boundary_distance(
    x DOUBLE PRECISION, y DOUBLE PRECISION, z DOUBLE PRECISION, shape DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The angle from a point to the sides of a polygon.
DECLARE
    ax DOUBLE PRECISION; ay DOUBLE PRECISION; az DOUBLE PRECISION; bx DOUBLE PRECISION; b_y DOUBLE PRECISION;
    bz DOUBLE PRECISION; nx DOUBLE PRECISION; ny DOUBLE PRECISION; nz DOUBLE PRECISION; norm DOUBLE PRECISION;
    away DOUBLE PRECISION; least_one DOUBLE PRECISION := 4; last INTEGER := (array_length(shape, 1) - 5) / 3;
    i INTEGER; j INTEGER; k INTEGER;
BEGIN
    FOR k IN 1..last LOOP
        i := 3 + 3 * k; j := 3 + 3 * (k % last + 1);
        ax := shape[i]; ay := shape[i + 1]; az := shape[i + 2]; bx := shape[j]; b_y := shape[j + 1]; bz := shape[j + 2];
        nx := (ay - b_y) * (az + bz) - (az - bz) * (ay + b_y);
        ny := (az - bz) * (ax + bx) - (ax - bx) * (az + bz);
        nz := (ax - bx) * (ay + b_y) - (ay - b_y) * (ax + bx);
        norm := sqrt(nx * nx + ny * ny + nz * nz);
        IF norm > 0 AND (ny * az - nz * ay) * x + (nz * ax - nx * az) * y + (nx * ay - ny * ax) * z >= 0
            AND (b_y * nz - bz * ny) * x + (bz * nx - bx * nz) * y + (bx * ny - b_y * nx) * z >= 0 THEN
            away := asin(least(1, abs(nx * x + ny * y + nz * z) / norm));
        ELSE
            away := 2 * asin(least(1, sqrt(least((x - ax) ^ 2 + (y - ay) ^ 2 + (z - az) ^ 2,
                                                (x - bx) ^ 2 + (y - b_y) ^ 2 + (z - bz) ^ 2)) / 2));
        END IF;
        IF away < least_one THEN least_one := away; END IF;
    END LOOP;
    RETURN least_one;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_side_distance(p DOUBLE PRECISION[], a DOUBLE PRECISION[], b DOUBLE PRECISION[])
RETURNS DOUBLE PRECISION LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The same for one side.
DECLARE
    nx DOUBLE PRECISION := (a[2] - b[2]) * (a[3] + b[3]) - (a[3] - b[3]) * (a[2] + b[2]);
    ny DOUBLE PRECISION := (a[3] - b[3]) * (a[1] + b[1]) - (a[1] - b[1]) * (a[3] + b[3]);
    nz DOUBLE PRECISION := (a[1] - b[1]) * (a[2] + b[2]) - (a[2] - b[2]) * (a[1] + b[1]);
    norm DOUBLE PRECISION := sqrt(nx * nx + ny * ny + nz * nz);
BEGIN
    IF norm > 0 AND (ny * a[3] - nz * a[2]) * p[1] + (nz * a[1] - nx * a[3]) * p[2] + (nx * a[2] - ny * a[1]) * p[3] >= 0
        AND (b[2] * nz - b[3] * ny) * p[1] + (b[3] * nx - b[1] * nz) * p[2] + (b[1] * ny - b[2] * nx) * p[3] >= 0 THEN
        RETURN asin(least(1, abs(nx * p[1] + ny * p[2] + nz * p[3]) / norm));
    END IF;
    RETURN 2 * asin(least(1, sqrt(least((p[1] - a[1]) ^ 2 + (p[2] - a[2]) ^ 2 + (p[3] - a[3]) ^ 2,
                                        (p[1] - b[1]) ^ 2 + (p[2] - b[2]) ^ 2 + (p[3] - b[3]) ^ 2)) / 2));
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_arcs_meet(
    a DOUBLE PRECISION[], b DOUBLE PRECISION[], c DOUBLE PRECISION[], d DOUBLE PRECISION[]) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Arcs that separate each other's ends meet at a crossing of their planes, on the near side of the sphere.
DECLARE
    nx DOUBLE PRECISION := (a[2] - b[2]) * (a[3] + b[3]) - (a[3] - b[3]) * (a[2] + b[2]);
    ny DOUBLE PRECISION := (a[3] - b[3]) * (a[1] + b[1]) - (a[1] - b[1]) * (a[3] + b[3]);
    nz DOUBLE PRECISION := (a[1] - b[1]) * (a[2] + b[2]) - (a[2] - b[2]) * (a[1] + b[1]);
    mx DOUBLE PRECISION := (c[2] - d[2]) * (c[3] + d[3]) - (c[3] - d[3]) * (c[2] + d[2]);
    my DOUBLE PRECISION := (c[3] - d[3]) * (c[1] + d[1]) - (c[1] - d[1]) * (c[3] + d[3]);
    mz DOUBLE PRECISION := (c[1] - d[1]) * (c[2] + d[2]) - (c[2] - d[2]) * (c[1] + d[1]);
    lx DOUBLE PRECISION; ly DOUBLE PRECISION; lz DOUBLE PRECISION;
BEGIN
    IF (nx * c[1] + ny * c[2] + nz * c[3]) * (nx * d[1] + ny * d[2] + nz * d[3]) < 0
        AND (mx * a[1] + my * a[2] + mz * a[3]) * (mx * b[1] + my * b[2] + mz * b[3]) < 0 THEN
        lx := ny * mz - nz * my; ly := nz * mx - nx * mz; lz := nx * my - ny * mx;
        IF (lx * (a[1] + b[1]) + ly * (a[2] + b[2]) + lz * (a[3] + b[3]))
            * (lx * (c[1] + d[1]) + ly * (c[2] + d[2]) + lz * (c[3] + d[3])) > 0 THEN
            RETURN true;
        END IF;
    END IF;
    RETURN least(vogate.vg_side_distance(a, c, d), vogate.vg_side_distance(b, c, d),
                 vogate.vg_side_distance(c, a, b), vogate.vg_side_distance(d, a, b)) <= 2e-15;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_polygons_meet(a DOUBLE PRECISION[], b DOUBLE PRECISION[]) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    m INTEGER := (array_length(a, 1) - 5) / 3; n INTEGER := (array_length(b, 1) - 5) / 3; i INTEGER; j INTEGER;
    p DOUBLE PRECISION[]; q DOUBLE PRECISION[]; r DOUBLE PRECISION[]; s DOUBLE PRECISION[];
BEGIN
    IF vogate.vg_in_polygon(a[6], a[7], a[8], b) OR vogate.vg_in_polygon(b[6], b[7], b[8], a) THEN RETURN true; END IF;
    FOR i IN 0..m - 1 LOOP
        p := a[6 + 3 * i:8 + 3 * i]; q := a[6 + 3 * ((i + 1) % m):8 + 3 * ((i + 1) % m)];
        FOR j IN 0..n - 1 LOOP
            r := b[6 + 3 * j:8 + 3 * j]; s := b[6 + 3 * ((j + 1) % n):8 + 3 * ((j + 1) % n)];
            IF vogate.vg_arcs_meet(p, q, r, s) THEN RETURN true; END IF;
        END LOOP;
    END LOOP;
    RETURN false;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_intersects(a DOUBLE PRECISION[], b DOUBLE PRECISION[]) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    away DOUBLE PRECISION := vogate.vg_apart(a[2], a[3], a[4], b[2], b[3], b[4]); one INTEGER := a[1]; two INTEGER := b[1];
    at INTEGER := 6; part DOUBLE PRECISION[];
BEGIN
    IF away > a[5] + b[5] + 1e-12 THEN RETURN false; END IF;
    IF one <= 1 AND two <= 1 THEN RETURN away <= a[5] + b[5] + 2e-15; END IF;
    IF one <= 1 AND two = 2 THEN
        RETURN vogate.vg_in_polygon(a[2], a[3], a[4], b) OR vogate.vg_boundary_distance(a[2], a[3], a[4], b) <= a[5] + 2e-15;
    END IF;
    IF one = 2 AND two <= 1 THEN
        RETURN vogate.vg_in_polygon(b[2], b[3], b[4], a) OR vogate.vg_boundary_distance(b[2], b[3], b[4], a) <= b[5] + 2e-15;
    END IF;
    IF one = 2 AND two = 2 THEN RETURN vogate.vg_polygons_meet(a, b); END IF;
    IF two <= 2 THEN RETURN vogate.vg_intersects(b, a); END IF;
    IF one = 0 THEN RETURN vogate.vg_depth(a[2], a[3], a[4], b) >= -2e-15; END IF;
    IF one <= 2 AND two = 5 THEN RETURN NOT vogate.vg_contains(a, b[7:6 + b[6]::INTEGER]); END IF;
    IF one <= 2 AND two = 3 THEN
        WHILE at <= array_length(b, 1) LOOP
            part := b[at + 1:at + b[at]::INTEGER];
            IF vogate.vg_intersects(a, part) THEN RETURN true; END IF;
            at := at + 1 + b[at]::INTEGER;
        END LOOP;
        RETURN false;
    END IF;
    RETURN vogate.vg_combined(a, b, false);
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_contains(a DOUBLE PRECISION[], b DOUBLE PRECISION[]) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Whether a lies wholly in b.
DECLARE
    away DOUBLE PRECISION := vogate.vg_apart(a[2], a[3], a[4], b[2], b[3], b[4]); one INTEGER := a[1]; two INTEGER := b[1];
    at INTEGER := 6; part DOUBLE PRECISION[]; k INTEGER;
BEGIN
    IF away > a[5] + b[5] + 1e-12 THEN RETURN false; END IF;
    IF one <= 1 AND two <= 1 THEN RETURN away + a[5] <= b[5] + 2e-15 OR b[5] >= pi(); END IF;
    IF one <= 1 AND two = 2 THEN
        RETURN vogate.vg_in_polygon(a[2], a[3], a[4], b)
            AND (a[5] = 0 OR vogate.vg_boundary_distance(a[2], a[3], a[4], b) >= a[5] - 2e-15);
    END IF;
    IF one = 2 AND two <= 1 THEN
        IF b[5] < pi() / 2 THEN
            FOR k IN 2..(array_length(a, 1) - 2) / 3 LOOP
                IF vogate.vg_apart(a[3 * k], a[3 * k + 1], a[3 * k + 2], b[2], b[3], b[4]) > b[5] + 2e-15 THEN
                    RETURN false;
                END IF;
            END LOOP;
            RETURN true;
        END IF;
        -- A polygon is in a large circle if it keeps off the circle around the opposite point.
        RETURN CASE WHEN vogate.vg_in_polygon(-b[2], -b[3], -b[4], a) THEN 0
            ELSE vogate.vg_boundary_distance(-b[2], -b[3], -b[4], a) END >= pi() - b[5] - 2e-15;
    END IF;
    IF one = 2 AND two = 2 THEN
        FOR k IN 2..(array_length(a, 1) - 2) / 3 LOOP
            IF NOT vogate.vg_in_polygon(a[3 * k], a[3 * k + 1], a[3 * k + 2], b) THEN RETURN false; END IF;
        END LOOP;
        RETURN vogate.vg_stays_in(a, b);
    END IF;
    IF one = 0 THEN RETURN vogate.vg_depth(a[2], a[3], a[4], b) >= -2e-15; END IF;
    IF one <= 2 AND two = 5 THEN RETURN NOT vogate.vg_intersects(a, b[7:6 + b[6]::INTEGER]); END IF;
    IF one <= 2 AND two = 4 THEN
        WHILE at <= array_length(b, 1) LOOP
            part := b[at + 1:at + b[at]::INTEGER];
            IF NOT vogate.vg_contains(a, part) THEN RETURN false; END IF;
            at := at + 1 + b[at]::INTEGER;
        END LOOP;
        RETURN true;
    END IF;
    RETURN vogate.vg_combined(a, b, true);
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_depth(
    x DOUBLE PRECISION, y DOUBLE PRECISION, z DOUBLE PRECISION, shape DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- How far a point is inside of a shape (positive) or outside, in radians.
DECLARE kind INTEGER := shape[1]; at INTEGER := 6; found DOUBLE PRECISION; total DOUBLE PRECISION;
BEGIN
    IF kind < 2 THEN
        RETURN CASE WHEN kind = 1 THEN shape[5] ELSE 0 END - vogate.vg_apart(x, y, z, shape[2], shape[3], shape[4]);
    END IF;
    IF kind = 2 THEN
        found := vogate.vg_boundary_distance(x, y, z, shape);
        RETURN CASE WHEN vogate.vg_in_polygon(x, y, z, shape) THEN found ELSE -found END;
    END IF;
    WHILE at <= array_length(shape, 1) LOOP
        found := vogate.vg_depth(x, y, z, shape[at + 1:at + shape[at]::INTEGER]);
        IF kind = 5 THEN RETURN -found; END IF;
        total := CASE WHEN kind = 3 THEN greatest(total, found) ELSE least(total, found) END;
        at := at + 1 + shape[at]::INTEGER;
    END LOOP;
    RETURN total;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_leaves(shape DOUBLE PRECISION[]) RETURNS SETOF DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The simple shapes of which one is made.
DECLARE at INTEGER := 6;
BEGIN
    IF shape[1] <= 2 THEN RETURN NEXT shape[:]; RETURN; END IF;
    WHILE at <= array_length(shape, 1) LOOP
        RETURN QUERY SELECT vogate.vg_leaves(shape[at + 1:at + shape[at]::INTEGER]);
        at := at + 1 + shape[at]::INTEGER;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_curves(shape DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Boundary arcs of a simple shape, eleven numbers each: normal, offset of the plane, start, side, length.
DECLARE
    found DOUBLE PRECISION[] := '{}'; m INTEGER; i INTEGER; j INTEGER; k INTEGER;
    nx DOUBLE PRECISION; ny DOUBLE PRECISION; nz DOUBLE PRECISION; norm DOUBLE PRECISION;
    ax DOUBLE PRECISION; ay DOUBLE PRECISION; az DOUBLE PRECISION; bx DOUBLE PRECISION; b_y DOUBLE PRECISION; bz DOUBLE PRECISION;
BEGIN
    IF shape[1] = 2 THEN
        m := (array_length(shape, 1) - 5) / 3;
        FOR k IN 0..m - 1 LOOP
            i := 6 + 3 * k; j := 6 + 3 * ((k + 1) % m);
            ax := shape[i]; ay := shape[i + 1]; az := shape[i + 2]; bx := shape[j]; b_y := shape[j + 1]; bz := shape[j + 2];
            nx := (ay - b_y) * (az + bz) - (az - bz) * (ay + b_y);
            ny := (az - bz) * (ax + bx) - (ax - bx) * (az + bz);
            nz := (ax - bx) * (ay + b_y) - (ay - b_y) * (ax + bx);
            norm := sqrt(nx * nx + ny * ny + nz * nz);
            CONTINUE WHEN norm = 0;
            nx := nx / norm; ny := ny / norm; nz := nz / norm;
            found := found || ARRAY[nx, ny, nz, 0, ax, ay, az, ny * az - nz * ay, nz * ax - nx * az, nx * ay - ny * ax,
                                    atan2(norm / 2, ax * bx + ay * b_y + az * bz)];
        END LOOP;
    ELSIF shape[1] = 1 AND shape[5] > 0 AND shape[5] < pi() THEN
        nx := shape[2]; ny := shape[3]; nz := shape[4];
        IF abs(nz) < 0.9 THEN ax := -ny; ay := nx; az := 0; ELSE ax := 0; ay := -nz; az := ny; END IF;
        norm := sqrt(ax * ax + ay * ay + az * az);
        ax := ax / norm; ay := ay / norm; az := az / norm;
        found := ARRAY[nx, ny, nz, cos(shape[5]), ax, ay, az, ny * az - nz * ay, nz * ax - nx * az, nx * ay - ny * ax,
                       2 * pi()];
    END IF;
    RETURN found;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_cuts(c DOUBLE PRECISION[], d DOUBLE PRECISION[]) RETURNS DOUBLE PRECISION[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Where on the arc c the full circle of d meets it.
DECLARE
    cosine DOUBLE PRECISION := c[1] * d[1] + c[2] * d[2] + c[3] * d[3]; sine2 DOUBLE PRECISION := 1 - cosine * cosine;
    a DOUBLE PRECISION; b DOUBLE PRECISION; fx DOUBLE PRECISION; fy DOUBLE PRECISION; fz DOUBLE PRECISION;
    rest DOUBLE PRECISION; w DOUBLE PRECISION; px DOUBLE PRECISION; py DOUBLE PRECISION; pz DOUBLE PRECISION;
    t DOUBLE PRECISION; found DOUBLE PRECISION[] := '{}'; k INTEGER;
BEGIN
    IF sine2 < 1e-24 THEN RETURN found; END IF;
    a := (c[4] - d[4] * cosine) / sine2; b := (d[4] - c[4] * cosine) / sine2;
    fx := a * c[1] + b * d[1]; fy := a * c[2] + b * d[2]; fz := a * c[3] + b * d[3];
    rest := 1 - (fx * fx + fy * fy + fz * fz);
    IF rest < -1e-14 THEN RETURN found; END IF;
    w := sqrt(greatest(0, rest) / sine2);
    FOR k IN 1..2 LOOP
        px := fx + w * (c[2] * d[3] - c[3] * d[2]); py := fy + w * (c[3] * d[1] - c[1] * d[3]);
        pz := fz + w * (c[1] * d[2] - c[2] * d[1]);
        t := atan2(px * c[8] + py * c[9] + pz * c[10], px * c[5] + py * c[6] + pz * c[7]);
        IF t < 0 THEN t := t + 2 * pi(); END IF;
        IF t <= c[11] THEN found := found || t; END IF;
        w := -w;
    END LOOP;
    RETURN found;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_pieces(
    curves DOUBLE PRECISION[], walls DOUBLE PRECISION[], own BOOLEAN,
    OUT ends DOUBLE PRECISION[], OUT middles DOUBLE PRECISION[], OUT normals DOUBLE PRECISION[])
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The arcs cut where walls cross them: ends and middles of the pieces, and the normals at the middles.  With `own` the
-- walls are the curves themselves.
DECLARE
    c DOUBLE PRECISION[]; ts DOUBLE PRECISION[]; t DOUBLE PRECISION; before DOUBLE PRECISION; at DOUBLE PRECISION;
    size DOUBLE PRECISION; i INTEGER; j INTEGER;
BEGIN
    ends := '{}'; middles := '{}'; normals := '{}';
    FOR i IN 0..coalesce(array_length(curves, 1), 0) / 11 - 1 LOOP
        c := curves[11 * i + 1:11 * i + 11]; ts := ARRAY[0, c[11]];
        FOR j IN 0..coalesce(array_length(walls, 1), 0) / 11 - 1 LOOP
            CONTINUE WHEN own AND i = j;
            ts := ts || vogate.vg_cuts(c, walls[11 * j + 1:11 * j + 11]);
        END LOOP;
        before := NULL; size := sqrt(greatest(0, 1 - c[4] * c[4]));
        FOR t IN SELECT DISTINCT u FROM unnest(ts) AS u ORDER BY u LOOP
            ends := ends || ARRAY[
                c[4] * c[1] + size * (cos(t) * c[5] + sin(t) * c[8]), c[4] * c[2] + size * (cos(t) * c[6] + sin(t) * c[9]),
                c[4] * c[3] + size * (cos(t) * c[7] + sin(t) * c[10])];
            IF before IS NOT NULL THEN
                at := (t + before) / 2;
                middles := middles || ARRAY[
                    c[4] * c[1] + size * (cos(at) * c[5] + sin(at) * c[8]),
                    c[4] * c[2] + size * (cos(at) * c[6] + sin(at) * c[9]),
                    c[4] * c[3] + size * (cos(at) * c[7] + sin(at) * c[10])];
                normals := normals || c[1:3];
            END IF;
            before := t;
        END LOOP;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_stays_in(a DOUBLE PRECISION[], b DOUBLE PRECISION[]) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Whether polygon a, whose vertices are in polygon b, leaves it nowhere between them.
DECLARE p DOUBLE PRECISION[]; i INTEGER;
BEGIN
    SELECT middles INTO p FROM vogate.vg_pieces(vogate.vg_curves(a), vogate.vg_curves(b), false);
    FOR i IN 0..array_length(p, 1) / 3 - 1 LOOP
        IF vogate.vg_depth(p[3 * i + 1], p[3 * i + 2], p[3 * i + 3], b) < -1e-12 THEN RETURN false; END IF;
    END LOOP;
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION vogate.vg_combined(a DOUBLE PRECISION[], b DOUBLE PRECISION[], within BOOLEAN) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Any two shapes: whether a is within b, or they have a point in common.  Each piece of boundary between crossings lies
-- wholly inside or outside of every part, so that its middle decides for it.
DECLARE
    leaf DOUBLE PRECISION[]; curves DOUBLE PRECISION[] := '{}'; points DOUBLE PRECISION[] := '{}'; p DOUBLE PRECISION[];
    m DOUBLE PRECISION[]; n DOUBLE PRECISION[]; x DOUBLE PRECISION; y DOUBLE PRECISION; z DOUBLE PRECISION;
    size DOUBLE PRECISION; step DOUBLE PRECISION; i INTEGER;
BEGIN
    FOR leaf IN SELECT vogate.vg_leaves(a) UNION ALL SELECT vogate.vg_leaves(b) LOOP
        curves := curves || vogate.vg_curves(leaf);
        points := points || leaf[2:4] || ARRAY[-leaf[2], -leaf[3], -leaf[4]];
    END LOOP;
    SELECT ends, middles, normals INTO p, m, n FROM vogate.vg_pieces(curves, curves, true);
    points := points || p || m;
    IF within THEN
        FOREACH step IN ARRAY ARRAY[1e-9, -1e-9] LOOP
            FOR i IN 1..coalesce(array_length(m, 1), 0) LOOP
                points := points || (m[i] + step * n[i]);
            END LOOP;
        END LOOP;
    END IF;
    FOR i IN 0..array_length(points, 1) / 3 - 1 LOOP
        x := points[3 * i + 1]; y := points[3 * i + 2]; z := points[3 * i + 3];
        size := sqrt(x * x + y * y + z * z);
        x := x / size; y := y / size; z := z / size;
        IF within THEN
            IF vogate.vg_depth(x, y, z, a) >= -1e-13 AND vogate.vg_depth(x, y, z, b) < -1e-12 THEN RETURN false; END IF;
        ELSIF least(vogate.vg_depth(x, y, z, a), vogate.vg_depth(x, y, z, b)) >= -1e-12 THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN within;
END $$;
