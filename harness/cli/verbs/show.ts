/** `bootwright show-report` and `show-trace`: serve a page on loopback until they are interrupted. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { readRegular, UnreadableFile } from '../../../machine/media/regular-file.js'
import { parseTrace } from '../../../reports/trace.js'
import { renderTraceHtml } from '../../../reports/trace-html.js'
import { REPORT_FILE, readRun } from '../../../reports/write-run.js'
import { UsageError } from '../errors.js'
import { filesBelow, serveUntilInterrupted } from '../page-server.js'

/** Where runs leave their report, and where the verbs look for it. */
export const REPORT_FOLDER = 'bootwright-report'

/** Of a trace, bytes; a string of JavaScript is not longer. */
const LARGEST = 512 << 20

export function showReportCommand(): Command {
  return withPort(new Command('show-report'))
    .description("serve a run's report on this machine's loopback address")
    .argument('[path]', 'the folder of a report, or its run.json or report.html', REPORT_FOLDER)
    .action(async (path: string, { port }: { port: number }) => {
      const folder = reportFolder(path)
      readRun(folder)
      await serveUntilInterrupted(`/${REPORT_FILE}`, filesBelow(folder), port)
    })
}

export function showTraceCommand(): Command {
  return withPort(new Command('show-trace'))
    .description("serve the viewer of a test's trace on this machine's loopback address")
    .argument('<file>', 'the trace')
    .action(async (file: string, { port }: { port: number }) => {
      const page = Buffer.from(renderTraceHtml(parseTrace(readJson(file))))
      await serveUntilInterrupted('/trace.html', (name) => (name === '/trace.html' ? page : undefined), port)
    })
}

function withPort(command: Command): Command {
  return command.option('--port <number>', 'TCP port; default a free one', parsePort, 0)
}

function parsePort(value: string): number {
  const port = Number(value)
  if (!/^\d+$/.test(value) || port > 65535)
    throw new UsageError(`--port '${value}' is no TCP port; give a number from 0 to 65535`)
  return port
}

function reportFolder(path: string): string {
  const stats = fileAt(path)
  if (!stats) throw new UsageError(`there is no report '${path}'; run the tests first, or name its folder`)
  return stats.isDirectory() ? path : join(path, '..')
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readRegular(file, LARGEST).toString('utf8'))
  } catch (error) {
    if (error instanceof UnreadableFile) throw new UsageError(`the trace '${file}' ${error.message}`)
    throw new UsageError(`'${file}' is no trace: it is not JSON; name a trace file`)
  }
}

/** undefined where there is none, or no way to it. */
function fileAt(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
