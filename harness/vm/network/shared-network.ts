/**
 * `network()`: a LAN that several machines share. Each runs in its own thread, and the latency of the cables is how far it
 * may be ahead of the others, so that two runs are the same, byte for byte. Guest time passes for all of them while any is
 * awaited; the others go along, and stand where they wait for each other when the test has its turn.
 */
import { DEFAULT_EPOCH } from '../../../machine/machine.js'
import type { LoggedRequest } from '../../../machine/network/lan/services/request-log.js'
import { Meeting } from '../../../machine/network/meeting.js'
import { MOST_MEMBERS } from '../../../machine/network/trunk.js'
import type { MachineConfig } from '../../config/machine-config.js'
import { CABLE_WORDS, type CableWords, readCable } from '../../options/cable-words.js'
import { httpFunctions, NetworkValue, type NetworkWords, readNetwork } from '../../options/network-words.js'
import { OptionError } from '../../options/option-error.js'
import { misfit } from '../../options/read-options.js'
import { VmThread } from '../../thread/machine-thread.js'
import { compiledFile } from '../../thread/worker-thread.js'
import { DEFAULT_HOST_TIMEOUT, DEFAULT_TIMEOUT, type TimeoutOptions, type VmDriver } from '../driver.js'
import { LaunchError } from '../errors.js'
import type { VmSnapshot } from '../snapshots.js'
import { Vm, type VmSettings } from '../vm.js'
import { NetworkMembers } from './network-members.js'
import { upstreamFunctions } from './upstream.js'

/** What is served, and the cables. */
export interface SharedNetworkOptions extends NetworkWords, CableWords {
  /** Guest time 0 of the services, as `epoch` of `launch()`. */
  epoch?: number
}

/** All machines of a network at one moment. */
export interface NetworkSnapshot {
  /** Lets go of its memory. */
  release(): void
}

interface KeptNetwork extends NetworkSnapshot {
  horizon: number
  members: { number: number; vm: Vm; macs: readonly string[]; cut: readonly number[]; snapshot: VmSnapshot }[]
}

interface NetworkMachine {
  number: number
  vm: Vm
  macs: readonly string[]
  /** Numbers of those that it does not hear. */
  cut: Set<number>
}

/** Of the services. */
const SERVICES = 0
const SERVICE_MODULE = compiledFile('machine/service-machine.js').href

export class SharedNetwork {
  private readonly cable: ReturnType<typeof readCable>
  private readonly members: NetworkMembers
  private services: Promise<NetworkMachine> | undefined
  private readonly places = new Map<number, NetworkMachine>()
  private reserved = SERVICES

  /** @internal `network()` makes it. */
  constructor(
    private readonly options: SharedNetworkOptions,
    horizon = 0,
  ) {
    this.cable = readCable(options, 'network()')
    this.members = new NetworkMembers(Meeting.create(this.cable.latency, horizon))
  }

  /** Those that were launched on it and are open, in that order. */
  get machines(): Vm[] {
    return [...this.places.values()].sort((a, b) => a.number - b.number).map(({ vm }) => vm)
  }

  /** What guests asked of the services, the last thousand. */
  async requests(): Promise<LoggedRequest[]> {
    const services = await this.services
    return services ? services.vm.network.requests() : []
  }

  /** Runs all machines until one of them has asked for this, as `vm.network.waitForRequest()`. */
  async waitForRequest(expression: RegExp | string, options?: TimeoutOptions): Promise<LoggedRequest> {
    const services = await this.services
    if (!services) throw new LaunchError('no machine was launched on the network; launch() one with `network` first')
    return services.vm.network.waitForRequest(expression, options)
  }

  /** From now on the one side hears nothing of the other. */
  async partition(left: Vm | readonly Vm[], right: Vm | readonly Vm[]): Promise<void> {
    await this.change(left, right, (of, number) => of.cut.add(number))
  }

  /** They hear each other again; without sides all do. */
  async heal(left: Vm | readonly Vm[] = this.machines, right: Vm | readonly Vm[] = this.machines): Promise<void> {
    await this.change(left, right, (of, number) => of.cut.delete(number))
  }

  /** All machines and the services as they are. Rejects while one of them is awaited. */
  async snapshot(): Promise<NetworkSnapshot> {
    if (this.members.isRunning)
      throw new LaunchError('a network is kept while none of its machines is awaited; await what they do first')
    const members: KeptNetwork['members'] = []
    for (const { number, vm, cut, macs } of await this.all())
      members.push({ number, vm, macs, cut: [...cut], snapshot: await vm.keep() })
    const release = () => {
      for (const { snapshot } of members) snapshot.release()
    }
    return { members, horizon: this.members.meeting.horizon, release } as KeptNetwork
  }

  /** All machines go back to there; they must be the same ones. */
  async restore(snapshot: NetworkSnapshot): Promise<void> {
    const { members, horizon } = snapshot as KeptNetwork
    const here = await this.all()
    if (here.length !== members.length || here.some(({ vm }, i) => vm !== members[i].vm))
      throw new LaunchError('the network has other machines than when it was kept; go on from it by forkFrom()')
    for (const [i, machine] of here.entries()) {
      await machine.vm.goBack(members[i].snapshot)
      machine.cut = new Set(members[i].cut)
    }
    this.members.meeting.goBack(horizon)
  }

  /** Another network, with other machines, that goes on from where this one is: `machines` are in the same order. */
  async fork(): Promise<SharedNetwork> {
    const snapshot = await this.snapshot()
    try {
      return await this.forkFrom(snapshot)
    } finally {
      snapshot.release()
    }
  }

  /** The same from a snapshot. */
  async forkFrom(snapshot: NetworkSnapshot): Promise<SharedNetwork> {
    const { members, horizon } = snapshot as KeptNetwork
    const copy = new SharedNetwork(this.options, horizon)
    try {
      for (const { number, vm, macs, cut, snapshot: one } of members) {
        const fork = await vm.forkFrom(one)
        const machine = { number, macs, vm: fork, cut: new Set(cut) }
        if (number === SERVICES) copy.services = Promise.resolve(machine)
        await copy.place(machine, false)
      }
    } catch (error) {
      await copy.close()
      throw error
    }
    copy.reserved = this.reserved
    return copy
  }

  /** Ends all of its machines. Never rejects. */
  async close(): Promise<void> {
    for (const { vm } of this.places.values()) await vm.close()
    const services = await this.services?.catch(() => undefined)
    await services?.vm.close()
  }

  /** @internal */
  macsOf(driver: VmDriver): readonly string[] {
    return [...this.places.values()].find(({ vm }) => vm.driver === driver)?.macs ?? []
  }

  /** @internal */
  async markHostInput(): Promise<void> {
    await Promise.all(this.machines.map((vm) => vm.driver.ask((thread) => thread.markHostInput())))
  }

  /** @internal A place for a machine that is about to be launched, in the order of the calls. */
  reserve(): number {
    if (this.reserved + 1 >= MOST_MEMBERS)
      throw new LaunchError(`a network has room for ${MOST_MEMBERS - 1} machines; make another one by network()`)
    return ++this.reserved
  }

  /** @internal `launch()` does it. */
  async launch(number: number, config: MachineConfig, settings: VmSettings, machineModule?: string): Promise<Vm> {
    if (config.engine === 'kvm')
      throw new LaunchError(
        "machines of a network() run in step, which the kvm engine's time does not; take engine 'soft'",
      )
    if (config.network)
      throw new LaunchError('what is served on a shared network is said to network(), not to a machine; move it there')
    if (config.nics?.some(({ net }) => net === 'user'))
      throw new LaunchError(
        'machines of a network() are the same in every run, and net=user leads out of it; leave that out, or serve an upstream on network()',
      )
    if (!config.nics?.some(({ net }) => net === 'lan'))
      throw new LaunchError("network needs a card that is plugged into it; add one as in nic: 'e1000'")
    const macs = config.nics.map(({ mac }) => mac)
    const twice = macs.find((mac) => [...this.places.values()].some((other) => other.macs.includes(mac)))
    if (twice !== undefined)
      throw new LaunchError(
        `nic: the address ${twice} is another machine's on the network, and frames for one would reach both; give one another`,
      )
    this.services ??= this.start(
      SERVICES,
      this.serviceConfig(config),
      this.serviceSettings(settings),
      [],
      SERVICE_MODULE,
    )
    await this.services
    const own: MachineConfig = { ...config, engine: 'soft', trunk: { ...this.cable, member: number } }
    return (await this.start(number, own, settings, macs, machineModule)).vm
  }

  private serviceConfig({ firmware }: MachineConfig): MachineConfig {
    const { epoch = DEFAULT_EPOCH } = this.options
    const network = readNetwork(servedWords(this.options), 'network()')
    return { engine: 'soft', firmware, epoch, network, trunk: { ...this.cable, member: SERVICES } }
  }

  private serviceSettings(settings: VmSettings): VmSettings {
    const { outputFolder, layout } = settings
    const served = readNetwork(servedWords(this.options), 'network()')
    const functions = { ...httpFunctions(this.options), ...upstreamFunctions(served) }
    const times = { timeout: DEFAULT_TIMEOUT, givenTimeout: undefined, hostTimeout: DEFAULT_HOST_TIMEOUT }
    return { ...times, outputFolder, layout, failOn: false, needles: undefined, functions }
  }

  private async start(
    number: number,
    config: MachineConfig,
    settings: VmSettings,
    macs: readonly string[],
    machineModule?: string,
  ): Promise<NetworkMachine> {
    const vm = await Vm.start(settings, (events) => VmThread.start(config, { ...events, machineModule }))
    const machine: NetworkMachine = { number, vm, macs, cut: new Set() }
    await this.place(machine, true)
    return machine
  }

  private async place(machine: NetworkMachine, isNew: boolean): Promise<void> {
    const { number, vm } = machine
    const { thread } = vm.driver
    await thread.join(this.members.meeting.memory, isNew)
    if (number !== SERVICES) this.places.set(number, machine)
    const membership = this.members.add(number, thread, () => {
      // The services are there for the machines.
      if (this.places.delete(number) && this.places.size === 0) void this.close()
    })
    vm.driver.membership = membership
    // The services are started by this themselves.
    if (number === SERVICES) return
    vm.network.shared = this
    const services = await this.services
    if (services) vm.network.streams.carrier = services.vm.network.streams
  }

  /** In the order of their numbers, the services first. */
  private async all(): Promise<NetworkMachine[]> {
    const services = await this.services
    return [...(services ? [services] : []), ...this.places.values()].sort((a, b) => a.number - b.number)
  }

  private async change(
    left: Vm | readonly Vm[],
    right: Vm | readonly Vm[],
    change: (of: NetworkMachine, number: number) => void,
  ): Promise<void> {
    const [one, other] = [this.placesOf(left), this.placesOf(right)]
    for (const a of one) {
      for (const b of other) {
        if (a === b) continue
        change(a, b.number)
        change(b, a.number)
      }
    }
    for (const { vm, cut } of new Set([...one, ...other])) await vm.driver.ask((thread) => thread.cut([...cut]))
  }

  private placesOf(machines: Vm | readonly Vm[]): NetworkMachine[] {
    return [machines].flat().map((vm) => {
      const place = [...this.places.values()].find((one) => one.vm === vm)
      if (!place) throw new LaunchError('a machine of another network cannot be told apart here; name one of this one')
      return place
    })
  }
}

/**
 * A LAN that machines share, `launch({ network: lan, nic: 'e1000' })` each, with services as a machine's own LAN has them.
 * @throws LaunchError
 */
export function network(options: SharedNetworkOptions = {}): SharedNetwork {
  const wrong = misfit(NetworkValue, servedWords(options), 'network()')
  if (wrong !== undefined) throw new LaunchError(wrong)
  try {
    return new SharedNetwork(options)
  } catch (error) {
    throw error instanceof OptionError ? new LaunchError(error.message) : error
  }
}

/** What is left without the cables and the time. */
function servedWords(options: SharedNetworkOptions): NetworkWords {
  const others: readonly string[] = [...CABLE_WORDS, 'epoch']
  return Object.fromEntries(Object.entries(options).filter(([name]) => !others.includes(name)))
}
