/** What a terminal on a serial line shows: the stream rendered by xterm.js, without a window. */
import { createRequire } from 'node:module'
import type headless from '@xterm/headless'

const SCROLLBACK = 10_000
/** Takes 30 ms to load, and few look at a terminal. */
const load = createRequire(import.meta.url)

export class SerialTerminal {
  private readonly terminal: InstanceType<typeof headless.Terminal>

  constructor(
    readonly columns: number,
    readonly rows: number,
  ) {
    const { Terminal } = load('@xterm/headless') as typeof headless
    this.terminal = new Terminal({ cols: columns, rows, scrollback: SCROLLBACK, allowProposedApi: true })
  }

  write(bytes: Uint8Array): void {
    this.terminal.write(bytes)
  }

  /** The rows that the terminal shows, joined by line feeds, without the spaces at their ends. */
  async text(): Promise<string> {
    const { baseY } = await this.settled()
    return this.lines(baseY, baseY + this.rows)
  }

  /** The same with what has scrolled out above, the last 10 000 rows of it. */
  async history(): Promise<string> {
    const { length } = await this.settled()
    return this.lines(0, length).trimEnd()
  }

  async cursor(): Promise<{ column: number; row: number }> {
    const { cursorX, cursorY } = await this.settled()
    return { column: cursorX, row: cursorY }
  }

  /** What was written is taken in between two turns of the event loop. */
  private async settled() {
    await new Promise<void>((resolve) => this.terminal.write('', resolve))
    return this.terminal.buffer.active
  }

  private lines(from: number, to: number): string {
    const buffer = this.terminal.buffer.active
    const lines: string[] = []
    for (let row = from; row < to; row++) lines.push((buffer.getLine(row)?.translateToString(true) ?? '').trimEnd())
    return lines.join('\n')
  }
}
