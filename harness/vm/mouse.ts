/**
 * `vm.mouse`: a PS/2 mouse, which knows only movements. Places on the screen are reached by watching the pointer, so
 * the guest must show one there.
 */
import { checkedButton, type MouseButton } from '../keys/boot-command.js'
import type { Step } from '../protocol/script.js'
import type { TimeoutOptions, VmDriver } from './driver.js'

export interface Point {
  /** Pixels from the left and from the top. */
  x: number
  y: number
}

export interface ClickOptions extends TimeoutOptions {
  button?: MouseButton
}

export class Mouse {
  constructor(private readonly driver: VmDriver) {}

  /** Brings the pointer to a pixel; guests that take no smaller steps are within 2 pixels. Rejects with an ActionError. */
  async move(x: number, y: number, options?: TimeoutOptions): Promise<void> {
    await this.driver.run([{ kind: 'mouse-to', x, y }], options)
  }

  /** Counts of movement, right and down positive; what the guest makes of them is its own. */
  async moveBy(dx: number, dy: number, options?: TimeoutOptions): Promise<void> {
    await this.driver.run([{ kind: 'mouse-move', dx, dy }], options)
  }

  async click(x: number, y: number, options: ClickOptions = {}): Promise<void> {
    await this.press(x, y, 1, options)
  }

  async dblclick(x: number, y: number, options: ClickOptions = {}): Promise<void> {
    await this.press(x, y, 2, options)
  }

  /** Where the pointer is. */
  async down(options: ClickOptions = {}): Promise<void> {
    await this.driver.run([{ kind: 'mouse-button', button: checkedButton(options.button), down: true }], options)
  }

  async up(options: ClickOptions = {}): Promise<void> {
    await this.driver.run([{ kind: 'mouse-button', button: checkedButton(options.button), down: false }], options)
  }

  async drag(from: Point, to: Point, options: ClickOptions = {}): Promise<void> {
    const button = checkedButton(options.button)
    const steps: Step[] = [
      { kind: 'mouse-to', ...from },
      { kind: 'mouse-button', button, down: true },
      { kind: 'mouse-to', ...to },
      { kind: 'mouse-button', button, down: false },
    ]
    await this.driver.run(steps, options)
  }

  /** Notches, down positive. */
  async wheel(notches: number, options?: TimeoutOptions): Promise<void> {
    await this.driver.run([{ kind: 'mouse-wheel', notches }], options)
  }

  private async press(x: number, y: number, count: number, options: ClickOptions): Promise<void> {
    const button = checkedButton(options.button)
    await this.driver.run(
      [
        { kind: 'mouse-to', x, y },
        { kind: 'mouse-click', button, count },
      ],
      options,
    )
  }
}
