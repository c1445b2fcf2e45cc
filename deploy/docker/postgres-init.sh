#!/bin/sh
# Run once by the entry point of the official Postgres image, as the superuser on the local socket, in an empty cluster.
set -eu

psql -v ON_ERROR_STOP=1 -d postgres -f /drawbridge/roles.sql
# From a file into psql's own variable: the password is in no command line.
psql -v ON_ERROR_STOP=1 -d postgres <<'SQL'
\set owner `cat /run/secrets/database/owner`
\set app `cat /run/secrets/database/app`
ALTER ROLE drawbridge_owner PASSWORD :'owner';
ALTER ROLE drawbridge_app PASSWORD :'app';
SQL
createdb --owner=drawbridge_owner --encoding=UTF8 --template=template0 drawbridge
psql -v ON_ERROR_STOP=1 -d drawbridge -f /drawbridge/database.sql
