-- Closes a new Drawbridge database to everybody but its two roles. Run in that database by its owner or a
-- superuser, any number of times, after roles.sql.

DO $$
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO drawbridge_app', current_database());
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO drawbridge_app;
