/** Terminal sessions as asciicast v2 (docs.asciinema.org/manual/asciicast/v2), which asciinema and its player show. */

export interface CastEvent {
  /** ns since the session began. */
  timeNs: number
  /** Output of the guest, or input to it. */
  kind: 'o' | 'i'
  text: string
}

export function asciicast(events: readonly CastEvent[], columns: number, rows: number, title?: string): string {
  const header = { version: 2, width: columns, height: rows, ...(title !== undefined && { title }) }
  const lines = events.map(({ timeNs, kind, text }) => JSON.stringify([Math.round(timeNs / 1e3) / 1e6, kind, text]))
  return `${[JSON.stringify(header), ...lines].join('\n')}\n`
}
