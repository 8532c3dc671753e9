/** Stages copied between hosts, as a person does it: by a folder, and by a server of the test's own. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { inProcess } from '../cli/in-process.js'

const root = mkdtempSync(join(tmpdir(), 'stage-exchange-'))
afterAll(() => rmSync(root, { recursive: true }))

const cacheOf = (host: string) => join(root, host)
function stages(host: string, ...args: string[]) {
  vi.stubEnv('BOOTWRIGHT_CACHE', cacheOf(host))
  return inProcess(['stages', ...args])
}
afterEach(() => void vi.unstubAllEnvs())
const here = (host: string) => readdirSync(join(cacheOf(host), 'stages')).sort()
const INSTALLED = `installed-${'a'.repeat(20)}.snapshot`
const PROMPT = `prompt-${'b'.repeat(20)}.snapshot`

beforeEach(() => {
  for (const host of ['one', 'other', 'shared']) rmSync(cacheOf(host), { recursive: true, force: true })
  mkdirSync(join(cacheOf('one'), 'stages'), { recursive: true })
  writeFileSync(join(cacheOf('one'), 'stages', INSTALLED), 'i'.repeat(1 << 20))
  writeFileSync(join(cacheOf('one'), 'stages', PROMPT), 'p'.repeat(1 << 19))
})

describe('by a folder', () => {
  const shared = cacheOf('shared')

  test('what is pushed is pulled on another host, with sizes told, and nothing is copied twice', async () => {
    expect((await stages('one', 'push', shared)).stdout).toMatch(
      /pushed installed \(aaaaaaaa\), 1\.0 MiB\n[\s\S]*1\.5 MiB in all/,
    )
    expect((await stages('one', 'push', shared)).stdout).toMatch(/there already: installed/)
    expect((await stages('other', 'pull', shared, 'prompt')).stdout).toBe('pulled prompt (bbbbbbbb), 0.5 MiB\n')
    expect(here('other')).toEqual([PROMPT])
    expect((await stages('other', 'pull', shared)).stdout).toMatch(/there already: prompt/)
    expect(here('other')).toEqual([INSTALLED, PROMPT])
  })

  test('what was damaged there is refused, and leaves nothing', async () => {
    await stages('one', 'push', shared)
    writeFileSync(join(shared, PROMPT), 'p'.repeat((1 << 19) - 1))
    const { code, stderr } = await stages('other', 'pull', shared, 'prompt')
    expect([code, stderr]).toEqual([
      3,
      `bootwright: ${join(shared, PROMPT)} is not what stages.json says: its contents differ; remove it and push it again\n`,
    ])
    expect(here('other')).toEqual([])
    writeFileSync(join(shared, 'stages.json'), '{')
    expect((await stages('other', 'pull', shared)).stderr).toContain('stages.json is no list of stages')
  })

  test('where there is no room, that place is named, and nothing is left', async ({ skip }) => {
    const full = join(root, 'full')
    mkdirSync(full)
    // A file system of its own, where this user may mount one.
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', full]).status !== 0) skip()
    try {
      const { code, stderr } = await stages('one', 'push', full, 'installed')
      expect([code, stderr]).toEqual([
        3,
        `bootwright: ${join(full, INSTALLED)}: the disk is full; make room and run it again\n`,
      ])
      expect(readdirSync(full)).toEqual([])
    } finally {
      spawnSync('umount', ['-l', full])
    }
  })

  test('two pushes at once are both told of', async () => {
    await Promise.all([stages('one', 'push', shared, 'installed'), stages('one', 'push', shared, 'prompt')])
    const { stages: told } = JSON.parse(readFileSync(join(shared, 'stages.json'), 'utf8'))
    expect(told.map(({ file }: { file: string }) => file).sort()).toEqual([INSTALLED, PROMPT])
    expect(readdirSync(shared).sort()).toEqual([INSTALLED, PROMPT, 'stages.json'])
  })

  test('its address is taken, too, and one of another kind is no folder', async () => {
    await stages('one', 'push', pathToFileURL(shared).href)
    expect(readdirSync(shared).sort()).toEqual([INSTALLED, PROMPT, 'stages.json'])
    for (const verb of ['push', 'pull']) {
      const { code, stderr } = await stages('one', verb, 's3://bucket/stages')
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining("'s3://bucket/stages': stages are copied by http and https;"),
      ])
    }
    expect((await stages('one', 'push', 'file://host/x')).stderr).toContain('is no address of a folder')
    expect(existsSync('s3:')).toBe(false)
  })

  test('a stage that is not there, and a place that is a file, are each one sentence', async () => {
    const none = await stages('other', 'pull', shared)
    expect([none.code, none.stderr]).toEqual([2, `bootwright: there is no folder '${shared}'; check the path\n`])
    mkdirSync(shared)
    const wrong = await stages('other', 'pull', shared, 'promt')
    expect([wrong.code, wrong.stderr]).toEqual([2, `bootwright: there is no stage 'promt' in ${shared}\n`])
    writeFileSync(join(root, 'file'), '')
    const { code, stderr } = await stages('one', 'push', join(root, 'file'))
    expect([code, stderr]).toEqual([2, expect.stringContaining('is no folder; name one')])
  })
})

const MIB = Buffer.alloc(1 << 20, 'x')
function sendForever(response: ServerResponse): void {
  while (!response.destroyed && response.write(MIB));
  response.once('drain', () => sendForever(response))
}

describe('by a server', () => {
  const files = new Map<string, Buffer>()
  /** What begins so is sent without end. */
  let endless = 'nothing'
  let server: Server
  let place = ''

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      const path = request.url ?? ''
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part)
      if (request.headers.authorization !== `Basic ${Buffer.from('ci:secret').toString('base64')}`)
        response.writeHead(401).end()
      else if (path.startsWith(endless)) sendForever(response)
      else if (request.method === 'PUT') {
        files.set(path, Buffer.concat(parts))
        response.writeHead(201).end()
      } else if (files.has(path)) response.end(files.get(path))
      else response.writeHead(404).end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    place = `http://ci:secret@127.0.0.1:${(server.address() as AddressInfo).port}/stages`
  })
  afterAll(() => server.close())
  beforeEach(() => files.clear())

  test('PUT and GET carry the very bytes, and its list says what there is', async () => {
    expect((await stages('one', 'push', place)).code).toBe(0)
    expect([...files.keys()].sort()).toEqual([`/stages/${INSTALLED}`, `/stages/${PROMPT}`, '/stages/stages.json'])
    expect((await stages('other', 'pull', place, 'installed')).code).toBe(0)
    expect(readFileSync(join(cacheOf('other'), 'stages', INSTALLED), 'latin1')).toBe('i'.repeat(1 << 20))
  })

  test('a folder that was pushed to can be shown by any server', async () => {
    const shared = cacheOf('shared')
    await stages('one', 'push', shared)
    for (const name of readdirSync(shared)) files.set(`/stages/${name}`, readFileSync(join(shared, name)))
    expect((await stages('other', 'pull', place)).code).toBe(0)
    expect(here('other')).toEqual([INSTALLED, PROMPT])
  })

  test('one that nothing was ever pushed to is told', async () => {
    const { code, stderr } = await stages('other', 'pull', place)
    expect([code, stderr]).toEqual([3, expect.stringContaining('has no stages.json: no stage was ever pushed there')])
  })

  test('what was changed there is refused, and leaves nothing', async () => {
    await stages('one', 'push', place)
    files.set(`/stages/${PROMPT}`, Buffer.from('changed'))
    const { code, stderr } = await stages('other', 'pull', place, 'prompt')
    expect([code, stderr]).toEqual([3, expect.stringContaining('its contents differ; push it again')])
    expect(here('other')).toEqual([])
  })

  test('what is sent without end is given up, and leaves nothing', async () => {
    await stages('one', 'push', place)
    try {
      for (const [file, says] of [
        [PROMPT, 'is longer than stages.json says'],
        ['stages.json', 'is longer than any list of stages'],
      ]) {
        endless = `/stages/${file}`
        const { code, stderr } = await stages('other', 'pull', place, 'prompt')
        expect([code, stderr]).toEqual([3, expect.stringContaining(says)])
      }
    } finally {
      endless = 'nothing'
    }
    expect(here('other')).toEqual([])
  })

  test('names that are none of a stage are passed by', async () => {
    const stage = (file: string) => ({ file, bytes: 1, sha256: '' })
    const names = [`../x-${'a'.repeat(20)}.snapshot`, `\u001b[2J-${'a'.repeat(20)}.snapshot`]
    files.set('/stages/stages.json', Buffer.from(JSON.stringify({ stages: names.map(stage) })))
    expect((await stages('other', 'pull', place)).stdout).toBe('there are no stages to copy\n')
  })

  test('a wrong password, and a server that is not there, are each one sentence without the password', async () => {
    const wrong = await stages('one', 'push', place.replace('secret', 'guess'))
    expect([wrong.code, wrong.stderr]).toEqual([3, expect.stringContaining('answers GET with 401')])
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const gone = await stages('one', 'push', place)
    expect([gone.code, gone.stderr]).toEqual([
      3,
      expect.stringContaining(`127.0.0.1:${port}/stages/stages.json cannot be reached`),
    ])
    expect(gone.stderr).not.toContain('secret')
    expect(existsSync(cacheOf('other'))).toBe(false)
  })
})
