import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parseQueueAddress } from '../../../harness/queue/queue-address.js'
import { putRun, putWorker } from '../../../harness/queue/queue-board.js'
import { connectQueue } from '../../../harness/queue/queue-connection.js'
import { type Task, type WorkerCard, whyNot } from '../../../harness/queue/queue-data.js'
import { QueueRun } from '../../../harness/queue/queue-run.js'
import { QueueWorker, type TaskTools } from '../../../harness/queue/queue-worker.js'
import { freePort, noRedis, RedisHere, redisNote } from './redis-here.js'

const VERSION = '1.2.3'
const HASH = 'ab'.repeat(32)
const guest = (name: string, more = {}) => ({
  ...{ kind: 'guest' as const, guest: name, definition: HASH, engine: 'soft' as const, named: name, memory: 1 << 24 },
  ...more,
})

let card = 0
const cardOf = (guests: readonly string[], more: Partial<WorkerCard> = {}): WorkerCard => ({
  ...{ id: `worker-${card++}`, host: 'here', version: VERSION, jobs: 2, memory: 1 << 30, kvm: false, tests: false },
  ...{ guests: Object.fromEntries(guests.map((name) => [name, HASH])), lacks: {} },
  ...more,
})

describe('an address', () => {
  test.each([
    ['nonsense', /is no address/],
    ['http://host', /is no queue's address/],
    ['redis://', /is no address|names no host/],
    ['redis://host/one', /'one' where a database's number/],
  ])('%s is refused in one sentence', (url, message) => {
    expect(() => parseQueueAddress(url)).toThrow(message)
  })

  test('has a port, a database, a user and TLS; what is shown of it has no password', () => {
    const { options, shown } = parseQueueAddress('rediss://me:s%40cret@[::1]:7000/3')
    expect(options).toMatchObject({ host: '::1', port: 7000, db: 3, username: 'me', password: 's@cret' })
    expect(options.tls).toBeDefined()
    expect(shown).toBe('rediss://[::1]:7000/3')
    expect(parseQueueAddress('valkey://host').options).toEqual({ host: 'host', port: 6379, db: 0 })
  })
})

test('a worker can do what it has the media, the memory and the engine for', () => {
  const task = (more = {}) => ({ ...guest('a', more), run: 'r' }) as Task
  const worker = cardOf(['a'], { lacks: { b: 'b.img is missing' } })
  expect(whyNot(worker, task())).toBeUndefined()
  expect(whyNot(worker, task({ guest: 'b' }))).toBe('says that b.img is missing')
  expect(whyNot(worker, task({ guest: 'constructor' }))).toContain("knows no guest 'constructor'")
  expect(whyNot(worker, task({ definition: 'cd'.repeat(32) }))).toContain('another definition')
  expect(whyNot(worker, task({ engine: 'kvm' }))).toBe('has no KVM')
  expect(whyNot(worker, task({ memory: 1 << 30 }))).toContain('1024 MiB for machines')
  expect(whyNot(worker, { kind: 'test', run: 'r', file: 'a', contents: HASH, options: [] })).toContain('vitest')
})

describe('what is no queue', () => {
  let web: Server
  let port: number
  const silent = { onLost: () => {}, onBack: () => {} }

  beforeAll(async () => {
    web = createServer((_, response) => response.end('hello'))
    await new Promise<void>((done) => web.listen(0, '127.0.0.1', done))
    port = (web.address() as AddressInfo).port
  })
  afterAll(() => web.close())

  test('is named so, be it nothing or a web server', async () => {
    await expect(connectQueue(parseQueueAddress('redis://127.0.0.1:1'), silent)).rejects.toThrow(
      /the queue redis:\/\/127\.0\.0\.1:1 is not there: its host refuses the connection; start/,
    )
    await expect(connectQueue(parseQueueAddress(`redis://127.0.0.1:${port}`), silent)).rejects.toThrow(
      new RegExp(`redis://127\\.0\\.0\\.1:${port} is (no Redis|not there)`),
    )
  })
})

const noTls = noRedis ?? (spawnSync('openssl', ['version']).status === 0 ? undefined : 'no openssl here')

test.skipIf(noTls)(
  `a queue by TLS is used where its certificate is known, and refused in a sentence else${noTls ? ` (skipped: ${noTls})` : ''}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tls-'))
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(folder, name))
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', [...kind, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' })
    const port = await freePort()
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-auth-clients', 'no']
    const redis = await RedisHere.start('--tls-port', String(port), ...files)
    const silent = { onLost: () => {}, onBack: () => {} }
    try {
      const { options, shown } = parseQueueAddress(`rediss://127.0.0.1:${port}`)
      await expect(connectQueue({ options, shown }, silent)).rejects.toThrow(
        /^the certificate of the queue rediss:\S+ is not trusted \(self-signed certificate\): name .* NODE_EXTRA_CA_CERTS$/,
      )
      const tls = { ...options.tls, ca: readFileSync(cert) }
      const client = await connectQueue({ options: { ...options, tls }, shown }, silent)
      expect(await client.ping()).toBe('PONG')
      client.disconnect()
      await expect(connectQueue(parseQueueAddress(`redis://127.0.0.1:${port}`), silent)).rejects.toThrow(
        /rediss:\/\/ is wanted/,
      )
      await expect(connectQueue(parseQueueAddress(`${redis.url}/99`), silent)).rejects.toThrow(
        /99 has no database of that number/,
      )
    } finally {
      await redis.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

describe.skipIf(noRedis)(`at a queue${redisNote}`, () => {
  let redis: RedisHere
  const open: { stop?(): Promise<void>; close?(): Promise<void> }[] = []
  let said: string[] = []
  const say = (words: string) => void said.push(words)

  beforeAll(async () => {
    redis = await RedisHere.start()
  })
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await (one.stop?.() ?? one.close?.())
    said = []
  })
  afterAll(() => redis?.remove())

  const run = async (waitMs = 500, version = VERSION) => {
    const made = await QueueRun.open(redis.url, { version, waitMs, say })
    open.push(made)
    return made
  }
  const worker = async (own: WorkerCard, perform: (task: Task, tools: TaskTools) => Promise<void>) => {
    const made = await QueueWorker.start(redis.url, { card: () => own, perform, say })
    open.push(made)
    return made
  }

  test('each task is done once, by a worker that can, and its parts come as they are made', async () => {
    const done: string[] = []
    const ears: string[] = []
    let goOn = () => {}
    const heard = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const perform = (name: string) => async (task: Task, tools: TaskTools) => {
      if (task.kind !== 'guest') return
      done.push(`${name} ${task.guest}`)
      tools.part({ first: task.guest })
      // The first part is read before there is a second one.
      if (task.guest === 'a') await heard
      tools.part({ second: task.guest })
    }
    await worker(cardOf(['a', 'b'], { host: 'one' }), perform('one'))
    await worker(cardOf(['c'], { host: 'two', lacks: { d: 'd.img is missing' } }), perform('two'))
    const queue = await run()
    expect((await queue.workers()).map(({ host }) => host).sort()).toEqual(['one', 'two'])
    const tasks = ['a', 'b', 'c', 'd'].map((name) =>
      queue.perform(guest(name), {
        part: (data) => {
          ears.push(JSON.stringify(data))
          if (name === 'a') goOn()
        },
      }),
    )
    const [a, b, c, d] = await Promise.all(tasks)
    expect(a).toEqual({ host: 'one', parts: [{ first: 'a' }, { second: 'a' }] })
    expect([b, c].map((one) => 'host' in one && one.host)).toEqual(['one', 'two'])
    expect(d).toEqual({
      unable: "one knows no guest 'd'; start it with the guest's path; two says that d.img is missing",
    })
    expect(done.sort()).toEqual(['one a', 'one b', 'two c'])
    expect(ears).toHaveLength(6)
  })

  test('what a worker cannot say is told, and what is too much is not sent', async () => {
    await worker(cardOf(['a', 'b']), async (task, { part }) => {
      if (task.kind === 'guest' && task.guest === 'a') throw new Error('here: the firmware is missing')
      expect(part('x'.repeat(17 << 20))).toBe(false)
      expect(part('small')).toBe(true)
    })
    const queue = await run()
    expect(await queue.perform(guest('a'))).toEqual({ unable: 'here: the firmware is missing' })
    expect(await queue.perform(guest('b'))).toEqual({ host: 'here', parts: ['small'] })
  })

  test('a worker that is stopped puts back what it was at, and another does it', async () => {
    const first = await worker(cardOf(['a'], { host: 'first' }), (_, { signal, part }) => {
      part('of the first')
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('ended'))))
    })
    const queue = await run(5000)
    let begun = () => {}
    const beginning = new Promise<void>((resolve) => {
      begun = resolve
    })
    const task = queue.perform(guest('a'), { part: () => begun() })
    await beginning
    await worker(cardOf(['a'], { host: 'second' }), async (_, { part }) => void part('of the second'))
    await first.stop()
    expect(await task).toEqual({ host: 'second', parts: ['of the second'] })
  })

  test('a run that is cancelled stops its workers, and leaves nothing behind', async () => {
    let begun = () => {}
    const beginning = new Promise<void>((resolve) => {
      begun = resolve
    })
    const reasons: unknown[] = []
    await worker(cardOf(['a'], { jobs: 1 }), async (_, { signal }) => {
      begun()
      await new Promise((done) => signal.addEventListener('abort', done))
      reasons.push(signal.reason)
    })
    const queue = await run()
    void queue.perform(guest('a'))
    void queue.perform(guest('a'))
    await beginning
    await queue.cancel()
    for (let i = 0; i < 40 && reasons.length === 0; i++) await sleep(50)
    expect(reasons).toEqual(['cancelled'])
    await sleep(300)
    expect(reasons).toHaveLength(1)
  })

  test('what was in a queue that forgets everything is put in again, and done once', async () => {
    const other = await RedisHere.start()
    const counted: string[] = []
    try {
      const own = await QueueWorker.start(other.url, {
        card: () => cardOf(['a', 'b', 'c', 'd'], { id: 'w', jobs: 1 }),
        perform: async (task, { part }) => {
          await sleep(150)
          part(task.kind === 'guest' && task.guest)
        },
        say,
      })
      const queue = await QueueRun.open(other.url, { version: VERSION, waitMs: 10_000, say })
      const tasks = ['a', 'b', 'c', 'd'].map(async (name) => {
        const outcome = await queue.perform(guest(name))
        counted.push('parts' in outcome ? String(outcome.parts) : outcome.unable)
      })
      await Promise.race(tasks)
      await other.kill()
      await sleep(200)
      await other.begin()
      await Promise.all(tasks)
      expect(counted.sort()).toEqual(['a', 'b', 'c', 'd'])
      expect(said.filter((words) => / has gone; this waits/.test(words))).toHaveLength(2)
      expect(said.filter((words) => / is back$/.test(words))).toHaveLength(2)
      await own.stop()
      await queue.close()
    } finally {
      await other.remove()
    }
  })

  test('a worker of another version is refused, and a run says which it cannot use', async () => {
    const client = new Redis(redis.url)
    try {
      await putWorker(client, cardOf(['a'], { version: '0.9.0', host: 'old' }))
      const queue = await run()
      expect(await queue.workers()).toEqual([])
      expect(await queue.perform(guest('a'))).toEqual({
        unable: "no worker is at the queue; start one with 'bootwright worker'",
      })
      expect(
        said.filter((words) => /worker on old is of Bootwright 0\.9\.0 and this is 1\.2\.3/.test(words)),
      ).toHaveLength(1)
      const old = QueueWorker.start(redis.url, {
        card: () => cardOf(['a'], { version: '0.9.0' }),
        perform: async () => {},
        say,
      })
      await expect(old).rejects.toThrow(/is of Bootwright 1\.2\.3 and this worker of 0\.9\.0.*install the same on both/)
    } finally {
      client.disconnect()
    }
  })

  test('cards, tasks and answers that are none are left aside', async () => {
    const client = new Redis(redis.url)
    const queue = await run()
    try {
      await client.sadd('bootwright:workers', 'odd', 'none')
      await client.set('bootwright:worker:odd', '{"id":"odd","guests":{"../../etc":1}}')
      await putRun(client, { id: 'other', host: 'there', version: VERSION, cancelled: false })
      expect(await queue.workers()).toEqual([])
      expect(await client.smembers('bootwright:workers')).not.toContain('none')
      const performed: Task[] = []
      await worker(cardOf(['a']), async (task) => void performed.push(task))
      // As someone else may put it in.
      const { Queue } = await import('bullmq')
      const raw = new Queue(`jobs-${VERSION}`, { connection: client as never, prefix: 'bootwright' })
      const bad = await raw.add('guest', { ...guest('a'), run: 'other', named: 'a', file: '/etc/passwd' })
      for (let i = 0; i < 40 && !(await bad.isFailed()); i++) await sleep(50)
      expect(await bad.isFailed()).toBe(true)
      expect(performed).toEqual([])
      await raw.close()
    } finally {
      client.disconnect()
    }
  })
})
