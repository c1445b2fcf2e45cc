-- The two roles of Drawbridge. Run by a superuser (or a role with CREATEROLE), any number of times:
--
--   psql -v ON_ERROR_STOP=1 -d postgres -f deploy/postgres/roles.sql
--   psql -d postgres -c '\password drawbridge_owner' -c '\password drawbridge_app'
--   createdb --owner=drawbridge_owner --encoding=UTF8 --template=template0 drawbridge
--   psql -v ON_ERROR_STOP=1 -d drawbridge -f deploy/postgres/database.sql
--
-- drawbridge_owner  owns the database, applies migrations, removes what retention lets go of
-- drawbridge_app    serves requests; the migrations give it no UPDATE or DELETE on append-only tables
--
-- No password is set here: a password in a file ends up in a repository, one in a command ends up in a log.

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'drawbridge_owner') THEN
    CREATE ROLE drawbridge_owner;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'drawbridge_app') THEN
    CREATE ROLE drawbridge_app;
  END IF;
END
$$;

ALTER ROLE drawbridge_owner LOGIN INHERIT NOCREATEDB NOCREATEROLE;
ALTER ROLE drawbridge_app LOGIN INHERIT NOCREATEDB NOCREATEROLE;

-- Lets a migration make a schema or table that belongs to drawbridge_app (the job queue's). Never the reverse.
GRANT drawbridge_app TO drawbridge_owner;
