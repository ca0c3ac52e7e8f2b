// A process that holds content, for tests and benches that need one to fail or to be far: listens, says where on its first line, and obeys
// lines of JSON on its stdin.
import { createInterface } from 'node:readline'
import { bytesToHex, hexToBytes } from '../../chain/base/bytes.ts'
import { NodeError } from '../../chain/base/errors.ts'
import { openIpfs, refOf } from '../../node/ipfs.ts'
import { contentOf, ipfsDeps, ipfsOptions } from './content.ts'

const [dir = '', seed = '1', peers = ''] = process.argv.slice(2)
const ipfs = await openIpfs(ipfsDeps, {
  ...ipfsOptions(dir, Number(seed)),
  peers: peers === '' ? [] : peers.split(','),
  replicas: 1,
})
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
say({ address: ipfs.addresses()[0] })
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line)
  try {
    if (order.put !== undefined) say(await put(order.put))
    else if (order.get !== undefined) say({ bytes: (await ipfs.get(refOf(order.get))).length })
    else if (order.pinned !== undefined) say({ pinned: (await ipfs.pinned()).map(({ digest }) => bytesToHex(digest)) })
    else break
  } catch (error) {
    say({ error: error instanceof NodeError ? error.code : String(error) })
  }
}
await ipfs.close()

async function put(what: { readonly sizeBytes: number; readonly seed: number } | string): Promise<object> {
  const content = typeof what === 'string' ? hexToBytes(what as `0x${string}`) : contentOf(what.sizeBytes, what.seed)
  const { cid } = await ipfs.put(content)
  return { cid }
}
