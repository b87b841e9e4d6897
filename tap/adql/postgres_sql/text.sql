-- Text beyond ASCII, in whatever collation this server has for it; the database's own may be "C".

DO $$
DECLARE known TEXT;
BEGIN
    SELECT format('%I.%I', n.nspname, c.collname) INTO known
    FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
    WHERE n.nspname = 'pg_catalog' AND c.collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))
        AND c.collname IN ('und-x-icu', 'pg_c_utf8', 'C.utf8', 'C.UTF-8', 'en_US.utf8', 'default')
    ORDER BY array_position(ARRAY['und-x-icu', 'pg_c_utf8', 'C.utf8', 'C.UTF-8', 'en_US.utf8', 'default'], c.collname::TEXT)
    LIMIT 1;
    EXECUTE format($f$
        CREATE OR REPLACE FUNCTION vogate.vg_lower(written TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS 'SELECT lower(written COLLATE %1$s) COLLATE "C"';
        CREATE OR REPLACE FUNCTION vogate.vg_upper(written TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS 'SELECT upper(written COLLATE %1$s) COLLATE "C"';
        CREATE OR REPLACE FUNCTION vogate.vg_matches(written TEXT, pattern TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT
        PARALLEL SAFE AS 'SELECT written ~ (pattern COLLATE %1$s)';
        CREATE OR REPLACE FUNCTION vogate.vg_words(written TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS $w$ SELECT ARRAY(SELECT m[1] FROM regexp_matches(lower(written COLLATE %1$s), '([[:alnum:]]+)', 'g') AS m) $w$;
    $f$, known);
END $$;
