/** `bootwright codegen`: a live view in which what a person does becomes a test. */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { Command } from 'commander'
import { Recording } from '../../codegen/recording.js'
import { CodegenSession } from '../../codegen/session.js'
import { testName, writeTest } from '../../codegen/write-test.js'
import type { PageMessage } from '../../live/view-server.js'
import type { DiskConfig, MediumConfig } from '../../options/media-config.js'
import { VmThread } from '../../thread/machine-thread.js'
import type { LaunchOptions } from '../../vm/launch.js'
import { complain, EXIT, UsageError } from '../errors.js'
import { paragraphs } from '../help.js'
import { machineOptions, prepareMachine } from '../machine-options.js'
import { checkWritable } from '../outputs.js'
import { parseRun, type RunFlags, type RunRequest } from '../run-options.js'
import { Views } from '../views.js'
import { endings } from './run.js'

interface CodegenFlags extends RunFlags {
  output?: string
}

export function codegenCommand(): Command {
  return machineOptions(new Command('codegen'))
    .description('use a guest in the browser, and have what you do written as a test')
    .option('-o, --output <file>', 'the test to write, as in first-boot.test.ts')
    .option('--ui-port <n>', "the live view's port (default: any that is free)")
    .addHelpText('after', () => paragraphs(HELP))
    .action(async (guest: string | undefined, flags: CodegenFlags) => {
      process.exitCode = await codegen(guest, flags)
    })
}

const HELP = `
Keys and clicks become statements, and before each of them the test waits for what you saw on the screen. 'Assert text'
and a click on words, or 'Assert picture' and a box, become assertions; boxes become needles in 'needles' beside the test.
'Save test' or Ctrl+C ends it and writes the test, which runs by 'npx vitest run FILE'.`

async function codegen(guest: string | undefined, flags: CodegenFlags): Promise<number> {
  try {
    const file = checkOutput(flags.output)
    const request = parseRun(guest, { ...flags, ui: true }, [])
    const launch = launchOptions(guest, request)
    await prepareMachine(request)
    return await record(request, launch, file)
  } catch (error) {
    return complain(error)
  }
}

function checkOutput(file: string | undefined): string {
  if (!file) throw new UsageError('codegen needs a file to write; add -o first-boot.test.ts')
  if (!/\.(test|spec)\.[cm]?ts$/.test(file))
    throw new UsageError(`-o '${file}' is no name that vitest takes for a test; end it in .test.ts`)
  if (existsSync(file)) throw new UsageError(`-o '${file}' is there already; name another file, or remove it`)
  checkWritable('-o', file)
  return file
}

/** The machine as the test will launch it. */
export function launchOptions(guest: string | undefined, { values, failOn }: RunRequest): LaunchOptions {
  /** Short where there is no more than a path. */
  const medium = (one: MediumConfig) => {
    const { write: _, ...said } = one
    return Object.keys(said).length === 1 ? said.path : said
  }
  const disk = (one: DiskConfig) => (one.path === undefined ? one : medium(one))
  const { floppy, cdrom, disks, ...others } = values
  const options: LaunchOptions = {
    ...{ guest, floppy: floppy && [floppy].flat().map(medium), cdrom: cdrom && medium(cdrom) },
    ...{ disks: disks && [disks].flat().map(disk), ...others },
    failOn: failOn === false ? false : failOn?.map(({ source, flags }) => new RegExp(source, flags)),
  }
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

async function record(request: RunRequest, launch: LaunchOptions, file: string): Promise<number> {
  const recording = new Recording(testName(file))
  let vm: VmThread | undefined
  let views: Views | undefined
  let session: CodegenSession | undefined
  let finish = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = () => {
      session?.stop()
      resolve()
    }
  })
  const ending = endings(() => vm && { stop: finish, terminate: () => (vm as VmThread).terminate() })
  try {
    vm = await VmThread.start(request.machine, {
      onSerial: (port, bytes) => port === 0 && views?.onSerial(bytes),
      onProgress: (now) => views?.onProgress(now),
    })
    const started = performance.now()
    session = new CodegenSession(vm, `${basename(file)} – Bootwright`, recording, {
      onLines: (lines) => views?.server?.tell({ kind: 'lines', lines }),
      onNote: (text) => views?.server?.tell({ kind: 'note', text }),
      onGuestTime: (guestTimeNs) => views?.onProgress({ guestTimeNs, hostMs: performance.now() - started }),
    })
    views = await Views.open(request.views, session, { onTool: (message) => useTool(session, message, finish) })
    if (ending.asked) return EXIT.interrupted
    const stoppedBy = await session.run()
    if (stoppedBy !== undefined) {
      process.stderr.write(`the guest has stopped (${stoppedBy}); save the test, or press Ctrl+C\n`)
      await finished
    }
    if (recording.lines().length === 0) {
      process.stderr.write(`nothing was recorded, so ${file} was not written\n`)
      return ending.asked ? EXIT.interrupted : EXIT.failed
    }
    const written = await writeTest(file, launch, recording)
    for (const path of written) process.stderr.write(`wrote ${path}\n`)
    await views.close(`saved as ${file}`)
    return EXIT.ok
  } finally {
    await views?.close()
    await vm?.close()
    ending.forget()
  }
}

function useTool(session: CodegenSession | undefined, message: PageMessage, finish: () => void): void {
  const [x, y, width, height] = [message.x, message.y, message.width, message.height].map(Number)
  switch (message.kind) {
    case 'assert-text':
      session?.assertText(x, y)
      break
    case 'assert-box':
      session?.assertBox({ x, y, width, height })
      break
    case 'undo':
      session?.undo()
      break
    case 'save':
      finish()
  }
}
