/** A request by HTTP to a server in the guest. */
import { request } from 'node:http'
import type { GuestStream } from './guest-streams.js'

export interface GuestRequest {
  /** Default GET. */
  method?: string
  headers?: { readonly [name: string]: string }
  body?: string | Uint8Array
}

export interface GuestResponse {
  status: number
  /** By names in small letters; several of one name are joined by commas. */
  headers: { readonly [name: string]: string }
  body: Uint8Array
  /** The body as UTF-8. */
  text(): string
}

/** Sends it over the stream. Rejects where the guest's answer is none. */
export function exchange(
  stream: GuestStream,
  url: URL,
  { method, headers, body }: GuestRequest,
): Promise<GuestResponse> {
  return new Promise((resolve, reject) => {
    const options = { method, headers: { ...headers }, createConnection: () => stream } as const
    const sent = request(url, options, (response) => {
      const pieces: Uint8Array[] = []
      response.on('data', (piece: Uint8Array) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => {
        stream.destroy()
        const whole = Buffer.concat(pieces)
        const named = Object.entries(response.headers).map(([name, value]) => [name, [value].flat().join(', ')])
        resolve({
          ...{ status: response.statusCode ?? 0, headers: Object.fromEntries(named) },
          ...{ body: new Uint8Array(whole), text: () => whole.toString() },
        })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
