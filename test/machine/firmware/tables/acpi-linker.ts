/** What SeaBIOS does with `etc/table-loader`: places the files, adds addresses, makes checksums. */

export interface LinkedTable {
  readonly signature: string
  readonly address: number
  readonly bytes: Uint8Array
}

export class LinkedAcpi {
  private readonly places = new Map<string, { address: number; bytes: Uint8Array }>()

  constructor(files: { readonly [name: string]: Uint8Array }, addresses: { readonly [name: string]: number }) {
    const script = files['etc/table-loader']
    if (script.length % 128 !== 0) throw new Error(`script of ${script.length} bytes`)
    for (let at = 0; at < script.length; at += 128) {
      const view = new DataView(script.buffer, script.byteOffset + at, 128)
      const text = (offset: number): string =>
        new TextDecoder().decode(script.subarray(at + offset, at + offset + 56)).replace(/\0+$/, '')
      const command = view.getUint32(0, true)
      if (command === 1) {
        const file = text(4)
        const alignment = view.getUint32(60, true)
        const zone = view.getUint8(64)
        const address = addresses[file]
        if (address % alignment !== 0) throw new Error(`${file}: alignment ${alignment}`)
        if (zone !== (address < 0x100000 ? 2 : 1)) throw new Error(`${file}: zone ${zone}`)
        this.places.set(file, { address, bytes: files[file].slice() })
      } else if (command === 2) {
        const { bytes } = this.place(text(4))
        const source = this.place(text(60))
        const offset = view.getUint32(116, true)
        const size = view.getUint8(120)
        const target = new DataView(bytes.buffer)
        if (size === 4) target.setUint32(offset, target.getUint32(offset, true) + source.address, true)
        else if (size === 8)
          target.setBigUint64(offset, target.getBigUint64(offset, true) + BigInt(source.address), true)
        else throw new Error(`pointer of ${size} bytes`)
      } else if (command === 3) {
        const { bytes } = this.place(text(4))
        const [offset, start, length] = [60, 64, 68].map((field) => view.getUint32(field, true))
        if (start + length > bytes.length) throw new Error('checksum beyond the file')
        bytes[offset] -= sum(bytes.subarray(start, start + length))
      } else throw new Error(`command ${command}`)
    }
  }

  rsdp(): Uint8Array {
    return this.place('etc/acpi/rsdp').bytes
  }

  /** The table at a guest address, with its own length. */
  tableAt(address: number): LinkedTable {
    const place = this.place('etc/acpi/tables')
    const start = address - place.address
    if (start < 0 || start + 8 > place.bytes.length) throw new Error(`no table at 0x${address.toString(16)}`)
    const length = new DataView(place.bytes.buffer).getUint32(start + 4, true)
    const bytes = place.bytes.slice(start, start + length)
    return { signature: new TextDecoder().decode(bytes.subarray(0, 4)), address, bytes }
  }

  /** The tables a root table (RSDT or XSDT) lists. */
  listedBy(root: LinkedTable): LinkedTable[] {
    const view = new DataView(root.bytes.buffer)
    const step = root.signature === 'XSDT' ? 8 : 4
    const tables: LinkedTable[] = []
    for (let at = 36; at < root.bytes.length; at += step)
      tables.push(this.tableAt(step === 8 ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true)))
    return tables
  }

  private place(file: string): { address: number; bytes: Uint8Array } {
    const place = this.places.get(file)
    if (!place) throw new Error(`${file} is not allocated`)
    return place
  }
}

export function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => (total + byte) & 0xff, 0)
}
