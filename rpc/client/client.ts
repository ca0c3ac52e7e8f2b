// The SDK, exported as `novachain/client`: what a back end does with the native modules, on ethers and nothing else. Owns what belongs to
// one client; each module's part is in a file of its own. Runs in a browser.
import { type AuditClient, auditClient } from './audit.ts'
import { type BridgeClient, bridgeClient } from './bridge.ts'
import type { Runner } from './contract.ts'
import { type IdentityClient, identityClient } from './identity.ts'
import { type TokenClient, tokenClient } from './tokens.ts'

// biome-ignore lint/performance/noBarrelFile: it is the package's door, which shows small things of its parts
export { Codec, digestOf, ownId } from './audit.ts'
export { BRIDGE, bridgeClient } from './bridge.ts'
export { RESOURCES, TOKENS } from './tokens.ts'

export interface NovaClient extends AuditClient, BridgeClient, IdentityClient, TokenClient {}

/** Reads need a provider, the rest a signer that is connected to one. */
export const createClient = (runner: Runner): NovaClient => ({
  ...auditClient(runner),
  ...bridgeClient(runner),
  ...identityClient(runner),
  ...tokenClient(runner),
})
