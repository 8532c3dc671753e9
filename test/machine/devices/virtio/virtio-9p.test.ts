/** A folder of the host by 9P2000.L: what is in it is read, and 10,000 paths reach nothing outside. */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Virtio9p } from '../../../../machine/devices/virtio/virtio-9p.js'
import { openSharedFolder } from '../../../../machine/media/shared-folder.js'

const SECRET = 'what lies outside'
const outside = mkdtempSync(join(tmpdir(), 'bootwright-9p-'))
const root = join(outside, 'shared')
mkdirSync(join(root, 'sub', 'deep'), { recursive: true })
mkdirSync(join(outside, 'other'))
writeFileSync(join(outside, 'secret'), SECRET)
writeFileSync(join(outside, 'other', 'secret'), SECRET)
writeFileSync(join(root, 'hello'), 'hello')
writeFileSync(join(root, 'sub', 'deep', 'file'), 'below')
symlinkSync('../secret', join(root, 'link'))
symlinkSync('/etc/passwd', join(root, 'absolute'))
symlinkSync('..', join(root, 'up'))
symlinkSync('../../other', join(root, 'sub', 'away'))

class Client {
  readonly server = new Virtio9p({} as never, openSharedFolder(root), 'host')

  /** Throws the server's error number. */
  ask(type: number, ...fields: (number | bigint | string)[]): Buffer {
    const parts = fields.map((field) => {
      if (typeof field === 'string') {
        const text = Buffer.from(field)
        return Buffer.concat([Buffer.from(Uint16Array.of(text.length).buffer), text])
      }
      return Buffer.from(typeof field === 'bigint' ? BigUint64Array.of(field).buffer : Uint32Array.of(field).buffer)
    })
    const head = Buffer.alloc(7)
    head.writeUInt8(type, 4)
    const answer = Buffer.from(this.server.answer(Buffer.concat([head, ...parts]), 1 << 16))
    expect(answer.readUInt32LE(0)).toBe(answer.length)
    if (answer[4] === 7) throw answer.readUInt32LE(7)
    return answer.subarray(7)
  }

  walk(from: number, to: number, names: string[]): number {
    const parts = names.map((name) => {
      const text = Buffer.from(name)
      return Buffer.concat([Buffer.from(Uint16Array.of(text.length).buffer), text])
    })
    const head = Buffer.alloc(17)
    head.writeUInt8(110, 4)
    head.writeUInt32LE(from, 7)
    head.writeUInt32LE(to, 11)
    head.writeUInt16LE(names.length, 15)
    const answer = Buffer.from(this.server.answer(Buffer.concat([head, ...parts]), 1 << 16))
    return answer[4] === 7 ? 0 : answer.readUInt16LE(7)
  }

  read(fid: number): string {
    this.ask(12, fid, 0)
    const answer = this.ask(116, fid, 0n, 4096)
    return answer.subarray(4).toString()
  }
}

function attached(): Client {
  const client = new Client()
  expect(client.ask(100, 65536, '9P2000.L').readUInt32LE(0)).toBe(65536)
  client.ask(104, 0, 0xffff_ffff, 'root', '', 0)
  return client
}

test('files are read, folders listed, links told and not followed, and nothing is changed', () => {
  const client = attached()
  expect(client.walk(0, 1, ['sub', 'deep', 'file'])).toBe(3)
  expect(client.read(1)).toBe('below')
  expect(client.walk(0, 2, ['link'])).toBe(1)
  expect(client.ask(22, 2).subarray(2).toString()).toBe('../secret')
  expect(() => client.ask(12, 2, 0)).toThrow()
  client.walk(0, 3, [])
  client.ask(12, 3, 0)
  const names = client.ask(40, 3, 0n, 8192).toString('latin1')
  for (const name of ['absolute', 'hello', 'link', 'sub', 'up']) expect(names).toContain(name)
  const errno = (action: () => unknown) => {
    try {
      return action()
    } catch (error) {
      return error
    }
  }
  expect(errno(() => client.ask(12, 1, 1))).toBe(30)
  for (const type of [14, 16, 18, 20, 26, 32, 70, 72, 74, 76, 118, 122])
    expect(errno(() => client.ask(type, 1))).toBe(30)
  expect(errno(() => client.ask(116, 99, 0n, 1))).toBe(9)
  expect(errno(() => client.ask(116, 1))).toBe(22)
  client.ask(120, 1)
  expect(errno(() => client.ask(120, 1))).toBe(9)
})

test('10,000 paths reach nothing outside, nor does a folder that becomes a link meanwhile', () => {
  const client = attached()
  const names = [
    ...[
      '..',
      '.',
      '',
      '/',
      '../secret',
      '../../secret',
      '/etc/passwd',
      'link',
      'absolute',
      'up',
      'sub',
      'deep',
      'away',
    ],
    ...['secret', 'etc', 'passwd', 'shared', 'hello', 'file', 'sub/../..', '..\0', 'link\0', '%2e%2e', '....', '~'],
    ...['proc', 'self', 'fd', '0', 'a'.repeat(300), '\u2025', '..\\'],
  ]
  let x = 1
  const random = (below: number) => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
  let reached = 0
  for (let n = 0; n < 10_000; n++) {
    const path = Array.from({ length: 1 + random(6) }, () => names[random(names.length)])
    if (n % 100 === 0) swap(n % 200 === 0)
    if (client.walk(0, 1, path) < path.length) continue
    reached++
    let contents = ''
    try {
      contents = client.read(1)
    } catch {
      // Refused is as well.
    }
    expect(contents).not.toContain(SECRET)
    expect(contents).not.toContain('root:')
    expect(['', 'hello', 'below']).toContain(contents)
    client.ask(120, 1)
  }
  expect(reached).toBeGreaterThan(100)
  expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe(SECRET)
})

/** The folder `sub` is one, or a link to what lies outside. */
function swap(isLink: boolean): void {
  const [sub, kept] = [join(root, 'sub'), join(root, 'kept')]
  if (isLink) {
    renameSync(sub, kept)
    symlinkSync('../other', sub)
  } else {
    renameSync(sub, join(outside, `link-${Math.random()}`))
    renameSync(kept, sub)
  }
}
