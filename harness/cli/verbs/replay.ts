/** `bootwright replay`: the same run again, from what `bootwright run --record` wrote. */
import { Command } from 'commander'
import { printableJson } from '../../../reports/printable.js'
import { screenText } from '../../picture/screen-text.js'
import { Replay } from '../../runtime/recordings/replay.js'
import { tryParseDuration } from '../../units/durations.js'
import { complain, EXIT, UsageError } from '../errors.js'
import { ensureFirmware } from '../firmware.js'
import { checkWritable } from '../outputs.js'
import { errorJson, printJson } from '../run-report.js'

interface ReplayFlags {
  untilTime?: string
  screenshot?: string
  json?: boolean
}

export function replayCommand(): Command {
  return new Command('replay')
    .description('run a recorded run again, to the same instruction, and say where it is')
    .argument('<recording>', "what 'bootwright run --record' wrote")
    .option(
      '--until-time <duration>',
      "stop at this guest time since power-on, e.g. 12.5s; default: the recording's end",
    )
    .option('--screenshot <file.png>', 'write the picture there')
    .option('--json', 'print one JSON object on standard output, everything else on standard error')
    .action(async (file: string, flags: ReplayFlags) => {
      process.exitCode = await replay(file, flags)
    })
}

async function replay(file: string, flags: ReplayFlags): Promise<number> {
  let running: Replay | undefined
  try {
    const until = flags.untilTime === undefined ? Number.POSITIVE_INFINITY : tryParseDuration(flags.untilTime)
    if (until === undefined)
      throw new UsageError(`--until-time '${flags.untilTime}' is not a duration; write it as in 12.5s or 1m20s`)
    if (flags.screenshot !== undefined) checkWritable('--screenshot', flags.screenshot)
    await ensureFirmware()
    running = await Replay.open(file)
    if (Number.isFinite(until) && until > running.end)
      throw new UsageError(
        `--until-time ${flags.untilTime} is behind the recording's end at ${running.end / 1e9} s; take an earlier time`,
      )
    running.runTo(until)
    await report(running, flags)
    return EXIT.ok
  } catch (error) {
    if (flags.json) printJson(errorJson(error))
    return complain(error)
  } finally {
    running?.close()
  }
}

async function report({ machine, verified }: Replay, { screenshot, json }: ReplayFlags): Promise<void> {
  const cells = machine.display.text()
  if (screenshot !== undefined) {
    const { writePng } = await import('../../picture/screenshot.js')
    await writePng(screenshot, machine.display.frame())
  }
  const [guestTimeNs, instructions] = [machine.now(), machine.instructions()]
  process.stderr.write(
    `replayed to ${(guestTimeNs / 1e9).toFixed(3)} s of guest time, instruction ${instructions.toLocaleString('en-US')}; ` +
      `${verified} of the recording's hashes compared, all equal\n`,
  )
  if (!json) return
  process.stdout.write(
    `${printableJson({ outcome: 'ok', exitCode: EXIT.ok, guestTimeNs, instructions, verified, text: cells && screenText(cells), screenshot }, 2)}\n`,
  )
}
