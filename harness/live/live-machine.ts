/** A machine that runs, as live views see it; and its screen, looked at as long as someone looks on. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { KeyEvent, MouseEvent } from '../../machine/devices/input/events.js'
import type { LivePicture } from '../protocol/messages.js'

/** Where a viewer's pointer is, in pixels of the screen, and its buttons as of `MouseEvent`. */
export interface PointerState {
  x: number
  y: number
  buttons: number
  /** Notches of the wheel, down positive. */
  dz: number
}

export interface LiveMachine {
  /** For the title of viewers' windows. */
  readonly title: string
  /** The screen, if it has changed since a generation. Rejects when the machine has ended. */
  picture(since: number): Promise<LivePicture | undefined>
  key(event: KeyEvent): void
  /** Movement by itself, as a mouse makes it. */
  mouse(event: MouseEvent): void
  /** A pointer that is somewhere. */
  pointer(state: PointerState): void
}

/** A PS/2 mouse knows only movements: those of a viewer's pointer. */
export class PointerMovements {
  private last: PointerState | undefined

  /** undefined where nothing has happened. */
  next(state: PointerState): MouseEvent | undefined {
    const last = this.last ?? { ...state, buttons: 0 }
    this.last = state
    const { buttons, dz } = state
    const event = { dx: state.x - last.x, dy: state.y - last.y, dz, buttons }
    return event.dx === 0 && event.dy === 0 && dz === 0 && buttons === last.buttons ? undefined : event
  }
}

/** Between two looks at the screen, ms. */
const LOOK = 33
/** A screen that is off is shown as this. */
const OFF = { width: 720, height: 400 }

export class LiveScreen {
  private current: LivePicture | undefined
  private readonly viewers = new Set<(picture: LivePicture) => void>()
  private looking = false

  constructor(private readonly machine: LiveMachine) {}

  /** Calls with the picture at once where there is one, and with every later one; returns what ends that. */
  watch(viewer: (picture: LivePicture) => void): () => void {
    this.viewers.add(viewer)
    if (this.current) viewer(this.current)
    if (!this.looking) this.look()
    return () => this.viewers.delete(viewer)
  }

  private async look(): Promise<void> {
    this.looking = true
    try {
      while (this.viewers.size > 0) {
        const picture = await this.machine.picture(this.current?.generation ?? -1)
        if (picture) {
          this.current = shown(picture)
          for (const viewer of this.viewers) viewer(this.current)
        }
        await sleep(LOOK, undefined, { ref: false })
      }
    } catch {
      // The machine has ended; the last picture stays.
    }
    this.looking = false
  }
}

function shown(picture: LivePicture): LivePicture {
  const { width, height } = picture.frame
  if (width > 0 && height > 0) return picture
  return { ...picture, frame: { ...OFF, data: new Uint8Array(OFF.width * OFF.height * 4) } }
}
