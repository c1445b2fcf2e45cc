-- As of what else is append-only: for everybody but the owner, whatever is granted later.
CREATE TRIGGER review_vote_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "review_vote"
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
