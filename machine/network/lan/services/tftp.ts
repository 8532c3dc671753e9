/**
 * The TFTP server (RFC 1350) with its options (RFC 2347, 2348, 2349, 7440): files to be read, and none to be written.
 * Each transfer has a port of its own; what is not acknowledged in time is sent again.
 */
import type { Clock, Timer } from '../../../clock.js'
import type { Stateful, StateTable } from '../../../device.js'
import { bytes, count, integer, list, record, text, time, timer, u16 } from '../../../state/fields.js'
import type { Content, FileTree } from '../../contents.js'
import { type Address, addressText, sameBytes } from '../addresses.js'
import type { RequestLog } from './request-log.js'

export const TFTP = 69

const RRQ = 1
const WRQ = 2
const DATA = 3
const ACK = 4
const ERROR = 5
const OACK = 6

const ILLEGAL = 4
const NOT_FOUND = 1
const ACCESS = 2
const UNKNOWN_TRANSFER = 5

const MOST_TRANSFERS = 64
const DEFAULT_BLOCK = 512
const LEAST_BLOCK = 8
/** What fits a frame, with IP's and UDP's headers. */
const MOST_BLOCK = 1468
const MOST_WINDOW = 64
/** Of the host's files, so that a snapshot names each. */
const LONGEST_PATH = 1024
const DEFAULT_TIMEOUT = 1
const MOST_TRIES = 6
const FIRST_PORT = 1024

export interface TftpPeer {
  mac: Uint8Array
  /** Who asks, and whom it asked. */
  source: Address
  destination: Address
  port: number
}

interface Transfer extends TftpPeer {
  /** The server's own. */
  local: number
  path: string
  request: number
  size: number
  block: number
  window: number
  /** Seconds. */
  timeout: number
  /** Blocks that are acknowledged; -1: the options are not, and they are sent. */
  done: number
  tries: number
  due: number
  oack: Uint8Array
}

const ADDRESS = bytes(4, 16)
const TRANSFER = record({
  ...{ mac: bytes(6, 6), source: ADDRESS, destination: ADDRESS, port: u16, local: u16, path: text(LONGEST_PATH) },
  ...{ request: count, size: count, block: integer(LEAST_BLOCK, MOST_BLOCK), window: integer(1, MOST_WINDOW) },
  ...{ timeout: integer(1, 255), done: integer(-1, 2 ** 40), tries: integer(0, MOST_TRIES), due: time },
  oack: bytes(0, 512),
})

export class TftpServer implements Stateful {
  readonly state: StateTable = { transfers: list(TRANSFER, 0, MOST_TRANSFERS), nextPort: u16, timer }
  private transfers: Transfer[] = []
  private nextPort = FIRST_PORT
  private readonly timer: Timer

  constructor(
    private readonly clock: Clock,
    private readonly log: RequestLog,
    private readonly files: FileTree | undefined,
    private readonly send: (peer: TftpPeer, from: number, data: Uint8Array) => void,
  ) {
    this.timer = clock.timer('tftp', () => this.tick())
  }

  /** Whether a datagram for this port is for a transfer. */
  has(port: number): boolean {
    return this.transfers.some(({ local }) => local === port)
  }

  receive(peer: TftpPeer, to: number, data: Uint8Array): void {
    if (data.length < 4) return
    const operation = (data[0] << 8) | data[1]
    if (to === TFTP) {
      if (operation === RRQ) this.begin(peer, data)
      else if (operation === WRQ) this.refuse(peer, TFTP, ACCESS, 'nothing can be written here')
      return
    }
    const transfer = this.transfers.find(({ local }) => local === to)
    if (!transfer) return
    if (!sameBytes(transfer.source, peer.source) || transfer.port !== peer.port) {
      if (operation !== ERROR) this.refuse(peer, to, UNKNOWN_TRANSFER, 'this transfer is of another')
      return
    }
    if (operation === ERROR)
      this.end(transfer, `given up by the guest after ${bytesDone(transfer)} of ${transfer.size} bytes`)
    else if (operation === ACK) this.acknowledged(transfer, (data[2] << 8) | data[3])
  }

  private begin(peer: TftpPeer, data: Uint8Array): void {
    const fields = Buffer.from(data.subarray(2)).toString('latin1').split('\0')
    const [name, mode] = fields
    const from = addressText(peer.source)
    const what = `read ${name}`
    const isWhole = data.at(-1) === 0 && mode !== undefined
    if (!isWhole || !/^(octet|netascii)$/i.test(mode)) {
      this.refuse(peer, TFTP, ILLEGAL, 'this is no request for a file')
      return
    }
    // The same again: the answer was lost, and what is there goes on.
    const before = this.transfers.find((one) => sameBytes(one.source, peer.source) && one.port === peer.port)
    if (before) this.end(before, 'begun again')
    const path = name.replaceAll('\\', '/').replace(/^\/+/, '')
    const content = path.length <= LONGEST_PATH ? this.open(path) : undefined
    if (!content) {
      this.log.add(this.clock.now(), 'tftp', from, what, 'not found')
      this.refuse(peer, TFTP, NOT_FOUND, this.files ? 'there is no such file' : 'there are no files here')
      return
    }
    const { size } = content
    content.close()
    if (this.transfers.length >= MOST_TRANSFERS) this.end(this.transfers[0], 'given up: there are too many')
    const request = this.log.add(this.clock.now(), 'tftp', from, what).number
    const transfer: Transfer = {
      ...{ ...peer, local: this.freePort(), path, request, size, tries: 0, due: 0 },
      ...{ block: DEFAULT_BLOCK, window: 1, timeout: DEFAULT_TIMEOUT, done: 0, oack: new Uint8Array() },
    }
    const agreed = negotiate(transfer, fields.slice(2))
    if (agreed.length > 0) {
      transfer.oack = Buffer.concat([
        Uint8Array.of(0, OACK),
        Buffer.from(agreed.map((word) => `${word}\0`).join(''), 'latin1'),
      ])
      transfer.done = -1
    }
    this.transfers.push(transfer)
    this.transmit(transfer)
  }

  private acknowledged(transfer: Transfer, number: number): void {
    const blocks = blocksOf(transfer)
    if (transfer.done < 0) {
      if (number !== 0) return
      transfer.done = 0
    } else {
      // Block numbers go round; an acknowledgement is of what was sent last, or of the part of it that came.
      const ahead = (number - transfer.done) & 0xffff
      if (ahead > transfer.window) return
      // One of what is acknowledged already, to a single block: sending again would double all that follows.
      if (ahead === 0 && transfer.window === 1) return
      transfer.done += ahead
    }
    transfer.tries = 0
    if (transfer.done >= blocks) this.end(transfer, `${transfer.size} bytes`)
    else this.transmit(transfer)
  }

  /** A window of blocks, or the options. */
  private transmit(transfer: Transfer): void {
    const { size, block, window, done, local } = transfer
    transfer.due = this.clock.now() + transfer.timeout * 1e9
    if (this.timer.deadline > transfer.due) this.timer.at(transfer.due)
    if (done < 0) {
      this.send(transfer, local, transfer.oack)
      return
    }
    const content = this.open(transfer.path)
    if (!content) {
      this.refuse(transfer, local, NOT_FOUND, 'the file is gone')
      this.end(transfer, 'the file is gone')
      return
    }
    const last = Math.min(done + window, blocksOf(transfer))
    for (let n = done + 1; n <= last; n++) {
      const offset = (n - 1) * block
      const data = new Uint8Array(4 + Math.max(0, Math.min(block, size - offset)))
      data.set([0, DATA, (n >>> 8) & 0xff, n & 0xff])
      content.read(offset, data.subarray(4))
      this.send(transfer, local, data)
    }
    content.close()
  }

  private tick(): void {
    const now = this.clock.now()
    for (const transfer of this.transfers.filter(({ due }) => due <= now)) {
      if (++transfer.tries < MOST_TRIES) this.transmit(transfer)
      else
        this.end(transfer, `given up after ${bytesDone(transfer)} of ${transfer.size} bytes: the guest does not answer`)
    }
    const next = Math.min(...this.transfers.map(({ due }) => due))
    this.timer.set(next)
  }

  private end(transfer: Transfer, result: string): void {
    this.transfers = this.transfers.filter((one) => one !== transfer)
    this.log.answered(transfer.request, result)
  }

  private refuse(peer: TftpPeer, from: number, code: number, why: string): void {
    this.send(peer, from, Buffer.concat([Uint8Array.of(0, ERROR, 0, code), Buffer.from(`${why}\0`, 'latin1')]))
  }

  private open(path: string): Content | undefined {
    const found = this.files?.open(path)
    return found === 'folder' ? undefined : found
  }

  private freePort(): number {
    do this.nextPort = this.nextPort >= 0xffff ? FIRST_PORT : this.nextPort + 1
    while (this.has(this.nextPort))
    return this.nextPort
  }
}

/** Options that are agreed to, by turns name and value. */
function negotiate(transfer: Transfer, fields: readonly string[]): string[] {
  const agreed: string[] = []
  for (let i = 0; i + 1 < fields.length && agreed.length < 8; i += 2) {
    const name = fields[i].toLowerCase()
    if (!/^\d{1,9}$/.test(fields[i + 1]) || agreed.includes(name)) continue
    const value = Number(fields[i + 1])
    if (name === 'tsize') agreed.push(name, String(transfer.size))
    else if (name === 'blksize' && value >= LEAST_BLOCK) {
      transfer.block = Math.min(value, MOST_BLOCK)
      agreed.push(name, String(transfer.block))
    } else if (name === 'windowsize' && value >= 1) {
      transfer.window = Math.min(value, MOST_WINDOW)
      agreed.push(name, String(transfer.window))
    } else if (name === 'timeout' && value >= 1 && value <= 255) {
      transfer.timeout = value
      agreed.push(name, fields[i + 1])
    }
  }
  return agreed
}

/** The last one is shorter than the others, and may be empty. */
function blocksOf({ size, block }: Transfer): number {
  return Math.floor(size / block) + 1
}

function bytesDone({ size, block, done }: Transfer): number {
  return Math.min(size, Math.max(0, done) * block)
}
