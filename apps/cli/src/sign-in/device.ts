import { initiateDeviceAuthorization, pollDeviceAuthorizationGrant } from "openid-client";
import { CliError } from "../errors.js";
import { authorizationParameters, type SignInRequest, type Tokens } from "./provider.js";

export interface DevicePrompt {
  readonly address: string;
  readonly code: string;
  /** The address with the code in it, where the identity provider offers one. */
  readonly completeAddress: string | undefined;
}

/** Signs in with a browser on another device (RFC 8628), for machines that have none. */
export async function signInWithDevice(
  request: SignInRequest,
  show: (prompt: DevicePrompt) => void,
): Promise<Tokens> {
  if (request.provider.serverMetadata().device_authorization_endpoint === undefined) {
    throw new CliError("the identity provider has no device sign-in; sign in with: drawbridge login");
  }
  const device = await initiateDeviceAuthorization(request.provider, authorizationParameters(request));
  show({
    address: device.verification_uri,
    code: device.user_code,
    completeAddress: device.verification_uri_complete,
  });
  return pollDeviceAuthorizationGrant(
    request.provider,
    device,
    { resource: request.apiAudience },
    { signal: request.signal },
  );
}
