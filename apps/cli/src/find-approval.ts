import { ApprovalDetail, ApprovalPage, type ApprovalView } from "@drawbridge/contracts";
import type { Api } from "./api.js";
import type { ApprovalWithPreview } from "./approval-text.js";
import { SEARCHED, wholeId } from "./short-ids.js";

/** By its whole id or by what lists show of it; what is open is looked at first. */
export async function findApproval(api: Api, typed: string): Promise<ApprovalWithPreview> {
  const search = (state?: string) => () =>
    api.list<typeof ApprovalView>("/approvals", ApprovalPage, { limit: SEARCHED, query: { state } });
  const id = await wholeId(typed, {
    what: "approval",
    places: [search("pending"), search("approved"), search()],
  });
  return api.get(`/approvals/${id}`, ApprovalDetail);
}
