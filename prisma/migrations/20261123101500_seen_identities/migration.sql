-- By what else somebody is known: a token that says less must not make two people of one.
ALTER TABLE "seen_principal" ADD COLUMN "identities" TEXT[] DEFAULT ARRAY[]::TEXT[];
