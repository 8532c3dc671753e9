/**
 * A small encoder for AML, the byte code of ACPI's DSDT: each function is one production of the grammar and returns its
 * bytes. Specification: ACPI 6.5, chapter 20 (grammar), section 6.4 (resource data types).
 */

export type Aml = readonly number[]

// ---- Names and integers ---------------------------------------------------------------------------------------------

/** A name: `_HID`, `PCI0.ISA`, `\_SB` or `^LNKA`; segments of fewer than four characters are padded with `_`. */
export function name(path: string): Aml {
  const prefix = /^\\?\^*/.exec(path)?.[0] ?? ''
  const segments = path.slice(prefix.length).split('.').filter(Boolean)
  const bytes = [...prefix].map((character) => character.charCodeAt(0))
  if (segments.length === 0)
    bytes.push(0x00) // NullName
  else if (segments.length === 2)
    bytes.push(0x2e) // DualNamePrefix
  else if (segments.length > 2) bytes.push(0x2f, segments.length) // MultiNamePrefix
  for (const segment of segments) {
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw new RangeError(`'${segment}' is no ACPI name segment`)
    for (const character of segment.padEnd(4, '_')) bytes.push(character.charCodeAt(0))
  }
  return bytes
}

/** An integer constant in its shortest form, up to 32 bits (a DSDT of revision 1 has no wider ones). */
export function integer(value: number): Aml {
  if (value === 0) return [0x00] // ZeroOp
  if (value === 1) return [0x01] // OneOp
  if (value <= 0xff) return [0x0a, value] // BytePrefix
  if (value <= 0xffff) return [0x0b, ...le(value, 2)] // WordPrefix
  return [0x0c, ...le(value, 4)] // DWordPrefix
}

export function string(text: string): Aml {
  return [0x0d, ...ascii(text), 0]
}

/** EisaId("PNP0A03"): a compressed identifier, as an integer. */
export function eisaId(id: string): Aml {
  const letter = (index: number): number => (id.charCodeAt(index) - 0x40) & 0x1f
  const packed = (letter(0) << 26) | (letter(1) << 21) | (letter(2) << 16) | Number.parseInt(id.slice(3), 16)
  return [0x0c, ...le(packed >>> 0, 4).reverse()]
}

// ---- Objects --------------------------------------------------------------------------------------------------------

/** Name (path, value) */
export function named(path: string, value: Aml): Aml {
  return [0x08, ...name(path), ...value]
}

export function buffer(bytes: readonly number[]): Aml {
  return [0x11, ...withLength([...integer(bytes.length), ...bytes])]
}

export function pack(elements: readonly Aml[]): Aml {
  return [0x12, ...withLength([elements.length, ...elements.flat()])]
}

export function scope(path: string, ...terms: Aml[]): Aml {
  return [0x10, ...withLength([...name(path), ...terms.flat()])]
}

export function device(path: string, ...terms: Aml[]): Aml {
  return [0x5b, 0x82, ...withLength([...name(path), ...terms.flat()])]
}

/** Processor (path, id, 0, 0): the object of ACPI before 6.0, which every guest knows. */
export function processor(path: string, id: number): Aml {
  return [0x5b, 0x83, ...withLength([...name(path), id, ...le(0, 4), 0])]
}

export function method(path: string, options: { args: number; serialized?: boolean }, ...terms: Aml[]): Aml {
  return [0x14, ...withLength([...name(path), options.args | (options.serialized ? 8 : 0), ...terms.flat()])]
}

export const PCI_CONFIG = 2

export function operationRegion(path: string, space: number, offset: number, length: number): Aml {
  return [0x5b, 0x80, ...name(path), space, ...integer(offset), ...integer(length)]
}

/** Field (region, ByteAcc, NoLock, Preserve) with fields of so many bits, one after another. */
export function byteField(region: string, fields: readonly (readonly [string, number])[]): Aml {
  const list = fields.flatMap(([field, bits]) => [...name(field), ...packageLength(bits)])
  return [0x5b, 0x81, ...withLength([...name(region), 0x01, ...list])]
}

// ---- Statements and expressions -------------------------------------------------------------------------------------

/** Arg0 to Arg6. */
export function arg(index: number): Aml {
  return [0x68 + index]
}

export function createDWordField(source: Aml, byteIndex: number, field: string): Aml {
  return [0x8a, ...source, ...integer(byteIndex), ...name(field)]
}

export function store(value: Aml, target: Aml): Aml {
  return [0x70, ...value, ...target]
}

/** The operators without a target: their value is used where they stand. */
export function and(a: Aml, b: Aml): Aml {
  return [0x7b, ...a, ...b, 0x00]
}

export function or(a: Aml, b: Aml, target: Aml): Aml {
  return [0x7d, ...a, ...b, ...target]
}

export function lessThan(a: Aml, b: Aml): Aml {
  return [0x95, ...a, ...b]
}

export function iff(condition: Aml, ...terms: Aml[]): Aml {
  return [0xa0, ...withLength([...condition, ...terms.flat()])]
}

export function returns(value: Aml): Aml {
  return [0xa4, ...value]
}

/** A call of a method with its arguments. */
export function call(path: string, ...args: Aml[]): Aml {
  return [...name(path), ...args.flat()]
}

// ---- Resources (section 6.4) ----------------------------------------------------------------------------------------

/** ResourceTemplate () { ... }: the descriptors and their end tag. */
export function resources(...descriptors: Aml[]): Aml {
  return buffer([...descriptors.flat(), 0x79, 0x00])
}

/** IO (Decode16, base, base, 1, length) */
export function io(base: number, length: number): Aml {
  return [0x47, 0x01, ...le(base, 2), ...le(base, 2), 0x01, length]
}

/** IRQNoFlags () {irq}: edge-triggered, active high, as on the ISA bus. */
export function irqNoFlags(irq: number): Aml {
  return [0x22, ...le(1 << irq, 2)]
}

/** DMA (Compatibility, NotBusMaster, Transfer8) {channel} */
export function dma(channel: number): Aml {
  return [0x2a, 1 << channel, 0x00]
}

/** Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) {irqs} */
export function interrupt(...irqs: number[]): Aml {
  const body = [0x09, irqs.length, ...irqs.flatMap((irq) => le(irq, 4))]
  return [0x89, ...le(body.length, 2), ...body]
}

/** Memory32Fixed (ReadOnly, base, length) */
export function memory32Fixed(base: number, length: number): Aml {
  return [0x86, ...le(9, 2), 0x00, ...le(base, 4), ...le(length, 4)]
}

/** WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, first, last, 0, count) */
export function wordBusNumber(first: number, last: number): Aml {
  return [0x88, ...le(13, 2), 2, 0x0c, 0, ...[0, first, last, 0, last - first + 1].flatMap((value) => le(value, 2))]
}

/** WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, first, last, 0, count) */
export function wordIo(first: number, last: number): Aml {
  return [0x88, ...le(13, 2), 1, 0x0c, 3, ...[0, first, last, 0, last - first + 1].flatMap((value) => le(value, 2))]
}

/** DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable or NonCacheable, ReadWrite, ...) */
export function dwordMemory(first: number, last: number, cacheable: boolean): Aml {
  const flags = cacheable ? 0x03 : 0x01
  return [0x87, ...le(23, 2), 0, 0x0c, flags, ...[0, first, last, 0, last - first + 1].flatMap((value) => le(value, 4))]
}

// ---- Lengths --------------------------------------------------------------------------------------------------------

/** PkgLength before what it covers; it counts itself. */
function withLength(body: Aml): Aml {
  for (let bytes = 1; bytes <= 4; bytes++) {
    const length = packageLength(body.length + bytes)
    if (length.length === bytes) return [...length, ...body]
  }
  throw new RangeError('an AML package is too long')
}

function packageLength(length: number): Aml {
  if (length < 0x40) return [length]
  const bytes = length < 0x1000 ? 1 : length < 0x100000 ? 2 : 3
  return [(bytes << 6) | (length & 0x0f), ...le(Math.floor(length / 16), bytes)]
}

function le(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * index)) & 0xff)
}

function ascii(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0))
}
