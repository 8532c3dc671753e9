/** A machine for views, whose screen a test paints and whose inputs it reads. */
import type { LiveMachine, PointerState } from '../../../harness/live/live-machine.js'
import type { LivePicture } from '../../../harness/protocol/messages.js'
import type { Frame } from '../../../machine/devices/display/display.js'
import type { KeyEvent, MouseEvent } from '../../../machine/devices/input/events.js'

export class LiveFake implements LiveMachine {
  readonly title = 'a fake'
  readonly keys: string[] = []
  readonly moves: MouseEvent[] = []
  readonly pointers: PointerState[] = []
  private generation = 0
  private frame: Frame

  constructor(width: number, height: number) {
    this.frame = { width, height, data: new Uint8Array(width * height * 4) }
  }

  /** Paints anew: `colour` gives red, green and blue of a pixel. */
  paint(
    colour: (x: number, y: number) => readonly [number, number, number],
    { width, height }: { width: number; height: number } = this.frame,
  ): void {
    const data = new Uint8Array(width * height * 4)
    for (let i = 0; i < width * height; i++) data.set([...colour(i % width, Math.floor(i / width)), 255], i * 4)
    this.frame = { width, height, data }
    this.generation++
  }

  async picture(since: number): Promise<LivePicture | undefined> {
    if (since === this.generation) return undefined
    const { width, height } = this.frame
    const mode = { kind: 'graphics' as const, width, height, columns: 0, rows: 0, depth: 32 }
    return { generation: this.generation, mode, frame: this.frame }
  }

  key({ code, down }: KeyEvent): void {
    this.keys.push(`${down ? '+' : '-'}${code}`)
  }

  mouse(event: MouseEvent): void {
    this.moves.push(event)
  }

  pointer(state: PointerState): void {
    this.pointers.push(state)
  }
}
