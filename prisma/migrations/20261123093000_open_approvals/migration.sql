-- What is open is a small part of what there was: how many a principal has open is counted with each that is held.
CREATE INDEX "approval_open_principal_idx" ON "approval"("principal") WHERE "state" IN ('pending', 'approved');
