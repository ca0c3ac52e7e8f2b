// What a verifier does not fetch: an issuer chooses the URI of its list, and must not make others ask around in their own network.
import { expect, test } from 'vitest'
import { codeOf } from '../../../test/kit/identities.ts'
import { fetchList, isPublic, publicLookup } from './lists.ts'

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
      'https://localhost./',
      'https://nas.local.:8443/',
    ],
    ...['https://user@lists.example/1', 'https://user:word@lists.example/1'],
  ]
  for (const uri of uris)
    expect([uri, await codeOf(fetchList(uri, AbortSignal.abort()))]).toEqual([uri, 'CREDENTIAL_STATUS_MALFORMED'])
})

test('whoever gives up is not kept waiting', async () => {
  await expect(fetchList('https://lists.invalid/1', AbortSignal.abort())).rejects.toThrow(/abort/i)
})

test('a name that stands for an address of this machine is not connected to', async () => {
  for (const all of [true, false]) {
    const error = await new Promise((resolve) => publicLookup('localhost', { all }, resolve))
    expect(error).toMatchObject({ code: 'CREDENTIAL_STATUS_MALFORMED' })
  }
})

test.each([
  [
    false,
    ['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0', '224.0.0.1'],
  ],
  [
    false,
    [
      '::1',
      '::',
      'fe80::1',
      'fd00::1',
      'ff02::1',
      '::ffff:127.0.0.1',
      '64:ff9b::a00:1',
      '2002:a00:1::',
      '2001::1',
      'x',
    ],
  ],
  [true, ['1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450::1', '2001:200::1']],
] as const)('addresses that everybody reaches: %s', (expected, addresses) => {
  for (const address of addresses) expect([address, isPublic(address)]).toEqual([address, expected])
})
