/**
 * QEMU's `virtio-serial-pci` with `virtconsole` and `virtserialport`: the console device of Virtual I/O Device 1.2, 5.3, with
 * several ports, each a pair of queues, and a pair of queues on which ports are told of and opened.
 */

import type { StateTable } from '../../device.js'
import { bytes as byteField, flag, list } from '../../state/fields.js'
import { parts } from '../../state/state-table.js'
import { choiceOption, textOption } from '../device-option.js'
import { type CharBackend, DeviceError, deviceType } from '../device-type.js'
import { bytesOf, gather, scatter } from '../segments.js'
import type { VirtioDevice, VirtioHost } from './virtio-device.js'
import { virtioPciType } from './virtio-pci.js'

const MULTIPORT = 1
/** Columns, rows, the most ports, emergency write. */
const CONFIGURATION = 12
const MOST_PORTS = 8
const CONTROL_RECEIVE = 2
const CONTROL_TRANSMIT = 3
const CHAINS_AT_ONCE = 32
/** Of one chain. */
const MOST_BYTES = 64 << 10
/** What waits for the guest; more is lost, as on a line without flow control. */
const MOST_WAITING = 1 << 20

// Control messages: port, event, value
const MESSAGE = 8
const DEVICE_READY = 0
const PORT_ADD = 1
const PORT_READY = 3
const CONSOLE_PORT = 4
const PORT_OPEN = 6
const PORT_NAME = 7

/** What `virtconsole` and `virtserialport` are plugged into. */
export interface SerialBus {
  readonly ports: SerialPort[]
}

const PORT: StateTable = { waiting: byteField(0, MOST_WAITING), isReady: flag, isOpen: flag }

export class SerialPort {
  readonly state = PORT
  /** From the host, for the guest. */
  waiting = new Uint8Array()
  isReady = false
  /** The guest has it open. */
  isOpen = false

  constructor(
    readonly name: string,
    readonly isConsole: boolean,
    readonly backend: CharBackend | undefined,
  ) {}
}

const STATE: StateTable = { messages: list(byteField(MESSAGE, 256), 0, 16 * MOST_PORTS), ports: parts }

export class VirtioSerial implements VirtioDevice {
  readonly state = STATE
  readonly features = [MULTIPORT]
  readonly configurationSize = CONFIGURATION
  /** For the guest's control queue. */
  private messages: Uint8Array[] = []

  constructor(
    private readonly host: VirtioHost,
    private readonly bus: SerialBus,
  ) {}

  /** The board plugs ports in after their controller, too, and UARTs whose lines they have. */
  private connect(): void {
    for (const [id, port] of this.bus.ports.entries()) {
      if (!port.backend) continue
      port.backend.receive = (bytes) => {
        const room = MOST_WAITING - port.waiting.length
        port.waiting = Uint8Array.from([...port.waiting, ...bytes.subarray(0, room)])
        this.host.wake(receiveQueue(id))
      }
      port.backend.pending = () => port.waiting.length
    }
  }

  /** By their numbers, for the state. */
  get ports(): { [id: string]: SerialPort } {
    return Object.fromEntries(this.bus.ports.entries())
  }

  reset(): void {
    this.connect()
    this.messages = []
    for (const port of this.bus.ports) port.isReady = port.isOpen = false
  }

  started(): void {
    // Without MULTIPORT there is the first port alone, and nobody to open it.
    if (!this.host.has(MULTIPORT)) for (const port of this.bus.ports.slice(0, 1)) port.isReady = port.isOpen = true
  }

  readConfiguration(offset: number): number {
    return offset === 4 ? MOST_PORTS : 0
  }

  serve(queue: number): boolean {
    if (queue === CONTROL_RECEIVE) return this.sendMessages()
    if (queue === CONTROL_TRANSMIT) return this.takeMessages()
    const port = this.bus.ports[portOf(queue)]
    return queue % 2 === 0 ? this.toGuest(queue, port) : this.fromGuest(queue, port)
  }

  private fromGuest(index: number, port: SerialPort | undefined): boolean {
    const { host } = this
    for (let n = 0; n < CHAINS_AT_ONCE; n++) {
      const chain = host.queues[index].take()
      if (!chain) {
        host.tell(index)
        return false
      }
      const bytes = new Uint8Array(Math.min(bytesOf(chain.readable), MOST_BYTES))
      gather(host.memory, chain.readable, bytes)
      if (port) for (const byte of bytes) port.backend?.send(byte)
      host.queues[index].give(chain, 0)
    }
    host.tell(index)
    return true
  }

  private toGuest(index: number, port: SerialPort | undefined): boolean {
    const { host } = this
    while (port?.isOpen && port.waiting.length > 0) {
      const chain = host.queues[index].take()
      if (!chain) break
      const written = scatter(host.memory, chain.writable, port.waiting.subarray(0, MOST_BYTES))
      port.waiting = port.waiting.slice(written)
      host.queues[index].give(chain, written)
      if (written === 0) break
    }
    host.tell(index)
    return false
  }

  private takeMessages(): boolean {
    const { host } = this
    const queue = host.queues[CONTROL_TRANSMIT]
    for (let n = 0; n < CHAINS_AT_ONCE; n++) {
      const chain = queue.take()
      if (!chain) break
      const message = new Uint8Array(MESSAGE)
      if (gather(host.memory, chain.readable, message) === MESSAGE) this.take(new DataView(message.buffer))
      queue.give(chain, 0)
    }
    host.tell(CONTROL_TRANSMIT)
    host.wake(CONTROL_RECEIVE)
    return false
  }

  private take(message: DataView): void {
    const [id, event, value] = [message.getUint32(0, true), message.getUint16(4, true), message.getUint16(6, true)]
    if (event === DEVICE_READY) {
      if (value === 1) for (const port of this.bus.ports.keys()) this.say(port, PORT_ADD, 1)
      return
    }
    const port = this.bus.ports[id]
    if (!port) return
    if (event === PORT_READY && value === 1) {
      port.isReady = true
      if (port.isConsole) this.say(id, CONSOLE_PORT, 1)
      this.say(id, PORT_NAME, 1, port.name)
      this.say(id, PORT_OPEN, 1)
    } else if (event === PORT_OPEN) {
      port.isOpen = value === 1
      this.host.wake(receiveQueue(id))
    }
  }

  private say(id: number, event: number, value: number, text = ''): void {
    const message = new Uint8Array(MESSAGE + text.length)
    const view = new DataView(message.buffer)
    view.setUint32(0, id, true)
    view.setUint16(4, event, true)
    view.setUint16(6, value, true)
    message.set(Buffer.from(text, 'latin1'), MESSAGE)
    // A driver that asks and asks, and takes no answer, is not remembered for ever.
    if (this.messages.length < 16 * MOST_PORTS) this.messages.push(message)
  }

  private sendMessages(): boolean {
    const { host } = this
    const queue = host.queues[CONTROL_RECEIVE]
    while (this.messages.length > 0) {
      const chain = queue.take()
      if (!chain) break
      queue.give(chain, scatter(host.memory, chain.writable, this.messages.shift() as Uint8Array))
    }
    host.tell(CONTROL_RECEIVE)
    return false
  }
}

/** Queues of the first port stand before those of control. */
function receiveQueue(port: number): number {
  return port === 0 ? 0 : 2 * port + 2
}

function portOf(queue: number): number {
  return queue < 2 ? 0 : Math.floor(queue / 2) - 1
}

export const virtioSerial = virtioPciType({
  ...{
    type: 'virtio-serial-pci',
    title: 'virtio serial lines, for virtconsole and virtserialport',
    category: 'Serial',
  },
  ...{ id: 3, transitionalId: 0x1003, classCode: 0x078000, queues: Array(2 + 2 * MOST_PORTS).fill(128) },
  options: () => ({}),
  create: (host, _, slot) => new VirtioSerial(host, slot.bus<SerialBus>('virtio-serial')),
})

function portType(type: string, title: string, isConsole: boolean) {
  return deviceType({
    ...{ type, title, category: 'Serial', bus: 'virtio-serial' },
    options: () => ({
      name: textOption(200).default('').describe('by which the guest finds it, as org.example.0'),
      line: choiceOption(['COM1', 'COM2', 'COM3', 'COM4'])
        .optional()
        .describe('the serial line of the host’s that it has in place of that UART'),
    }),
    create(slot, { name, line }) {
      const { ports } = slot.bus<SerialBus>('virtio-serial')
      if (ports.length >= MOST_PORTS)
        throw new DeviceError(`the device ${slot.name}: there is room for ${MOST_PORTS} ports; leave one out`)
      ports.push(new SerialPort(name, isConsole, slot.backend<CharBackend>('char', line)))
      return undefined
    },
  })
}

export const virtconsole = portType('virtconsole', 'console on virtio-serial-pci: hvc0', true)
export const virtserialport = portType('virtserialport', 'line on virtio-serial-pci, by its name', false)
