/** Texts and numbers out of files that nobody vouches for. */

/** Names in files go to terminals: without what no name holds, and no longer than C++'s. */
export function cleanName(name: string): string {
  return name.slice(0, 256).replace(/[^\x21-\x7e\u00a0-\uffff]/g, '?')
}

/** Of a path, as Linux has it. Millions of names may point into one text that does not end. */
const LONGEST_TEXT = 4096

/** A text that ends with a zero byte, or where its table does; at most so many bytes of it. */
export function textAt(table: Uint8Array, offset: number, longest = LONGEST_TEXT): string {
  if (offset < 0 || offset >= table.length) return ''
  const bytes = table.subarray(offset, offset + longest)
  const end = bytes.indexOf(0)
  return Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end).toString('utf8')
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
