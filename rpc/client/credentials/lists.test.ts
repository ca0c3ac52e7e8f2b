// What a verifier does not fetch: an issuer chooses the URI of its list, and must not make others ask around in their own network.
import { expect, test } from 'vitest'
import { codeOf } from '../../../test/kit/identities.ts'
import { fetchList } from './lists.ts'

test('nothing but https under a name is asked for', async () => {
  const uris = [
    ...[
      '',
      'nonsense',
      'file:///etc/passwd',
      'data:text/plain,uH4sI',
      'ftp://lists.example/1',
      'http://lists.example/1',
    ],
    ...['https://127.0.0.1/1', 'https://2130706433/', 'https://0x7f.1/', 'https://[::1]/', 'https://10.0.0.5:8443/1'],
    ...[
      'https://localhost/',
      'https://LOCALHOST:8545/',
      'https://a.localhost/',
      'https://metadata.internal/',
      'https://nas.local/',
    ],
    ...['https://user@lists.example/1', 'https://user:word@lists.example/1'],
  ]
  for (const uri of uris)
    expect([uri, await codeOf(fetchList(uri, AbortSignal.abort()))]).toEqual([uri, 'CREDENTIAL_STATUS_MALFORMED'])
})

test('whoever gives up is not kept waiting', async () => {
  await expect(fetchList('https://lists.invalid/1', AbortSignal.abort())).rejects.toThrow(/abort/i)
})
