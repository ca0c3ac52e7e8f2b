// The JSON-LD contexts that our DID documents name, as they are published, so that nobody has to fetch one: DID Core's, and that of each kind
// of verification method.
const SECURITY = 'https://w3id.org/security#'
const DATE = 'http://www.w3.org/2001/XMLSchema#dateTime'
const names = { id: '@id', type: '@type', '@protected': true }
const link = (id: string): object => ({ '@id': id, '@type': '@id' })
const date = (name: string): object => ({ '@id': `${SECURITY}${name}`, '@type': DATE })
const relationship = (name: string): object => ({ ...link(`${SECURITY}${name}`), '@container': '@set' })
const relationships = {
  assertionMethod: relationship('assertionMethod'),
  authentication: relationship('authenticationMethod'),
  capabilityDelegation: relationship('capabilityDelegationMethod'),
  capabilityInvocation: relationship('capabilityInvocationMethod'),
  keyAgreement: relationship('keyAgreementMethod'),
}
const controller = link(`${SECURITY}controller`)
/** What Controlled Identifiers says of a method, beside its key. */
const lifetime = { controller, expires: date('expiration'), revoked: date('revoked') }
const keys = (property: string, type: string): object =>
  Object.fromEntries(
    ['public', 'secret'].map((side) => [
      `${side}${property}`,
      { '@id': `${SECURITY}${side}${property}`, '@type': type },
    ]),
  )

const RECOVERY = 'https://identity.foundation/EcdsaSecp256k1RecoverySignature2020#'

/** By their addresses. */
export const didContexts: Readonly<Record<string, { readonly '@context': object }>> = {
  'https://www.w3.org/ns/did/v1': {
    '@context': {
      ...names,
      alsoKnownAs: link('https://www.w3.org/ns/activitystreams#alsoKnownAs'),
      ...relationships,
      controller,
      service: {
        ...link('https://www.w3.org/ns/did#service'),
        '@context': { ...names, serviceEndpoint: link('https://www.w3.org/ns/did#serviceEndpoint') },
      },
      verificationMethod: link(`${SECURITY}verificationMethod`),
    },
  },
  'https://w3id.org/security/multikey/v1': {
    '@context': {
      ...names,
      Multikey: {
        '@id': `${SECURITY}Multikey`,
        '@context': { ...names, ...lifetime, ...keys('KeyMultibase', `${SECURITY}multibase`) },
      },
    },
  },
  'https://w3id.org/security/jwk/v1': {
    '@context': {
      ...names,
      JsonWebKey: {
        '@id': `${SECURITY}JsonWebKey`,
        '@context': { ...names, ...lifetime, ...keys('KeyJwk', '@json') },
      },
    },
  },
  'https://w3id.org/security/suites/secp256k1recovery-2020/v2': {
    '@context': {
      ...names,
      proof: { ...link(`${SECURITY}proof`), '@container': '@graph' },
      EcdsaSecp256k1RecoveryMethod2020: {
        '@id': `${RECOVERY}EcdsaSecp256k1RecoveryMethod2020`,
        '@context': {
          ...names,
          controller,
          blockchainAccountId: `${SECURITY}blockchainAccountId`,
          publicKeyJwk: { '@id': `${SECURITY}publicKeyJwk`, '@type': '@json' },
        },
      },
      EcdsaSecp256k1RecoverySignature2020: {
        '@id': `${RECOVERY}EcdsaSecp256k1RecoverySignature2020`,
        '@context': {
          ...names,
          challenge: `${SECURITY}challenge`,
          created: { '@id': 'http://purl.org/dc/terms/created', '@type': DATE },
          domain: `${SECURITY}domain`,
          expires: date('expiration'),
          jws: `${SECURITY}jws`,
          nonce: `${SECURITY}nonce`,
          proofPurpose: {
            '@id': `${SECURITY}proofPurpose`,
            '@type': '@vocab',
            '@context': { ...names, ...relationships },
          },
          verificationMethod: link(`${SECURITY}verificationMethod`),
        },
      },
    },
  },
}
