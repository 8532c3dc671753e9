/** A card's frames in a file, in the order of their times on the cable. */
import { statSync } from 'node:fs'
import { join, parse } from 'node:path'
import { HostError } from '../../machine/errors.js'
import { OutputFile, UnwritableFile } from '../../machine/host/output-file.js'
import { MediaError } from '../../machine/media/open-medium.js'
import { pcapHeader, pcapRecord } from '../../machine/network/pcap.js'

/** Then no more is written, bytes. */
const LARGEST = 2 ** 30

/** The host has no room for it, or another trouble; one sentence. */
export class CaptureError extends HostError {
  override readonly name = 'CaptureError'
}

/** Files that get the frames of network cards, by the cards' names. */
export interface Captures {
  readonly [nic: string]: string
}

/** `F-fork1.pcap` in place of `F.pcap`, for a machine that goes on from another one. What is no file has one writer alone. */
export function capturesOfCopy(captures: Captures = {}, copy: string): Captures {
  const files = Object.entries(captures).filter(
    ([, path]) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? true,
  )
  const named = (path: string) => {
    const { dir, name, ext } = parse(path)
    return join(dir, `${name}-${copy}${ext}`)
  }
  return Object.fromEntries(files.map(([nic, path]) => [nic, named(path)]))
}

export class CaptureFile {
  /** Frames that are not on the cable yet. */
  private readonly waiting: { frame: Uint8Array; time: number }[] = []
  private written = 0
  /** Why it is not whole, a sentence. */
  failure: string | undefined

  private constructor(
    readonly path: string,
    private readonly file: OutputFile,
    private readonly epoch: number,
  ) {
    this.write(pcapHeader())
  }

  /** @param epoch Guest time 0, in seconds since 1970. Throws a MediaError where its path is wrong, a CaptureError where the host cannot write it. */
  static open(path: string, epoch: number): CaptureFile {
    let capture: CaptureFile
    try {
      capture = new CaptureFile(path, OutputFile.growing(path), epoch)
    } catch (error) {
      if (error instanceof UnwritableFile) throw new MediaError(`the capture ${error.message}`)
      throw error
    }
    const { failure } = capture
    if (failure === undefined) return capture
    capture.file.drop()
    throw new CaptureError(`the capture ${JSON.stringify(path)} cannot be written (${failure}); name another file`)
  }

  /** `now` is when it is told: frames that come later are not earlier on the cable than that. */
  add(frame: Uint8Array, time: number, now: number): void {
    const { waiting } = this
    const before = waiting.findLastIndex((other) => other.time <= time)
    waiting.splice(before + 1, 0, { frame: frame.slice(), time })
    while (waiting.length > 0 && waiting[0].time <= now) this.writeFirst()
  }

  /** Writes what waits for frames of earlier times: the machine goes back, and what comes then stands behind all this. */
  settle(): void {
    while (this.waiting.length > 0) this.writeFirst()
  }

  close(): void {
    this.settle()
    try {
      this.file.finish()
    } catch (error) {
      this.failure ??= (error as Error).message
    }
  }

  private writeFirst(): void {
    const { frame, time } = this.waiting.shift() as { frame: Uint8Array; time: number }
    this.write(pcapRecord(frame, time, this.epoch))
  }

  private write(bytes: Uint8Array): void {
    if (this.failure !== undefined) return
    if (this.written + bytes.length > LARGEST) {
      this.failure = `it is ${LARGEST / 2 ** 30} GiB large, and what came after that is not in it`
      return
    }
    try {
      this.file.write(bytes)
      this.written += bytes.length
    } catch (error) {
      this.failure = (error as Error).message
    }
  }
}
