export { missingOf, requireReviewer, reviewView } from "./review.js";
export { ReviewVotes, type StoredVote, type Verdict } from "./review-votes.js";
export { ReviewsModule } from "./reviews.module.js";
