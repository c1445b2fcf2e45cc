import { SetMetadata } from "@nestjs/common";

/** Under this key a route says what it requires. Here and not in identity, so that platform's own routes can say it too. */
export const REQUIRES = "drawbridge:requires";

export const PUBLIC = "public";

/** A route that anybody may read: metadata that clients need before they can sign in, and health. */
export const Public = () => SetMetadata(REQUIRES, PUBLIC);
