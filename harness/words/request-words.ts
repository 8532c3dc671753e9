/** A request to the LAN for people: `http GET /preseed.cfg from 10.0.2.15: 200, 1234 bytes`. */
import type { LoggedRequest } from '../../machine/network/lan/request-log.js'

export function requestWords({ protocol, what, from, result }: LoggedRequest): string {
  return `${protocol} ${what} from ${from}${result === undefined ? ', under way' : `: ${result}`}`
}
