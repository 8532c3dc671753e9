/** A request to the LAN for people: `http GET /preseed.cfg from 10.0.2.15: 200, 1234 bytes`. */
import type { LoggedRequest } from '../../machine/network/lan/services/request-log.js'

export function requestWords({ protocol, what, from, result }: LoggedRequest): string {
  return `${protocol} ${what} from ${from}${result === undefined ? ', under way' : `: ${result}`}`
}

/** What an answer begins with that is none: of HTTP, DNS and TFTP. */
const REFUSED = /^([45]\d\d\b|not? |error|given up|the file is gone)/

/** The last requests, and before them as many of those that got nothing: a failure may come long after what it is for. */
export function tellingRequests(requests: readonly LoggedRequest[], count: number): LoggedRequest[] {
  const before = requests.slice(0, -count)
  const refused = before.filter(({ protocol, result }) => protocol === 'refused' || REFUSED.test(result ?? ''))
  return [...refused.slice(-count), ...requests.slice(-count)]
}
