/**
 * What goes between the LAN and the world outside the machine: connections that the test or the host opens to a guest, and
 * what a guest sends to addresses that are not the LAN's, where it has a way out. Plain data both ways. What comes in is
 * input, recorded as such, so that a run goes on alike where there is no world outside.
 */

/** One datagram's ends; addresses as text. */
export interface DatagramEnds {
  /** The guest's station. */
  mac: string
  /** The guest's address. */
  guest: string
  /** The other one's. */
  far: string
}

interface UdpPorts {
  guestPort: number
  farPort: number
}

/** To the LAN. A stream's number is the one that `dial` gave it, or the LAN's `asked`. */
export type OutsideInput =
  /** A connection to a port of a guest's: at an address, or at that of one of these stations; by default of the one that got its address last. */
  | { kind: 'dial'; stream: number; port: number; guest?: string; macs?: readonly string[] }
  /** The far side of what the guest asked for is there. */
  | { kind: 'stream-answered'; stream: number }
  /** No more than was taken. */
  | { kind: 'stream-data'; stream: number; bytes: Uint8Array }
  /** So many bytes of the guest's have been handed on. */
  | { kind: 'stream-taken'; stream: number; count: number }
  /** Nothing more will come. */
  | { kind: 'stream-ended'; stream: number }
  /** It is not there, or no longer. */
  | { kind: 'stream-gone'; stream: number; why: string }
  /** Something went wrong there that whoever reads the LAN's log is to know. */
  | { kind: 'outside-note'; guest: string; what: string; result: string }
  /** The world that all streams led to is another one. */
  | { kind: 'outside-gone' }
  /** A datagram that nobody asked for, to a port of a guest's as in `dial`; what the guest answers to `farPort` goes out. */
  | { kind: 'udp-forward'; guest?: string; guestPort: number; farPort: number; bytes: Uint8Array }
  | ({ kind: 'udp-in'; bytes: Uint8Array } & DatagramEnds & UdpPorts)
  /** An echo reply's bytes behind its type, code and checksum. */
  | ({ kind: 'echo-in'; bytes: Uint8Array } & DatagramEnds)

/** From the LAN. */
export type OutsideEvent =
  /** The guest opens a connection to there. */
  | { kind: 'asked'; stream: number; address: string; port: number }
  /** The guest has taken the connection that was opened to it. */
  | { kind: 'opened'; stream: number }
  /** `isMore`: the guest has said more at once, which comes next (TCP's PSH is not set). */
  | { kind: 'data'; stream: number; bytes: Uint8Array; isMore?: true }
  /** The guest has so many bytes more. */
  | { kind: 'taken'; stream: number; count: number }
  /** The guest has nothing more to say. */
  | { kind: 'ended'; stream: number }
  /** It is over; `why` where that was not in order. */
  | { kind: 'closed'; stream: number; why?: string }
  | ({ kind: 'udp-out'; bytes: Uint8Array } & DatagramEnds & UdpPorts)
  | ({ kind: 'echo-out'; bytes: Uint8Array } & DatagramEnds)

/** What is sent to a stream before it was taken, at most. */
export const STREAM_CREDIT = 128 << 10

const KINDS: { readonly [kind in OutsideInput['kind']]: true } = {
  ...{ dial: true, 'stream-answered': true, 'stream-data': true, 'stream-taken': true, 'stream-ended': true },
  ...{
    'stream-gone': true,
    'outside-note': true,
    'outside-gone': true,
    'udp-in': true,
    'udp-forward': true,
    'echo-in': true,
  },
}

export function isOutsideInput(event: { kind: string }): event is OutsideInput {
  return Object.hasOwn(KINDS, event.kind)
}
