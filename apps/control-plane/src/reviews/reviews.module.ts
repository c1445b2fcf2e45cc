import { Module } from "@nestjs/common";
import { PlatformModule } from "../platform/platform.module.js";
import { PoliciesModule } from "../policies/index.js";
import { ReviewVotesRepository } from "./review-votes.repository.js";
import { ReviewVotes } from "./review-votes.js";

@Module({
  imports: [PlatformModule, PoliciesModule],
  providers: [ReviewVotes, ReviewVotesRepository],
  exports: [ReviewVotes],
})
export class ReviewsModule {}
