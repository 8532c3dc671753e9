/** Bytes of a connection as they are asked for, however they arrive. */

/** The other end has gone. */
export class ConnectionEnded extends Error {
  override readonly name = 'ConnectionEnded'
}

export class ByteReader {
  private chunks: Buffer[] = []
  private length = 0
  private ended = false
  private waiting: { count: number; resolve: (bytes: Buffer) => void; reject: (error: Error) => void } | undefined

  /** Bytes that nobody has read yet. */
  get waitingBytes(): number {
    return this.length
  }

  push(bytes: Uint8Array): void {
    if (this.ended) return
    this.chunks.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    this.length += bytes.byteLength
    const { waiting } = this
    if (!waiting || this.length < waiting.count) return
    this.waiting = undefined
    waiting.resolve(this.take(waiting.count))
  }

  /** What has come may still be read; what comes after is dropped. */
  end(): void {
    this.ended = true
    this.waiting?.reject(new ConnectionEnded('the connection has ended'))
    this.waiting = undefined
  }

  /** One reader at a time. Rejects with ConnectionEnded where they do not come any more. */
  read(count: number): Promise<Buffer> {
    if (this.length >= count) return Promise.resolve(this.take(count))
    if (this.ended) return Promise.reject(new ConnectionEnded('the connection has ended'))
    return new Promise((resolve, reject) => {
      this.waiting = { count, resolve, reject }
    })
  }

  /** Reads without keeping. */
  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) left -= (await this.read(Math.min(left, 4096))).length
  }

  private take(count: number): Buffer {
    const all = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks, this.length)
    this.length -= count
    this.chunks = this.length > 0 ? [all.subarray(count)] : []
    return all.subarray(0, count)
  }
}
