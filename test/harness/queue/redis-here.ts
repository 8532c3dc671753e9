/** A Redis or Valkey of a test's own, on loopback at a free port and with a folder of its own; tests are skipped by name where there is none. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

const server = ['redis-server', 'valkey-server']
  .flatMap((name) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)))
  .find((path) => existsSync(path))

/** Why there is none; undefined where it is. */
export const noRedis = server ? undefined : "no redis-server here (Debian's package of that name)"
/** For the names of tests. */
export const redisNote = noRedis ? ` (skipped: ${noRedis})` : ''

export class RedisHere {
  private readonly folder = mkdtempSync(join(tmpdir(), 'redis-'))
  private child: ChildProcess | undefined

  private constructor(
    readonly port: number,
    private readonly more: readonly string[],
  ) {}

  /** @param more Options of the server's, as `--appendonly yes`; by default it forgets everything when it ends. */
  static async start(...more: string[]): Promise<RedisHere> {
    const redis = new RedisHere(await freePort(), more)
    await redis.begin()
    return redis
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  async begin(): Promise<void> {
    const place = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder]
    const how = ['--save', '', '--loglevel', 'warning', '--maxmemory-policy', 'noeviction']
    this.child = spawn(server as string, [...place, ...how, ...this.more], { stdio: 'ignore' })
    for (let i = 0; i < 400; i++) {
      if (await answers(this.port)) return
      await new Promise((done) => setTimeout(done, 25))
    }
    throw new Error('redis-server does not begin')
  }

  async kill(): Promise<void> {
    const { child } = this
    this.child = undefined
    if (!child || child.exitCode !== null) return
    const ended = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await ended
  }

  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export function freePort(): Promise<number> {
  return new Promise((done) => {
    const probe = createServer()
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo
      probe.close(() => done(port))
    })
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    const end = (well: boolean) => {
      socket.destroy()
      done(well)
    }
    socket.on('error', () => end(false))
    socket.on('connect', () => socket.write('PING\r\n'))
    socket.on('data', (bytes) => end(bytes.toString().startsWith('+PONG')))
    socket.setTimeout(1000, () => end(false))
  })
}
