/** `vm.network`: what the guest asks of its LAN, cables, and the functions that answer for the LAN's HTTP server. */
import type { HttpAnswer, HttpQuestion } from '../../machine/network/contents.js'
import type { LoggedRequest } from '../../machine/network/lan/request-log.js'
import { toPattern } from '../keys/patterns.js'
import type { HttpFunction, HttpResponse } from '../options/network-words.js'
import { type Condition, compilePattern, requestText } from '../protocol/condition.js'
import type { TimeoutOptions, VmDriver } from './driver.js'

/** Of a network that machines share. */
interface Services {
  requests(): Promise<LoggedRequest[]>
  waitForRequest(expression: RegExp | string, options?: TimeoutOptions): Promise<LoggedRequest>
}

export class Network {
  /** The number of the request that was waited for last. */
  private seen = 0
  /** @internal The network that the machine shares with others: it has the services. */
  shared: Services | undefined

  constructor(readonly driver: VmDriver) {}

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

  /** Pulls a card's cable out or plugs it in; without a name the first card's. */
  async link(up: boolean, nic?: string): Promise<void> {
    await this.driver.ask((thread) => thread.link(up, nic))
  }

  /** At any time so far. */
  hasRequested(expression: RegExp | string): Condition {
    return { kind: 'request', pattern: toPattern(expression), after: 0 }
  }
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
  const { status = 200, headers = {}, body = '' } = response
  const named = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)])
  return {
    status,
    headers: Object.fromEntries(named),
    body: typeof body === 'string' ? Buffer.from(body) : Uint8Array.from(body),
  }
}
