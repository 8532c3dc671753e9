/** Texts and numbers out of files that nobody vouches for. */

/** Names in files go to terminals: without what no name holds, and no longer than C++'s. */
export function cleanName(name: string): string {
  return name.replace(/[^\x21-\x7e\u00a0-\uffff]/g, '?').slice(0, 256)
}

/** A text that ends with a zero byte, or where its table does. */
export function textAt(table: Uint8Array, offset: number): string {
  if (offset < 0 || offset >= table.length) return ''
  const end = table.indexOf(0, offset)
  return Buffer.from(table.buffer, table.byteOffset + offset, (end < 0 ? table.length : end) - offset).toString('utf8')
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
