/** `bootwright merge-reports` and `accept`: what is done with the reports of runs that have ended. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { Command } from 'commander'
import { writeOutputFile } from '../../../machine/host/output-file.js'
import { makeFolder } from '../../../reports/make-folder.js'
import { type PictureAttachment, type RunResult, runSummary } from '../../../reports/run-result.js'
import { mergeFolders, readRun } from '../../../reports/write-run.js'
import { EXIT, UsageError } from '../errors.js'
import { REPORT_FOLDER } from './show.js'

export function mergeReportsCommand(): Command {
  return new Command('merge-reports')
    .description('make one report of those of several machines or parts of a run')
    .argument('<folders...>', "the reports' folders")
    .option('--out <folder>', 'where the report goes', REPORT_FOLDER)
    .action((folders: string[], { out }: { out: string }) => {
      for (const folder of folders) {
        if (!existsSync(folder)) throw new UsageError(`there is no report '${folder}'; name the folders of reports`)
        if (resolve(folder) === resolve(out))
          throw new UsageError(`--out '${out}' is one of the reports to merge; name another folder`)
      }
      const { run, html } = mergeFolders(folders, out)
      console.log(`${folders.length} reports, ${runSummary(run.tests)}: ${html}`)
      process.exitCode = EXIT.ok
    })
}

export function acceptCommand(): Command {
  return new Command('accept')
    .description("take the last run's actual pictures as the expected ones, without another run")
    .argument('[report]', 'the folder of its report', REPORT_FOLDER)
    .option('--test <words>', 'only pictures of tests whose title or file has these words')
    .option('--dry-run', 'only say what would be written')
    .action((report: string, { test, dryRun }: { test?: string; dryRun?: boolean }) => {
      if (!existsSync(report)) throw new UsageError(`there is no report '${report}'; run the tests first`)
      const { run, folder } = readRun(report)
      const pictures = changed(run, test)
      if (pictures.length === 0) {
        console.log('there is no picture to accept: none differs and none is missing')
        return
      }
      for (const { actual, baseline } of pictures) {
        if (!dryRun) accept(join(folder, actual), baseline)
        console.log(`${dryRun ? 'would write' : 'wrote'} ${relative('', baseline) || baseline}`)
      }
    })
}

interface Change {
  /** Below the report's folder. */
  actual: string
  baseline: string
}

/** The last one counts where a test was run again, or several tests share a picture. */
function changed(run: RunResult, words: string | undefined): Change[] {
  const changes = new Map<string, Change>()
  for (const test of run.tests) {
    if (words !== undefined && !test.id.toLowerCase().includes(words.toLowerCase())) continue
    for (const attachment of test.attachments) {
      const change = attachment.kind === 'picture' && changeOf(attachment)
      if (change) changes.set(change.baseline, change)
    }
  }
  return [...changes.values()]
}

function changeOf({ status, actual, baseline }: PictureAttachment): Change | undefined {
  if (status !== 'different' && status !== 'missing') return undefined
  if (actual?.path === undefined || baseline === undefined || !isAbsolute(baseline)) return undefined
  return { actual: actual.path, baseline }
}

function accept(actual: string, baseline: string): void {
  if (!statSync(actual, { throwIfNoEntry: false })?.isFile())
    throw new UsageError(`the report lacks ${actual}; run the tests again`)
  // A report from elsewhere names pictures of another machine.
  if (!/\.png$/i.test(baseline)) throw new UsageError(`${baseline} is no PNG file; it is left as it is`)
  const top = nearestFolder(dirname(baseline))
  if (relative(process.cwd(), baseline).startsWith('..') && top !== dirname(baseline))
    throw new UsageError(`there is no folder ${dirname(baseline)}; was the report made on another machine?`)
  makeFolder(dirname(baseline))
  writeOutputFile(baseline, readFileSync(actual))
}

function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path))
}
