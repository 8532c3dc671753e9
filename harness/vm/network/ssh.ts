/**
 * `vm.ssh()`: commands and files by SSH, through the guest's LAN, with the package ssh2, which users may install. The guest
 * stands still while this end computes. Key exchanges draw random numbers, so the result of a run with one says `hostInput`.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { HostError, UsageError } from '../../../machine/errors.js'
import { nearest } from '../../words/nearest.js'
import { asked } from '../call-site.js'
import type { TimeoutOptions } from '../driver.js'
import { ConnectionError, LaunchError, TimeoutError } from '../errors.js'
import type { GuestStream } from './guest-streams.js'
import type { ConnectOptions, Network } from './network.js'

export interface SshOptions extends ConnectOptions {
  user: string
  password?: string
  /** A private key: its file, or its text. */
  key?: string
  /** Of an encrypted key. */
  passphrase?: string
  /** Default 22. */
  port?: number
}

const OPTIONS: readonly string[] = [
  ...([
    'user',
    'password',
    'key',
    'passphrase',
    'port',
    'guest',
    'timeout',
    'hostTimeout',
  ] satisfies (keyof SshOptions)[]),
]

export interface SshResult {
  stdout: string
  stderr: string
  /** undefined: a signal ended the command. */
  code: number | undefined
  /** As in `KILL`. */
  signal?: string
}

export interface SshRunOptions extends TimeoutOptions {
  /** What the command reads. */
  stdin?: string | Uint8Array
}

/** The package is not installed; the message says how to. */
export class SshMissingError extends HostError {
  override readonly name = 'SshMissingError'
}

/** The guest's server does not let in, or does not do what was asked; one sentence. */
export class SshError extends UsageError {
  override readonly name = 'SshError'
}

// What is used of the package ----------------------------------------------------------------------------------------

interface Channel extends Duplex {
  readonly stderr: Duplex
  close(): void
}

interface Sftp {
  writeFile(path: string, data: Uint8Array, options: { mode: number }, done: (error?: Error | null) => void): void
  on(event: 'close', listener: () => void): void
  readFile(path: string, done: (error: Error | undefined | null, data: Uint8Array) => void): void
  end(): void
}

interface Client {
  on(event: string, listener: (...args: never[]) => void): this
  connect(options: object): void
  exec(command: string, done: (error: Error | undefined, channel: Channel) => void): void
  sftp(done: (error: Error | undefined, sftp: Sftp) => void): void
  end(): void
}

interface Ssh2 {
  Client: new () => Client
  utils: { parseKey(text: string, passphrase?: string): unknown }
}

type Load = () => Promise<unknown>
const installed: Load = () => import('ssh2' as string)

async function loadSsh2(load: Load): Promise<Ssh2> {
  try {
    const module = (await load()) as Partial<Ssh2> & { default?: Ssh2 }
    return (module.Client ? module : module.default) as Ssh2
  } catch {
    throw new SshMissingError("vm.ssh() needs the package ssh2; run 'npm install --save-dev ssh2'")
  }
}

// --------------------------------------------------------------------------------------------------------------------

/** What a command may say, bytes: all of it is kept. */
const MOST_OUTPUT = 64 << 20
/** Before AES in counter mode: of dropbear, a byte of ChaCha20 takes less than half the instructions. */
const CIPHERS = [
  ...['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com'],
  ...['aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
]
/** Guest time between two tries while the guest's server is not there, s. */
const AGAIN = 1

/** @internal `vm.ssh()`. Waits until the guest's server is there. */
export async function openSsh(network: Network, options: SshOptions, load: Load = installed): Promise<SshSession> {
  const other = Object.keys(options).find((name) => !OPTIONS.includes(name))
  if (other !== undefined) {
    const near = nearest(other, OPTIONS)
    throw new LaunchError(
      `ssh() has no option '${other}'; ${near ? `did you mean '${near}'?` : `options are ${OPTIONS.join(', ')}`}`,
    )
  }
  const { Client, utils } = await loadSsh2(load)
  const { user, password, port = 22, guest, hostTimeout } = options
  if (typeof user !== 'string' || user === '')
    throw new LaunchError("ssh() needs a user, as in { user: 'root', password: 'x' }")
  const privateKey = options.key === undefined ? undefined : readKey(options.key)
  if (privateKey !== undefined) {
    const parsed = utils.parseKey(privateKey, options.passphrase)
    if (parsed instanceof Error) throw new SshError(`ssh(): the key cannot be read: ${sentence(parsed)}`)
  }
  const { driver } = network
  const clock = new GuestTimes(network, options)
  for (;;) {
    const stream = await reach()
    const session = new SshSession(network, new Client(), stream)
    const { passphrase } = options
    const banner = await session.begin({ username: user, password, privateKey, passphrase }, await clock.left())
    if (banner === undefined) return session
    session.end()
    // A server that is coming up takes connections that it cannot serve yet.
    if (!/^(Connection lost before handshake|the connection to the guest is over)/.test(banner))
      throw new SshError(banner)
    await driver.run([{ kind: 'wait', ns: AGAIN * 1e9 }], { hostTimeout })
  }

  async function reach(): Promise<GuestStream> {
    for (;;) {
      try {
        const left = await clock.left()
        return await network.open(port, { guest, ...left }, { isChance: true, isManual: true })
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error
        const { timeout } = await clock.left()
        if (timeout <= AGAIN) throw await driver.timeout(`ssh() found no server: ${error.message}`)
        await driver.run([{ kind: 'wait', ns: AGAIN * 1e9 }], { hostTimeout })
      }
    }
  }
}

export class SshSession {
  private ended: string | undefined

  /** @internal */
  constructor(
    private readonly network: Network,
    private readonly client: Client,
    private readonly stream: GuestStream,
  ) {
    stream.on('error', ({ message }) => {
      this.ended ??= message
    })
  }

  /** @internal Logs in; resolves with why it did not. */
  async begin(identity: object, options: TimeoutOptions): Promise<string | undefined> {
    const { client, stream } = this
    let outcome: { why?: string } | undefined
    const over = (why: string) => {
      outcome ??= { why }
      this.ended ??= why
    }
    client.on('ready', () => {
      outcome = {}
    })
    client.on('error', (error: Error & { level?: string }) => {
      const refused = error.level === 'client-authentication'
      over(
        refused ? 'the guest does not let this user in: neither its password nor its key was taken' : sentence(error),
      )
    })
    client.on('close', () => over('the guest closed the connection'))
    client.connect({ sock: stream, ...identity, readyTimeout: 0, algorithms: { cipher: CIPHERS } })
    await this.until(() => outcome !== undefined, 'the guest to let in by SSH', options)
    return outcome?.why
  }

  /** Runs a command and waits for its end. Rejects with a TimeoutError; the command's channel is closed then. */
  run(command: string, options: SshRunOptions = {}): Promise<SshResult> {
    return asked(() => this.execute(command, options))
  }

  private async execute(command: string, { stdin, ...options }: SshRunOptions): Promise<SshResult> {
    if (this.ended !== undefined) throw this.lost(`before ${quoted(command)} began`)
    const { client } = this
    const stdout: Uint8Array[] = []
    const stderr: Uint8Array[] = []
    let channel: Channel | undefined
    let end: { code?: number; signal?: string; failed?: string } | undefined
    let isClosed = false
    let size = 0
    const isTooLong = () => size > MOST_OUTPUT
    const keep = (pieces: Uint8Array[]) => (piece: Uint8Array) => {
      size += piece.length
      if (!isTooLong()) pieces.push(piece)
    }
    client.exec(command, (error, opened) => {
      if (error) {
        end = { failed: sentence(error) }
        isClosed = true
        return
      }
      channel = opened
      opened.on('data', keep(stdout))
      opened.stderr.on('data', keep(stderr))
      opened.on('exit', (code: number | null, signal?: string) => {
        end = { ...(code !== null && { code }), ...(signal && { signal: String(signal).replace(/^SIG/, '') }) }
      })
      opened.on('close', () => {
        isClosed = true
      })
      opened.end(stdin)
    })
    try {
      await this.until(() => isClosed || isTooLong(), `the end of the command ${quoted(command)}`, options)
    } catch (error) {
      if (error instanceof TimeoutError) channel?.close()
      throw error
    }
    if (isTooLong()) {
      channel?.close()
      throw new SshError(
        `${quoted(command)} said more than ${MOST_OUTPUT >> 20} MiB; have it write to a file, and copy that by copyFrom()`,
      )
    }
    if (!end) throw this.lost(`while ${quoted(command)} ran`)
    if (end.failed !== undefined) throw new SshError(`the guest does not run ${quoted(command)}: ${end.failed}`)
    const text = (pieces: Uint8Array[]) => Buffer.concat(pieces).toString()
    const { code, signal } = end
    return { stdout: text(stdout), stderr: text(stderr), code, ...(signal !== undefined && { signal }) }
  }

  /** Writes a file of the host's to a path in the guest: by SFTP, or by the shell where the guest's server has none. */
  copyTo(path: string, guestPath: string, options: TimeoutOptions = {}): Promise<void> {
    return asked(async () => {
      const data = readHostFile(path)
      const mode = statSync(path).mode & 0o777
      const sftp = await this.sftp(options)
      if (sftp) {
        const write = (done: Done<void>) => sftp.writeFile(guestPath, data, { mode }, (error) => done(error))
        await this.transfer(
          sftp,
          write,
          `the file ${JSON.stringify(guestPath)} cannot be written in the guest`,
          options,
        )
        return
      }
      const command = `cat > ${shellWord(guestPath)} && chmod ${mode.toString(8)} ${shellWord(guestPath)}`
      this.check(await this.execute(command, { ...options, stdin: data }), guestPath, 'written')
    })
  }

  /** Writes a file of the guest's to a path on the host. */
  copyFrom(guestPath: string, path: string, options: TimeoutOptions = {}): Promise<void> {
    return asked(async () => {
      const sftp = await this.sftp(options)
      let data: Uint8Array
      if (sftp) {
        const read = (done: Done<Uint8Array>) => sftp.readFile(guestPath, done)
        data = await this.transfer(
          sftp,
          read,
          `the file ${JSON.stringify(guestPath)} cannot be read in the guest`,
          options,
        )
      } else data = await this.readByShell(guestPath, options)
      try {
        writeFileSync(path, data)
      } catch (error) {
        throw new SshError(`${JSON.stringify(path)} cannot be written: ${sentence(error as Error)}`)
      }
    })
  }

  /** Says goodbye. The machine's end does it, too. Never rejects. */
  async close(): Promise<void> {
    this.client.end()
    await this.network.streams
      .waitFor(() => this.ended !== undefined, "the connection's end", { timeout: 10 })
      .catch(() => {})
    this.end()
  }

  /** @internal At once. */
  end(): void {
    this.ended ??= 'it was closed'
    this.stream.destroy()
  }

  /** undefined: the guest's server has none. */
  private async sftp(options: TimeoutOptions): Promise<Sftp | undefined> {
    if (this.ended !== undefined) throw this.lost('before a file was copied')
    let answer: { sftp?: Sftp } | undefined
    this.client.sftp((error, sftp) => {
      answer = error ? {} : { sftp }
    })
    await this.until(() => answer !== undefined, 'SFTP', options)
    return answer?.sftp
  }

  private async readByShell(guestPath: string, options: TimeoutOptions): Promise<Uint8Array> {
    // As text that every shell can make, so that no byte is taken for another.
    const result = await this.execute(`od -An -v -tx1 ${shellWord(guestPath)}`, options)
    this.check(result, guestPath, 'read')
    return Buffer.from(result.stdout.replace(/\s+/g, ''), 'hex')
  }

  private check({ code, stderr }: SshResult, guestPath: string, done: string): void {
    if (code !== 0)
      throw new SshError(
        `the file ${JSON.stringify(guestPath)} cannot be ${done} in the guest: ${stderr.trim() || `code ${code}`}`,
      )
  }

  private async transfer<T>(
    sftp: Sftp,
    begin: (done: Done<T>) => void,
    failed: string,
    options: TimeoutOptions,
  ): Promise<T> {
    let isClosed = false
    sftp.on('close', () => {
      isClosed = true
    })
    let outcome: { error?: Error; value?: T } | undefined
    begin((error, value) => {
      outcome = error ? { error } : { value }
    })
    await this.until(() => outcome !== undefined, 'the end of a file', options)
    // Some servers take the next command for one more of this channel's until it is gone.
    sftp.end()
    await this.until(() => isClosed, 'the end of SFTP', options)
    if (outcome?.error) throw new SshError(`${failed}: ${sentence(outcome.error)}`)
    if (!outcome) throw this.lost('while a file was copied')
    return outcome.value as T
  }

  private async until(isThere: () => boolean, what: string, options: TimeoutOptions): Promise<void> {
    await this.network.streams.waitFor(() => isThere() || this.ended !== undefined, what, options)
    if (!isThere()) throw this.lost(`before ${what} came`)
  }

  private lost(when: string): ConnectionError {
    return new ConnectionError(
      `the SSH connection to the guest is over ${when}: ${this.ended ?? 'the guest closed it'}`,
    )
  }
}

type Done<T> = (error?: Error | null, value?: T) => void

/** What is left of the guest time that a session may take to come about. */
class GuestTimes {
  private end: number | undefined

  constructor(
    private readonly network: Network,
    private readonly options: TimeoutOptions,
  ) {}

  /** In seconds. */
  async left(): Promise<{ timeout: number; hostTimeout?: TimeoutOptions['hostTimeout'] }> {
    const { network, options } = this
    const { driver } = network
    const now = (await driver.ask((thread) => thread.look())).guestTimeNs
    this.end ??= now + network.timeoutNs(options)
    const { hostTimeout } = options
    return { timeout: Math.max(0, this.end - now) / 1e9, ...(hostTimeout !== undefined && { hostTimeout }) }
  }
}

function readKey(key: string): string {
  return /^(-----BEGIN|PuTTY-User-Key)/.test(key) ? key : readHostFile(key).toString()
}

function readHostFile(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EISDIR') throw new SshError(`${JSON.stringify(path)} is a directory; name a file`)
    throw new SshError(`${JSON.stringify(path)} cannot be read: ${sentence(error as Error)}`)
  }
}

function sentence({ message }: Error): string {
  return message.trim().replace(/\.$/, '')
}

function quoted(command: string): string {
  const [line] = command.split('\n', 1)
  return `'${line.length > 60 || line !== command ? `${line.slice(0, 60)}…` : line}'`
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
