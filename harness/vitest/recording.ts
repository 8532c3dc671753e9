/**
 * What a test leaves for its report: the trace of its machine, its serial lines as asciicasts, a video where one is
 * asked for. The words and their meaning are Playwright's.
 */

import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { writeOutputFile } from '../../machine/host/output-file.js'
import { complaint } from '../cli/errors.js'
import { withPath } from '../cli/outputs.js'
import { encodePng } from '../picture/screenshot.js'
import { TraceRecorder } from '../vm/trace.js'
import type { Vm, VmSettings } from '../vm/vm.js'

/** Which tests leave it; `retain-on-failure` records all and keeps what failed. */
export type Keep = (typeof KEEP)[number]

export interface RecordingOptions {
  /** The trace and the serial lines. Default `retain-on-failure`. */
  trace?: Keep
  /** Animated WebP of the screen. Default `retain-on-failure`. */
  video?: Keep
}

export interface Ended {
  failed: boolean
  /** How often the test had been tried before. */
  retry: number
}

const KEEP = ['off', 'on', 'retain-on-failure', 'on-first-retry'] as const
const SERIAL_PORTS = 4
/** Of frames that are copied into the report. */
const LARGEST_CAPTURE = 32 << 20

export class Recording {
  private readonly recorder: TraceRecorder | undefined
  private began = 0

  /**
   * @param retry How often the test was tried before.
   * @throws TypeError with one sentence for a word that is none of Playwright's.
   */
  constructor(
    private readonly vm: Vm,
    title: string,
    private readonly options: Required<RecordingOptions>,
    retry: number,
  ) {
    for (const name of ['trace', 'video'] as const) {
      if (!KEEP.includes(options[name]))
        throw new TypeError(`${name} '${options[name]}' is unknown; it may be ${KEEP.join(', ')}`)
    }
    const wanted = [options.trace, options.video].some((keep) => records(keep, retry))
    this.recorder = wanted ? new TraceRecorder(title, vm.engine) : undefined
  }

  async begin(): Promise<void> {
    this.began = (await this.vm.look()).guestTimeNs
    if (this.recorder) await this.vm.trace(this.recorder)
  }

  /** Guest time that has passed since, ns. */
  guestTimeNs(): number {
    return Math.max(0, this.vm.driver.guestTimeNs - this.began)
  }

  /** Writes what is to be kept. What cannot be written is said on standard error, and does not change the test's result. */
  async end(folder: string, ended: Ended): Promise<void> {
    const { recorder, vm } = this
    if (!recorder) return
    const suffix = ended.retry > 0 ? `-retry${ended.retry}` : ''
    const put = async (name: string, content: string | Uint8Array) => {
      await mkdir(folder, { recursive: true })
      writeOutputFile(join(folder, name), content)
    }
    try {
      if (keeps(this.options.trace, ended)) {
        const trace = await recorder.finish(ended.failed ? 'failed' : 'passed')
        await put(`trace${suffix}.trace.json`, JSON.stringify(trace))
        for (let port = 0; port < SERIAL_PORTS; port++) {
          const line = vm.serial[port]
          if (line.raw().length > 0) await put(`COM${port + 1}${suffix}.cast`, line.asciicast(`COM${port + 1}`))
        }
      }
      if (keeps(this.options.video, ended)) {
        const video = await recorder.video()
        if (video) await put(`video${suffix}.webp`, video)
      }
      if (ended.failed && !vm.driver.closed && vm.driver.kept === 0) {
        const frame = await vm.screen.frame()
        if (frame.width > 0 && frame.height > 0) await put(`last-screen${suffix}.png`, await encodePng(frame))
      }
    } catch (error) {
      console.error(`bootwright: what this test leaves is not complete: ${complaint(withPath(error, folder)).message}`)
    }
  }
}

/** Frames of a test's network cards, whole when its machine is closed. A large file stays where it is, and that is said. */
export function keepCaptures(captures: VmSettings['captures'] = {}, folder: string, retry: number): void {
  const suffix = retry > 0 ? `-retry${retry}` : ''
  for (const [nic, path] of Object.entries(captures)) {
    try {
      const { size } = statSync(path)
      mkdirSync(folder, { recursive: true })
      if (size <= LARGEST_CAPTURE) writeOutputFile(join(folder, `${nic}${suffix}.pcap`), readFileSync(path))
      else writeOutputFile(join(folder, `${nic}${suffix}.txt`), `The frames of ${nic}, ${size} bytes: ${path}\n`)
    } catch (error) {
      console.error(
        `bootwright: the frames of ${nic} are not in the report: ${complaint(withPath(error, path)).message}`,
      )
    }
  }
}

function records(keep: Keep, retry: number): boolean {
  return keep === 'on-first-retry' ? retry === 1 : keep !== 'off'
}

function keeps(keep: Keep, { failed, retry }: Ended): boolean {
  if (keep === 'retain-on-failure') return failed
  return records(keep, retry)
}
