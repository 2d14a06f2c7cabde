#!/bin/sh
# Looks at the volume of PostgreSQL before PostgreSQL does. It changes nothing.
set -eu
data=${PGDATA:-/var/lib/postgresql/data}
stop() {
  echo "$* Nothing was changed." >&2
  exit 1
}
server=$(postgres --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
[ -r "$data" ] && [ -x "$data" ] ||
  stop "The volume of PostgreSQL, $data, can not be read by user $(id -u). Set POSTGRES_USER_ID to the user that it belongs to ($(stat -c %u "$data"))."
probe=$data/.vigil-probe
( : >"$probe" ) 2>/dev/null ||
  stop "The volume of PostgreSQL, $data, can not be written by user $(id -u). Give it to that user, or set POSTGRES_USER_ID to the user that it belongs to ($(stat -c %u "$data")), and see that its disk has room and is not mounted read-only."
rm "$probe"
if [ -s "$data/PG_VERSION" ]; then
  read -r found <"$data/PG_VERSION"
  [ "$found" = "$server" ] ||
    stop "The volume of PostgreSQL was made by PostgreSQL $found, and this is PostgreSQL $server, which can not read it. Set POSTGRES_IMAGE to an image of PostgreSQL $found, such as postgres:$found-bookworm, and docs/COMPOSE.md says how to take the data along."
elif [ -n "$(ls -A "$data")" ]; then
  stop "The volume of PostgreSQL holds files, but no database. Set COMPOSE_PROJECT_NAME to another name to begin with volumes of its own, or empty this one yourself."
fi
echo "The volume of PostgreSQL is fit for PostgreSQL $server."
