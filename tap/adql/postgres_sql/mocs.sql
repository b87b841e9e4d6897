-- MOCs: text outside, multiranges of order-29 cells inside (tap.adql.moc, moc_shapes).

CREATE OR REPLACE FUNCTION vogate.vg_moc_all() RETURNS int8multirange
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT int8multirange(int8range(0, 3458764513820540928)) $$;
CREATE OR REPLACE FUNCTION vogate.vg_moc(moc TEXT) RETURNS int8multirange
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- NULL for what is no MOC, as tap.adql.moc.parse refuses it.
DECLARE
    level INTEGER := -1; word TEXT; bounds TEXT[]; low BIGINT; high BIGINT; size BIGINT; last BIGINT;
    parts int8range[] := '{}'; spaced TEXT := translate(moc, ',', ' ');
BEGIN
    IF spaced !~ '^\s*(\d{1,2}/\s*((\d{1,19}-\d{1,19}|\d{1,19})(\s+|$))*)*$' THEN RETURN NULL; END IF;
    FOREACH word IN ARRAY regexp_split_to_array(btrim(replace(spaced, '/', '/ '), E' \t\n\r'), '\s+') LOOP
        CONTINUE WHEN word = '';
        IF right(word, 1) = '/' THEN
            level := rtrim(word, '/')::INTEGER;
            IF level > 29 THEN RETURN NULL; END IF;
            size := 1::BIGINT << (2 * (29 - level));
            last := 12::BIGINT << (2 * level);
            CONTINUE;
        END IF;
        bounds := string_to_array(word, '-');
        IF bounds[1]::NUMERIC >= last OR bounds[array_upper(bounds, 1)]::NUMERIC >= last THEN RETURN NULL; END IF;
        low := bounds[1]::BIGINT; high := bounds[array_upper(bounds, 1)]::BIGINT;
        IF low > high THEN RETURN NULL; END IF;
        parts := parts || int8range(low * size, (high + 1) * size);
    END LOOP;
    RETURN (SELECT coalesce(range_agg(part), '{}'::int8multirange) FROM unnest(parts) AS part);
END $$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_text(moc int8multirange) RETURNS TEXT
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The largest cells that fit, by order.
DECLARE
    rest int8multirange := moc; piece int8range; found int8range[]; words TEXT[]; result TEXT[] := '{}';
    size BIGINT; low BIGINT; high BIGINT;
BEGIN
    FOR level IN 0..29 LOOP
        EXIT WHEN isempty(rest);
        size := 1::BIGINT << (2 * (29 - level)); found := '{}'; words := '{}';
        FOR piece IN SELECT unnest(rest) LOOP
            low := (lower(piece) + size - 1) / size; high := upper(piece) / size;
            IF low < high THEN
                found := found || int8range(low * size, high * size);
                words := words || CASE WHEN high = low + 1 THEN low::TEXT ELSE low || '-' || high - 1 END;
            END IF;
        END LOOP;
        IF words <> '{}' THEN
            result := result || (level || '/' || array_to_string(words, ','));
            rest := rest - (SELECT range_agg(part) FROM unnest(found) AS part);
        END IF;
    END LOOP;
    RETURN CASE WHEN result = '{}' THEN '0/' ELSE array_to_string(result, ' ') END;
END $$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_degrade(level INTEGER, moc int8multirange) RETURNS int8multirange
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(range_agg(int8range(lower(part) / size * size, (upper(part) + size - 1) / size * size)), '{}')
    FROM unnest(moc) AS part, (SELECT 1::BIGINT << (2 * (29 - level)) AS size) AS s
$$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_area(moc int8multirange) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(sum(CAST(upper(part) - lower(part) AS NUMERIC)), 0)::DOUBLE PRECISION
        / 3458764513820540928.0::DOUBLE PRECISION * 41252.961249419277
    FROM unnest(moc) AS part
$$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_of_cells(level INTEGER, cells BIGINT[]) RETURNS int8multirange
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(range_agg(int8range(cell * size, (cell + 1) * size)), '{}')
    FROM unnest(cells) AS cell, (SELECT 1::BIGINT << (2 * (29 - level)) AS size) AS s WHERE cell IS NOT NULL
$$;

CREATE OR REPLACE FUNCTION vogate.vg_moc_reach(level INTEGER) RETURNS DOUBLE PRECISION
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- An upper bound of the distance of a cell's points from its centre, in radians (tap.adql.healpix.circumradius).
    SELECT (CAST('{@REACHES@}' AS DOUBLE PRECISION[]))[level + 1]
$$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_depth(level INTEGER, cell BIGINT, shape DOUBLE PRECISION[], outside BOOLEAN)
RETURNS DOUBLE PRECISION LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- How far a cell's centre is inside of a shape, or of what is outside of it.
DECLARE place DOUBLE PRECISION[] := vogate.vg_healpix_centre(level, cell); v DOUBLE PRECISION[]; depth DOUBLE PRECISION;
BEGIN
    v := vogate.vg_unit(place[1], place[2]);
    depth := vogate.vg_depth(v[1], v[2], v[3], shape);
    RETURN CASE WHEN outside THEN -depth ELSE depth END;
END $$;
CREATE OR REPLACE FUNCTION vogate.vg_shape_meets(shape DOUBLE PRECISION[], moc int8multirange, outside BOOLEAN)
RETURNS BOOLEAN LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Whether a shape (or what is outside of it) and a MOC have a point in common: ever smaller cells along their edges.
DECLARE
    cells BIGINT[] := ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]; kept BIGINT[]; cell BIGINT; size BIGINT; span int8range;
    depth DOUBLE PRECISION; reach DOUBLE PRECISION;
BEGIN
    FOR level IN 0..29 LOOP
        size := 1::BIGINT << (2 * (29 - level)); reach := vogate.vg_moc_reach(level); kept := '{}';
        FOREACH cell IN ARRAY cells LOOP
            span := int8range(cell * size, (cell + 1) * size);
            CONTINUE WHEN NOT span && moc;
            depth := vogate.vg_moc_depth(level, cell, shape, outside);
            IF depth > reach OR (depth >= 0 AND span <@ moc) THEN RETURN true; END IF;
            IF depth >= -reach THEN kept := kept || cell; END IF;
        END LOOP;
        IF kept = '{}' THEN RETURN false; END IF;
        IF array_length(kept, 1) > 5000 THEN RETURN true; END IF;
        cells := ARRAY(SELECT 4 * parent + child FROM unnest(kept) AS parent, generate_series(0, 3) AS child);
    END LOOP;
    RETURN true;
END $$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_cell(shape DOUBLE PRECISION[]) RETURNS BIGINT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- The cell that a point is in.
    SELECT vogate.vg_healpix(29, vogate.vg_lon(shape[2], shape[3]),
        degrees(atan2(shape[4], sqrt(shape[2] * shape[2] + shape[3] * shape[3]))))
$$;
CREATE OR REPLACE FUNCTION vogate.vg_shape_meets_moc(shape DOUBLE PRECISION[], moc int8multirange) RETURNS BOOLEAN
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN shape[1] = 0 THEN vogate.vg_moc_cell(shape) <@ moc ELSE vogate.vg_shape_meets(shape, moc, false) END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_shape_in_moc(shape DOUBLE PRECISION[], moc int8multirange) RETURNS BOOLEAN
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN shape[1] = 0 THEN vogate.vg_moc_cell(shape) <@ moc
        ELSE NOT vogate.vg_shape_meets(shape, vogate.vg_moc_all() - moc, false) END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_in_shape(shape DOUBLE PRECISION[], moc int8multirange) RETURNS BOOLEAN
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN shape[1] = 0 THEN isempty(moc) ELSE NOT vogate.vg_shape_meets(shape, moc, true) END
$$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_of(finest INTEGER, shape DOUBLE PRECISION[]) RETURNS int8multirange
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Cells of an order that a shape touches (tap.adql.moc.of_shape).
DECLARE
    cells BIGINT[] := ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]; kept BIGINT[]; cell BIGINT; size BIGINT;
    found int8range[] := '{}'; depth DOUBLE PRECISION; reach DOUBLE PRECISION;
BEGIN
    size := 1::BIGINT << (2 * (29 - finest));
    IF shape[1] = 0 THEN
        cell := vogate.vg_moc_cell(shape) / size;
        RETURN int8multirange(int8range(cell * size, (cell + 1) * size));
    END IF;
    FOR level IN 0..finest LOOP
        size := 1::BIGINT << (2 * (29 - level)); reach := vogate.vg_moc_reach(level); kept := '{}';
        FOREACH cell IN ARRAY cells LOOP
            depth := vogate.vg_moc_depth(level, cell, shape, false);
            IF depth > reach OR (level = finest AND (depth >= 0
                OR (depth >= -reach AND vogate.vg_moc_touches(level, cell, shape)))) THEN
                found := found || int8range(cell * size, (cell + 1) * size);
            ELSIF depth >= -reach THEN kept := kept || cell;
            END IF;
        END LOOP;
        EXIT WHEN level = finest;
        IF 4 * array_length(kept, 1) > 100000 THEN
            RAISE EXCEPTION 'the MOC of this shape at order % is too large; take a lower order', finest
                USING ERRCODE = 'program_limit_exceeded';
        END IF;
        cells := ARRAY(SELECT 4 * parent + child FROM unnest(kept) AS parent, generate_series(0, 3) AS child);
    END LOOP;
    RETURN (SELECT coalesce(range_agg(part), '{}') FROM unnest(found) AS part);
END $$;
CREATE OR REPLACE FUNCTION vogate.vg_moc_touches(top INTEGER, cell BIGINT, shape DOUBLE PRECISION[]) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
-- Whether a cell on a shape's edge has a part in it: its children are tried, down to some levels.
DECLARE cells BIGINT[] := ARRAY[cell]; kept BIGINT[]; one BIGINT; depth DOUBLE PRECISION; level INTEGER := top;
BEGIN
    WHILE level < least(top + 6, 29) LOOP
        level := level + 1; kept := '{}';
        FOREACH one IN ARRAY ARRAY(SELECT 4 * parent + child FROM unnest(cells) AS parent, generate_series(0, 3) AS child) LOOP
            depth := vogate.vg_moc_depth(level, one, shape, false);
            IF depth >= 0 THEN RETURN true; END IF;
            IF depth >= -vogate.vg_moc_reach(level) THEN kept := kept || one; END IF;
        END LOOP;
        IF kept = '{}' THEN RETURN false; END IF;
        cells := kept;
    END LOOP;
    RETURN true;
END $$;
