#!/bin/sh
# The image's own start, with the password of the stack.
set -eu
POSTGRES_PASSWORD=$(cat /run/vigil/secrets/postgres_password)
export POSTGRES_PASSWORD
exec docker-entrypoint.sh postgres "$@"
