-- Roles and databases of compose.yaml. Its service `roles` runs this in both databases at every start,
-- as the superuser; nothing else logs in as one.
--
--   kaiwa_owner  owns the app's tables and ours: migrations
--   kaiwa_batch  the flows, with the rights of kaiwa_audio (grants.sql)
--   prefect      owns the Prefect server's database
--
-- It is safe to repeat. In a volume of an earlier version, where the superuser owned everything, it
-- hands everything to these roles.

\set ON_ERROR_STOP on
-- Functions that others put into the schema public must not run as the superuser.
SET search_path = pg_catalog;
-- The server must not log passwords, not even with a failed statement.
SET log_statement = none;
SET log_min_error_statement = panic;
SET log_min_duration_statement = -1;

\getenv owner_password KAIWA_OWNER_PASSWORD
\getenv batch_password KAIWA_BATCH_PASSWORD
\getenv prefect_password PREFECT_DATABASE_PASSWORD

SELECT 'CREATE ROLE ' || name
FROM unnest(ARRAY['kaiwa_owner', 'kaiwa_batch', 'prefect', 'kaiwa_audio', 'kaiwa_app']) AS name
WHERE name NOT IN (SELECT rolname FROM pg_roles)
\gexec
ALTER ROLE kaiwa_owner LOGIN PASSWORD :'owner_password';
ALTER ROLE kaiwa_batch LOGIN PASSWORD :'batch_password';
ALTER ROLE prefect LOGIN PASSWORD :'prefect_password';
GRANT kaiwa_audio TO kaiwa_batch;

SELECT 'CREATE DATABASE prefect'
WHERE 'prefect' NOT IN (SELECT datname FROM pg_database)
\gexec
ALTER DATABASE kaiwa OWNER TO kaiwa_owner;
ALTER DATABASE prefect OWNER TO prefect;
REVOKE ALL ON DATABASE kaiwa, prefect, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE kaiwa TO kaiwa_audio, kaiwa_app;

-- What the superuser owns in this database, except for extensions, goes to the database's owner. What
-- belongs to a table follows it: its row type, the sequences of its columns.
DO $$
DECLARE
    superuser regrole := quote_ident(current_user)::regrole;
    command text;
BEGIN
    FOR command IN
        WITH owned (object, kind, class) AS (
            SELECT oid, 'SCHEMA', 'pg_namespace'::regclass
            FROM pg_namespace WHERE nspowner = superuser
            UNION ALL
            SELECT oid, CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, 'pg_class'
            FROM pg_class WHERE relowner = superuser AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            UNION ALL
            SELECT oid, 'ROUTINE', 'pg_proc'
            FROM pg_proc WHERE proowner = superuser
            UNION ALL
            SELECT pg_type.oid, 'TYPE', 'pg_type'
            FROM pg_type LEFT JOIN pg_class ON pg_class.oid = typrelid
            WHERE typowner = superuser AND (typtype IN ('e', 'd', 'r') OR relkind = 'c')
        )
        SELECT format(
            'ALTER %s %s OWNER TO %s', kind, address.identity,
            (SELECT datdba::regrole FROM pg_database WHERE datname = current_database())
        )
        FROM owned, pg_identify_object(class, object, 0) AS address
        WHERE object >= 16384 -- objects of the user, not the system
        AND NOT EXISTS (
            SELECT FROM pg_depend
            WHERE classid = class AND objid = object AND refobjid <> object
            AND (deptype IN ('e', 'i') OR kind = 'SEQUENCE' AND deptype = 'a')
        )
    LOOP
        EXECUTE command;
    END LOOP;
END
$$;
