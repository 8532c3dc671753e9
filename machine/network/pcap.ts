/** Frames as tcpdump and Wireshark read them: the classic file format (draft-ietf-opsawg-pcap), with nanoseconds. */

const MAGIC_NANOSECONDS = 0xa1b23c4d
const LINKTYPE_ETHERNET = 1
const SNAP_LENGTH = 65535

export function pcapHeader(): Uint8Array {
  const header = new DataView(new ArrayBuffer(24))
  header.setUint32(0, MAGIC_NANOSECONDS, true)
  header.setUint16(4, 2, true)
  header.setUint16(6, 4, true)
  header.setUint32(16, SNAP_LENGTH, true)
  header.setUint32(20, LINKTYPE_ETHERNET, true)
  return new Uint8Array(header.buffer)
}

/** @param time Nanoseconds since `epoch`, which is in seconds since 1970. */
export function pcapRecord(frame: Uint8Array, time: number, epoch: number): Uint8Array {
  const record = new Uint8Array(16 + frame.length)
  const view = new DataView(record.buffer)
  const whole = Math.floor(epoch)
  const ns = time + (epoch - whole) * 1e9
  view.setUint32(0, whole + Math.floor(ns / 1e9), true)
  view.setUint32(4, Math.floor(ns % 1e9), true)
  view.setUint32(8, frame.length, true)
  view.setUint32(12, frame.length, true)
  record.set(frame, 16)
  return record
}
