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
-- Also of tables and partitions that come later. It may have been granted before: that is no news.
SET client_min_messages = warning;
GRANT pg_read_all_data TO vigil_grafana;
ALTER ROLE vigil_grafana SET default_transaction_read_only = on;
-- A panel that asks for too much is ended, not the collector's writes slowed down.
ALTER ROLE vigil_grafana SET statement_timeout = '15s';
