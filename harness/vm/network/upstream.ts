/** Fetches what a guest asks an upstream of its LAN for and the cache does not have, in the test's thread. */
import type { NetworkConfig } from '../../config/machine-config.js'
import { cachedEntry, keepFetched, upstreamUrl } from '../../config/upstream-cache.js'
import type { HttpFunction } from '../../options/network-words.js'

/** The host's; tests hand in another one. */
type Fetch = (url: string) => Promise<Pick<Response, 'status' | 'arrayBuffer'>>

/** These say that there is nothing, and are kept as what is there. */
const KEPT = [200, 404, 410]

/** By the paths at which they are. */
export function upstreamFunctions(
  network: NetworkConfig | undefined,
  get: Fetch = fetch,
): { [path: string]: HttpFunction } {
  const isOffline = network?.offline === true || process.env.BOOTWRIGHT_OFFLINE === '1'
  return Object.fromEntries(
    Object.entries(network?.http ?? {}).flatMap(([at, served]): [string, HttpFunction][] =>
      'upstream' in served ? [[at, ({ path }) => answer(at, served.upstream, path, isOffline ? undefined : get)]] : [],
    ),
  )
}

async function answer(at: string, base: string, path: string, get: Fetch | undefined) {
  const below = decodeURIComponent(path.split('?')[0]).slice(at.length)
  const url = upstreamUrl(base, below)
  if (url === undefined) return { status: 404 }
  const known = cachedEntry(url)
  if (known && known.status !== 200) return { status: known.status }
  if (!get)
    throw new Error(
      `${url} was never fetched, and this run is offline; run it once without "offline" or BOOTWRIGHT_OFFLINE`,
    )
  const { status, body } = await fetched(url, get)
  if (!KEPT.includes(status))
    throw new Error(`${url} answered with status ${status}; try again, or name another upstream`)
  const { sha256 } = keepFetched(url, status, body)
  return status === 200 ? { status, body: sha256 } : { status }
}

async function fetched(url: string, get: Fetch): Promise<{ status: number; body: Uint8Array }> {
  try {
    const response = await get(url)
    return { status: response.status, body: new Uint8Array(await response.arrayBuffer()) }
  } catch (error) {
    const { cause, message } = error as Error
    const why = cause instanceof Error ? cause.message : message
    throw new Error(`${url} cannot be fetched (${why}); is the upstream there?`)
  }
}
