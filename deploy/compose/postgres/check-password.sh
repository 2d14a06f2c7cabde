#!/bin/sh
# Opens the database with the stack's password, as the services will, and gives Grafana its role, which may only read.
set -eu
secrets=/run/vigil/secrets
PGPASSWORD=$(cat $secrets/postgres_password) VIGIL_GRAFANA_PASSWORD=$(cat $secrets/grafana_database_password)
export PGPASSWORD VIGIL_GRAFANA_PASSWORD PGCONNECT_TIMEOUT=10
if ! answer=$(psql -h postgres -U vigil -d vigil -qAtc 'SELECT 1' 2>&1); then
  case $answer in
  *'password authentication failed'*)
    echo "PostgreSQL refuses the stack's password: its volume is older than the volume of the secrets, or made with another POSTGRES_PASSWORD. Remove the volume of the secrets (docker compose down, then docker volume rm NAME_secrets, where NAME is the project's) and set POSTGRES_PASSWORD to the password that the data was made with; docs/COMPOSE.md says how to set a new one. Nothing was changed." >&2
    ;;
  *) echo "PostgreSQL can not be opened: $answer. See docker compose logs postgres." >&2 ;;
  esac
  exit 1
fi
psql -h postgres -U vigil -d vigil -q -f /etc/vigil-grafana/read-only-role.sql
echo 'PostgreSQL takes the password of the stack; the role vigil_grafana may read.'
