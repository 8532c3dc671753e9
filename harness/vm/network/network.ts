/** `vm.network`: what the guest asks of its LAN, cables, and the functions that answer for the LAN's HTTP server. */
import { isIP } from 'node:net'
import type { HttpAnswer, HttpQuestion } from '../../../machine/network/contents.js'
import { LARGEST_BODY } from '../../../machine/network/lan/services/http-server.js'
import type { LoggedRequest } from '../../../machine/network/lan/services/request-log.js'
import { toPattern } from '../../keys/patterns.js'
import type { HttpFunction, HttpResponse } from '../../options/network-words.js'
import { type Condition, compilePattern, requestText } from '../../protocol/condition.js'
import { parseDuration } from '../../units/durations.js'
import { asked } from '../call-site.js'
import type { TimeoutOptions, VmDriver } from '../driver.js'
import { ConnectionError, LaunchError } from '../errors.js'
import { exchange, type GuestRequest, type GuestResponse } from './guest-http.js'
import { type DialOptions, type GuestStream, GuestStreams } from './guest-streams.js'

/** Of a network that machines share. */
interface Services {
  requests(): Promise<LoggedRequest[]>
  waitForRequest(expression: RegExp | string, options?: TimeoutOptions): Promise<LoggedRequest>
  /** Of a machine's cards. */
  macsOf(driver: VmDriver): readonly string[]
  /** What is said in it from now on is not the same in every run: the results of all machines say so. */
  markHostInput(): Promise<void>
}

export interface ConnectOptions extends TimeoutOptions {
  /** An address of the guest's; by default the one that it got last. */
  guest?: string
}

/** A stream of Node's (`Duplex`) to a port of the guest's, of which this is what most tests need. */
export interface GuestConnection extends AsyncIterable<Uint8Array> {
  write(data: string | Uint8Array): boolean
  /** Nothing more is said; what the guest says is still heard. */
  end(data?: string | Uint8Array): unknown
  /** Ends it at once. */
  destroy(): unknown
}

export class Network {
  /** The number of the request that was waited for last. */
  private seen = 0
  /** @internal The network that the machine shares with others: it has the services. */
  shared: Services | undefined

  /** @internal */
  readonly streams: GuestStreams

  constructor(readonly driver: VmDriver) {
    this.streams = new GuestStreams(driver)
  }

  /**
   * Opens a TCP connection to a port of the guest's, through its LAN: a Duplex of Node's. Guest time passes while
   * something is read from it. Rejects with a ConnectionError where the guest refuses, or with a TimeoutError.
   */
  connect(port: number, options: ConnectOptions = {}): Promise<GuestConnection> {
    return asked(async () => (await this.open(port, options)) as unknown as GuestConnection)
  }

  /** @internal Guest time that one wait may take. */
  timeoutNs({ timeout }: TimeoutOptions): number {
    return parseDuration(timeout ?? this.driver.settings.timeout)
  }

  /** @internal Where it is open. */
  async open(port: number, { guest, ...options }: ConnectOptions, dial: DialOptions = {}): Promise<GuestStream> {
    checkPort(port)
    if (guest !== undefined && isIP(guest) === 0)
      throw new LaunchError(`guest '${guest}' is no address; write it as in 10.0.2.15`)
    if (!(await this.driver.ask((thread) => thread.hasNetwork())))
      throw new LaunchError("a connection needs a network card in the guest; add one as in nic: 'e1000'")
    // How far the other machines are when this one is told something is not the same in every run.
    await this.shared?.markHostInput()
    const place = guest !== undefined ? { guest } : { macs: this.shared?.macsOf(this.driver) }
    const stream = this.streams.dial(port, { ...dial, ...place })
    const isDecided = () => stream.isOpen || stream.why !== undefined
    try {
      await this.streams.waitFor(isDecided, `the guest to take a connection to its port ${port}`, options)
    } catch (error) {
      stream.destroy()
      throw error
    }
    if (!stream.isOpen) throw new ConnectionError(`no connection to port ${port} of the guest: ${stream.why}`)
    return stream
  }

  /**
   * Asks a server in the guest by HTTP, as in `fetch('http://guest/status')`: `guest` is the guest whatever it calls
   * itself, and an address is that one.
   */
  fetch(url: string, { timeout, hostTimeout, ...request }: GuestRequest & TimeoutOptions = {}): Promise<GuestResponse> {
    return asked(async () => {
      const parsed = URL.canParse(url) ? new URL(url) : undefined
      if (parsed?.protocol !== 'http:')
        throw new LaunchError(`'${url}' is no address that can be asked; write it as in http://guest/status`)
      const host = parsed.hostname.replace(/^\[|\]$/g, '')
      const place = isIP(host) === 0 ? {} : { guest: host }
      const stream = await this.open(Number(parsed.port || 80), { ...place, ...defined({ timeout, hostTimeout }) })
      return exchange(stream, parsed, request)
    })
  }

  /**
   * What the guest asked of its LAN, the last thousand: DHCP, DNS, TFTP, HTTP and NTP, and what leads nowhere; on a shared
   * network what any guest asked.
   */
  requests(): Promise<LoggedRequest[]> {
    if (this.shared) return this.shared.requests()
    return this.driver.ask((thread) => thread.requests())
  }

  /**
   * Runs until the guest has asked for this and got its answer, as in `waitForRequest(/preseed/)`; requests that were waited
   * for before do not count. It is looked for in `http GET /preseed.cfg`, `dhcp REQUEST`, `dns A gateway.lan.internal`.
   */
  async waitForRequest(expression: RegExp | string, options?: TimeoutOptions): Promise<LoggedRequest> {
    if (this.shared) return this.shared.waitForRequest(expression, options)
    const pattern = toPattern(expression)
    await this.driver.until({ kind: 'request', pattern, after: this.seen }, options)
    const regex = compilePattern(pattern)
    const isIt = (one: LoggedRequest) =>
      one.number > this.seen && one.result !== undefined && regex.test(requestText(one))
    const found = (await this.requests()).find(isIt) as LoggedRequest
    this.seen = found.number
    return found
  }

  /** Ports of the host's that lead to the guest by `net=user,hostfwd=`, with those that were taken for 0. */
  get forwarded(): readonly { protocol?: 'udp'; address: string; port: number; guest?: string; guestPort: number }[] {
    return this.driver.thread.forwarded
  }

  /** Pulls a card's cable out or plugs it in; without a name the first card's. */
  async link(up: boolean, nic?: string): Promise<void> {
    await this.driver.ask((thread) => thread.link(up, nic))
  }

  /** At any time so far. */
  hasRequested(expression: RegExp | string): Condition {
    return { kind: 'request', pattern: toPattern(expression), after: 0 }
  }
}

function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new LaunchError(`${port} is no port; they are 1 to 65535`)
}

function defined({ timeout, hostTimeout }: TimeoutOptions): TimeoutOptions {
  return { ...(timeout !== undefined && { timeout }), ...(hostTimeout !== undefined && { hostTimeout }) }
}

/** What the functions answer, for the machine's thread. Never rejects. */
export async function answerBy(
  functions: { readonly [path: string]: HttpFunction },
  name: string,
  { method, path, headers, body }: HttpQuestion,
): Promise<{ answer: HttpAnswer; error?: string }> {
  if (!Object.hasOwn(functions, name)) return { answer: plain(503, `there is no function for ${name} any more\n`) }
  try {
    return { answer: wholeAnswer(await functions[name]({ method, path, headers, body })) }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return {
      answer: plain(500, 'the function failed\n'),
      error: `the function of '${name}' failed at ${method} ${path}: ${why}`,
    }
  }
}

function plain(status: number, text: string): HttpAnswer {
  return { status, headers: {}, body: Buffer.from(text) }
}

function wholeAnswer(response: HttpResponse): HttpAnswer {
  if (typeof response === 'string' || response instanceof Uint8Array) return wholeAnswer({ body: response })
  if (typeof response !== 'object' || response === null)
    throw new TypeError(`it answered ${response}; a text, bytes or { status, headers, body } is wanted`)
  const { status = 200, headers = {}, body = '', ...others } = response
  const [other] = Object.keys(others)
  if (other !== undefined)
    throw new TypeError(`it answered with '${other}', which is nothing of an answer; that has status, headers and body`)
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new TypeError(`it answered with status ${status}; give one from 200 to 599`)
  if (typeof body !== 'string' && !(body instanceof Uint8Array))
    throw new TypeError(`it answered with a body that is ${typeof body}; give a text or bytes`)
  const bytes = typeof body === 'string' ? Buffer.from(body) : Uint8Array.from(body)
  if (bytes.length > LARGEST_BODY)
    throw new RangeError(`its answer is larger than ${LARGEST_BODY >> 20} MiB; serve a file in its place`)
  const named = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)])
  const odd = named.find(([name, value]) => !/^[\w-]+$/.test(name) || !/^[\x20-\x7e\t]*$/.test(value))
  if (odd) throw new TypeError(`it answered with the header ${JSON.stringify(odd.join(': '))}, which cannot be sent`)
  return { status, headers: Object.fromEntries(named), body: bytes }
}
