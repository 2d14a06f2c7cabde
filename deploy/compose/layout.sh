#!/bin/sh
# Puts what each service runs into /layout/SERVICE: compiled code and package.json of the application and all libraries.
set -eu
for service in runtime collector api; do
  for part in libs/* "apps/$service"; do
    [ -d "$part/dist" ] || continue
    mkdir -p "/layout/$service/$part"
    cp -r "$part/package.json" "$part/dist" "/layout/$service/$part/"
  done
done
find /layout \( -name '*.d.ts' -o -name '*.map' -o -name .tsbuildinfo \) -delete
