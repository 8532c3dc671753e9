/**
 * The answers of a CD drive that are tables: INQUIRY, MODE SENSE pages, TOC, configuration. Each function fills `into`
 * from its start and returns the length. SCSI-3 Primary Commands (T10 995D), Multi-Media Commands 3 (T10 1363D).
 */

export const CD_SECTOR = 2048
/** Current profiles, MMC-3 table 76; a medium beyond 80 minutes is taken for a DVD. */
const PROFILE_CD_ROM = 0x08
const PROFILE_DVD_ROM = 0x10
const CD_MAX_SECTORS = 80 * 60 * 75
/** Data track, copying prohibited, and the address of a current position. */
const ADR_CONTROL = 0x14
const LEAD_OUT = 0xaa
/** Two seconds before the first sector. */
const PREGAP = 150

export function put16(into: Uint8Array, at: number, value: number): void {
  into[at] = value >> 8
  into[at + 1] = value
}

export function put32(into: Uint8Array, at: number, value: number): void {
  put16(into, at, value >>> 16)
  put16(into, at + 2, value & 0xffff)
}

/** Minutes, seconds, frames of a sector, at `at` and the two bytes after it. */
export function putMsf(into: Uint8Array, at: number, sector: number, bcd = false): void {
  const frames = sector + PREGAP
  const parts = [Math.floor(frames / 4500), Math.floor(frames / 75) % 60, frames % 75]
  parts.forEach((part, i) => {
    into[at + i] = bcd ? (Math.floor(part / 10) << 4) | (part % 10) : part
  })
}

function putText(into: Uint8Array, at: number, text: string, length: number): void {
  const padded = text.padEnd(length)
  for (let i = 0; i < length; i++) into[at + i] = padded.charCodeAt(i)
}

export function inquiry(into: Uint8Array, product: string, revision: string): number {
  into.fill(0, 0, 36)
  // A CD drive, removable, ATAPI-2 with response format 1.
  into.set([0x05, 0x80, 0x00, 0x21, 36 - 5])
  putText(into, 8, 'BOOTWRT', 8)
  putText(into, 16, product, 16)
  putText(into, 32, revision, 4)
  return 36
}

/** Vital product data page 00h (supported pages) or 83h (identification); 0 for others. */
export function vitalProductData(into: Uint8Array, page: number, serial: string): number {
  if (page === 0x00) {
    into.set([0x05, 0x00, 0x00, 2, 0x00, 0x83])
    return 6
  }
  if (page !== 0x83) return 0
  const text = serial.padEnd(20).slice(0, 20)
  into.set([0x05, 0x83, 0x00, 4 + 20, 0x02, 0x00, 0x00, 20])
  putText(into, 8, text, 20)
  return 28
}

export function requestSense(into: Uint8Array, key: number, asc: number, ascq: number): number {
  into.fill(0, 0, 18)
  into[0] = 0xf0
  into[2] = key
  into[7] = 10
  into[12] = asc
  into[13] = ascq
  return 18
}

interface DriveState {
  readonly locked: boolean
}

/** Pages in the order in which "all pages" shows them. */
const MODE_PAGES: { readonly [code: number]: (state: DriveState) => number[] } = {
  // Read error recovery: five retries.
  1: () => [0x01, 6, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00],
  // CD device parameters: 60 seconds a minute, 75 frames a second.
  13: () => [0x0d, 6, 0x00, 0x0d, 0x00, 60, 0x00, 75],
  // Audio control: IMMED, two channels at full volume.
  14: () => [0x0e, 14, 0x04, 0, 0, 0, 0, 75, 1, 0xff, 2, 0xff, 0, 0, 0, 0],
  // Capabilities: reads CD-R, CD-RW, DVD; audio, mode 2 forms; lock, eject, tray; 704 kB/s, 512 KiB buffer.
  42: (state) => [
    ...[0x2a, 20, 0x3b, 0x00, 0x71, 0x60, 0x29 | (state.locked ? 0x02 : 0), 0x00],
    ...[704 >> 8, 704 & 0xff, 0, 2, 512 >> 8, 512 & 0xff, 704 >> 8, 704 & 0xff, 0, 0, 0, 0, 0, 0],
  ],
}

/** MODE SENSE of one page or all (3fh) behind a header of 4 (MODE SENSE(6)) or 8 bytes. 0: no such page. */
export function modeSense(into: Uint8Array, page: number, headerLength: 4 | 8, state: DriveState): number {
  const codes = page === 0x3f ? Object.keys(MODE_PAGES).map(Number) : [page]
  let length = headerLength
  into.fill(0, 0, length)
  for (const code of codes) {
    const bytes = MODE_PAGES[code]?.(state)
    if (!bytes) return 0
    into.set(bytes, length)
    length += bytes.length
  }
  if (headerLength === 8) {
    put16(into, 0, length - 2)
    into[2] = 0x70
  } else {
    into[0] = length - 1
    into[1] = 0x70
  }
  return length
}

/** READ TOC/PMA/ATIP of a disc with one data track. 0: no such track or format. */
export function readToc(into: Uint8Array, format: number, msf: boolean, start: number, sectors: number): number {
  const address = (at: number, sector: number): void => {
    into[at] = 0
    if (msf) putMsf(into, at + 1, sector)
    else put32(into, at, sector)
  }
  if (format === 0) {
    if (start > 1 && start !== LEAD_OUT) return 0
    let length = 4
    for (const [track, sector] of [
      [1, 0],
      [LEAD_OUT, sectors],
    ]) {
      if (start === LEAD_OUT && track !== LEAD_OUT) continue
      into.set([0, track === 1 ? ADR_CONTROL : 0x16, track, 0], length)
      address(length + 4, sector)
      length += 8
    }
    into.set([0, length - 2, 1, 1])
    return length
  }
  if (format === 1) {
    into.set([0, 10, 1, 1, 0, ADR_CONTROL, 1, 0])
    address(8, 0)
    return 12
  }
  if (format !== 2) return 0
  // The raw TOC: first track, last track, lead-out, and the track. PMIN, PSEC, PFRAME are the payload.
  let length = 4
  for (const point of [0xa0, 0xa1, 0xa2, 1]) {
    into.fill(0, length, length + 11)
    into.set([1, ADR_CONTROL, 0, point], length)
    if (point === 0xa2) putMsf(into, length + 8, sectors)
    else if (point === 1) putMsf(into, length + 8, 0)
    else into[length + 8] = 1
    length += 11
  }
  into.set([0, length - 2, 1, 1])
  return length
}

/** GET CONFIGURATION: the features that a CD/DVD-ROM has. `type` 0 all, 1 current ones, 2 just `first`. */
export function getConfiguration(into: Uint8Array, type: number, first: number, sectors: number): number {
  const profile = sectors === 0 ? 0 : sectors > CD_MAX_SECTORS ? PROFILE_DVD_ROM : PROFILE_CD_ROM
  const current = (which: number) => (profile === which ? 1 : 0)
  const features: { code: number; current: boolean; bytes: number[] }[] = [
    {
      code: 0x0000,
      current: true,
      bytes: [
        ...[0x03, 8, 0, PROFILE_DVD_ROM, current(PROFILE_DVD_ROM), 0],
        ...[0, PROFILE_CD_ROM, current(PROFILE_CD_ROM), 0],
      ],
    },
    // Core: ATAPI.
    { code: 0x0001, current: true, bytes: [0x0b, 8, 0, 0, 0, 2, 1, 0, 0, 0] },
    // Removable medium: a tray that loads, ejects and locks.
    { code: 0x0003, current: true, bytes: [0x03, 4, 0x39, 0, 0, 0] },
    // Random readable: 2048-byte blocks, one a unit.
    { code: 0x0010, current: profile !== 0, bytes: [profile ? 1 : 0, 8, 0, 0, 8, 0, 0, 1, 0, 0] },
    { code: 0x001e, current: profile === PROFILE_CD_ROM, bytes: [current(PROFILE_CD_ROM), 4, 0, 0, 0, 0] },
    { code: 0x001f, current: profile === PROFILE_DVD_ROM, bytes: [current(PROFILE_DVD_ROM), 0] },
  ]
  let length = 8
  into.fill(0, 0, length)
  for (const feature of features) {
    if (type === 2 ? feature.code !== first : feature.code < first) continue
    if (type === 1 && !feature.current) continue
    put16(into, length, feature.code)
    into.set(feature.bytes, length + 2)
    length += 2 + feature.bytes.length
  }
  put32(into, 0, length - 4)
  put16(into, 6, profile)
  return length
}

export function readDiscInformation(into: Uint8Array): number {
  into.fill(0, 0, 34)
  // A complete, finalized disc of one session with one track, unrestricted use.
  into.set([0, 32, 0x0e, 1, 1, 1, 1, 0x20])
  return 34
}

export function mechanismStatus(into: Uint8Array): number {
  into.fill(0, 0, 8)
  into[5] = 1
  return 8
}
