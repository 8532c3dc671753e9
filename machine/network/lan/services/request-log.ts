/** What guests asked of the LAN, and what they got: the last of it, for tests, failures and reports. */
import type { Stateful, StateTable } from '../../../device.js'
import { count, integer, list, orNone, record, text, time } from '../../../state/fields.js'

export type Protocol = 'dhcp' | 'dns' | 'tftp' | 'http' | 'ntp' | 'refused'
export const PROTOCOLS: readonly Protocol[] = ['dhcp', 'dns', 'tftp', 'http', 'ntp', 'refused']

export interface LoggedRequest {
  /** Counts from 1. */
  number: number
  /** Guest time, ns. */
  time: number
  protocol: Protocol
  /** The one who asked: an address, or its station where it has none yet. */
  from: string
  /** `GET /preseed.cfg`, `A gateway.lan.internal`, `read pxelinux.0`, `TCP 192.0.2.1 port 80`. */
  what: string
  /** What it got: `200, 1234 bytes`, `10.0.2.15`, `no such name`. undefined: the answer is not over. */
  result: string | undefined
}

const MOST = 1000
const LONGEST = 1024

const SAVED = record({
  ...{ number: count, time, from: text(64), what: text(LONGEST), result: orNone(text(LONGEST)) },
  protocol: integer(0, PROTOCOLS.length - 1),
})

export class RequestLog implements Stateful {
  readonly state: StateTable = { saved: list(SAVED, 0, MOST), total: count }
  private readonly requests: LoggedRequest[] = []
  private total = 0
  /** Called when one has come, and when it has got its answer. */
  onRequest: ((request: LoggedRequest) => void) | undefined

  add(time: number, protocol: Protocol, from: string, what: string, result?: string): LoggedRequest {
    const request = {
      number: ++this.total,
      time,
      protocol,
      from,
      what: printable(what),
      result: result && printable(result),
    }
    if (this.requests.length >= MOST) this.requests.shift()
    this.requests.push(request)
    this.onRequest?.(request)
    return request
  }

  /** The answer to a request is over. */
  answered(number: number, result: string): void {
    const request = this.requests.find((one) => one.number === number)
    if (!request) return
    request.result = printable(result)
    this.onRequest?.(request)
  }

  list(): LoggedRequest[] {
    return this.requests.map((request) => ({ ...request }))
  }

  get saved(): unknown[] {
    return this.requests.map((request) => ({ ...request, protocol: PROTOCOLS.indexOf(request.protocol) }))
  }

  set saved(requests: unknown[]) {
    const known = requests as (Omit<LoggedRequest, 'protocol'> & { protocol: number })[]
    this.requests.splice(
      0,
      Number.POSITIVE_INFINITY,
      ...known.map((request) => ({
        ...request,
        protocol: PROTOCOLS[request.protocol],
        result: request.result ?? undefined,
      })),
    )
  }
}

/** One line that can be shown: what guests send may be anything. */
function printable(words: string): string {
  return words
    .slice(0, LONGEST / 4)
    .replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .slice(0, LONGEST)
}
