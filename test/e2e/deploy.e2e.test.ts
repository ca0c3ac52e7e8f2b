// What ships to run it for real: the systemd unit and the Containerfile say what their documents promise, and systemd accepts the unit.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { exitCode } from '../../node/args.ts'
import { readBlocks, unit } from '../kit/hosts.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (name: string): string => readFileSync(join(root, name), 'utf8')

test('the unit runs an account without rights, stops in time, and restarts nothing that was refused as unsafe', () => {
  const wanted: Readonly<Record<string, string>> = {
    ...{ User: 'novachain', ExecStart: '/usr/local/bin/novachain start --dir /var/lib/novachain' },
    ...{ StateDirectory: 'novachain', StateDirectoryMode: '0700', UMask: '0077', LimitNOFILE: '65536' },
    ...{
      KillSignal: 'SIGTERM',
      TimeoutStopSec: '30',
      Restart: 'on-failure',
      RestartPreventExitStatus: `2 ${exitCode.refused}`,
    },
    ...{
      NoNewPrivileges: 'yes',
      CapabilityBoundingSet: '',
      ProtectSystem: 'strict',
      ProtectHome: 'yes',
      PrivateTmp: 'yes',
    },
  }
  for (const [key, value] of Object.entries(wanted)) expect([key, unit.get(key)]).toEqual([key, [value]])
  // V8 writes code and runs it.
  expect(unit.has('MemoryDenyWriteExecute')).toBe(false)
})

// skipped where there is no systemd
test.skipIf(!existsSync('/usr/bin/systemd-analyze'))('systemd accepts it', () => {
  const dir = mkdtempSync(join(tmpdir(), 'novachain-unit-'))
  const file = join(dir, 'novachain.service')
  const text = read('node/deploy/novachain.service').replace('/usr/local/bin/novachain', process.execPath)
  // Of a key that it does not know it warns alone, with exit code 0.
  const verify = (unit: string) => {
    writeFileSync(file, unit)
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' })
    return { status, said: stdout + stderr }
  }
  expect(verify(text)).toEqual({ status: 0, said: '' })
  expect(verify(text.replace('NoNewPrivileges=', 'NoNewPrivilege=')).said).toContain('NoNewPrivilege')
  rmSync(dir, { recursive: true })
})

test('the container takes its dependencies from the lock file and its program from the tarball, and runs as nobody special', () => {
  const text = read('node/deploy/Containerfile')
  expect(text).toMatch(/^COPY package\.json package-lock\.json/m)
  expect(text.match(/npm (ci|install|i)\b/g)).toEqual(['npm ci'])
  expect(text).not.toMatch(/\b(curl|wget|apt|apt-get|git clone|ADD https?)\b/)
  expect(text).toMatch(/^USER node$/m)
  expect(text).toMatch(/^HEALTHCHECK [\s\S]*\/health\/live/m)
  expect(text).toMatch(/^ENTRYPOINT \["node", "\/opt\/novachain\/dist\/node\/main\.js"\]$/m)
})

test('the package holds them, and the document; what a page says is typed by somebody', () => {
  const { files, scripts } = JSON.parse(read('package.json'))
  expect(files).toEqual(expect.arrayContaining(['node/deploy', 'OPERATING.md']))
  expect(scripts['test:runbooks']).toContain('runbooks.long.test.ts')
  const hosts = ['ada', 'barbara', 'charles', 'donald']
  for (const block of readBlocks('OPERATING.md').filter(({ isOnce }) => !isOnce)) {
    expect(block.lines.length).toBeGreaterThan(0)
    expect(hosts).toEqual(expect.arrayContaining([...block.hosts]))
  }
  // A block of another form would be read by nobody.
  expect(
    read('OPERATING.md')
      .match(/^```\w+$/gm)
      ?.every((fence) => fence === '```sh'),
  ).toBe(true)
})
