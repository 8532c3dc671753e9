/**
 * A machine whose past can be gone back to while a debugger holds it (`history.ts`). Where nobody debugs, it is the machine.
 * What comes from outside while it is in its past waits until it is in the present again.
 */
import type { AccessSize } from '../../../machine/device.js'
import type { Departure, ExplorationPlan } from '../../../machine/exploration.js'
import type { InputEvent } from '../../../machine/input.js'
import type { Machine, MachineExit, MachineOptions } from '../../../machine/machine.js'
import type { BlockDevice } from '../../../machine/media/block-device.js'
import type { RemovableDrive } from '../../../machine/media/drive-id.js'
import type { HttpAnswer, NetworkContents } from '../../../machine/network/contents.js'
import type { MachineState } from '../../../machine/state/machine-state.js'
import { WrappedMachine } from '../wrapped-machine.js'
import { History } from './history.js'

type Ask = NonNullable<NetworkContents['ask']>

export class DebuggedMachine extends WrappedMachine {
  readonly history: History | undefined
  protected readonly machine: Machine
  private waiting: InputEvent[] = []
  /** What the test's functions answered, by request, and when. */
  private answers = new Map<number, { answer: HttpAnswer; instructions: number }>()

  /** @param create Makes the machine with these options. */
  constructor(create: (options: MachineOptions) => Machine, options: MachineOptions) {
    super()
    this.machine = create(this.untold(options))
    if (this.machine.engine === 'soft' && this.machine.debugTarget) this.history = new History(this.machine)
    if (this.machine.log) this.machine.log.isMuted = () => this.history?.inPast === true
  }

  /** What the guest says a second time is not told. */
  private untold(options: MachineOptions): MachineOptions {
    const told = <A extends unknown[]>(tell: ((...args: A) => void) | undefined) =>
      tell && ((...args: A) => (this.history?.inPast ? undefined : tell(...args)))
    const { network } = options
    const ask = network?.ask
    return {
      ...options,
      onSerial: told(options.onSerial),
      onParallel: told(options.onParallel),
      onDebug: told(options.onDebug),
      onRequest: told(options.onRequest),
      onFrame: told(options.onFrame),
      onTrunk: told(options.onTrunk),
      onOutside: told(options.onOutside),
      ...(network && { network: { ...network, ...(ask && { ask: this.asking(ask) }) } }),
    }
  }

  private asking(ask: Ask): Ask {
    return (name, question) => {
      const known = this.history?.inPast && this.answers.get(question.number)
      if (known) return known.answer
      const answer = ask(name, question)
      if (this.history?.isActive)
        this.answers.set(question.number, { answer, instructions: this.machine.instructions() })
      return answer
    }
  }

  idleUntil(): number {
    return this.machine.idleUntil?.() ?? this.machine.now()
  }

  override run(until: number, hostEnd?: number): MachineExit | undefined {
    const { history } = this
    if (!history?.isActive) return this.machine.run(until, hostEnd)
    if (!history.inPast) for (const event of this.waiting.splice(0)) this.input(event)
    return history.run(until, hostEnd)
  }

  override input(event: InputEvent): void {
    const { history, machine } = this
    if (!history?.isActive) machine.input(event)
    else if (history.inPast) this.waiting.push(event)
    else history.outside(() => machine.input(event))
  }

  /** A medium is no part of a machine's state: the past begins anew with it. */
  override insert(drive: RemovableDrive, medium: BlockDevice | undefined): void {
    const { history } = this
    this.machine.insert(drive, medium)
    if (history?.isActive) history.begin()
  }

  explore(plan: ExplorationPlan): void {
    this.machine.explore?.(plan)
  }

  departures(): readonly Departure[] | undefined {
    return this.machine.departures?.()
  }

  port(address: number, size: AccessSize, value?: number): number {
    return this.machine.port?.(address, size, value) ?? 0
  }

  override save(): MachineState {
    const state = this.machine.save()
    this.history?.passOn(state)
    return state
  }

  override fingerprint(): string {
    const { history, machine } = this
    let hash = ''
    const take = () => {
      hash = machine.fingerprint()
    }
    if (history?.isActive && !history.inPast) history.outside(take)
    else take()
    return hash
  }

  override load(state: MachineState): void {
    this.machine.load(state)
    this.history?.passOn(state)
  }

  override close(): void {
    this.machine.close()
    this.history?.close()
  }
}
