-- A role that may read everything of Vigil and change nothing, for Grafana's data source. Run it with psql as the database's
-- superuser, as often as you like; the role's password comes from the environment:
--   VIGIL_GRAFANA_PASSWORD=… psql -f read-only-role.sql "$DATABASE_URL"
-- In the image of postgres it can lie in /docker-entrypoint-initdb.d: it needs none of Vigil's tables yet.
\set ON_ERROR_STOP on
\getenv password VIGIL_GRAFANA_PASSWORD
\if :{?password}
\else
DO $$ BEGIN RAISE 'VIGIL_GRAFANA_PASSWORD is not set. Set it to the password that the role vigil_grafana shall have.'; END $$;
\endif

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vigil_grafana') THEN
    CREATE ROLE vigil_grafana LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 10;
  END IF;
END
$$;
ALTER ROLE vigil_grafana PASSWORD :'password';
-- Vigil's tables and no other, such as the one of passwords. Those that come later are made by who owns those that are there.
GRANT USAGE ON SCHEMA public TO vigil_grafana;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO vigil_grafana;
DO $$
DECLARE
  owner text := coalesce((SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'vigil_migration'), current_user);
BEGIN
  EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA public GRANT SELECT ON TABLES TO vigil_grafana', owner);
END
$$;
ALTER ROLE vigil_grafana SET default_transaction_read_only = on;
-- A panel that asks for too much is ended, not the collector's writes slowed down.
ALTER ROLE vigil_grafana SET statement_timeout = '15s';
