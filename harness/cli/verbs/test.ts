/** `bootwright test`: vitest underneath, with the reporter that leaves `bootwright-report/`; here, or by workers at a queue. */
import { Command } from 'commander'
import { PAUSE_VARIABLE } from '../../live/pause.js'
import { UsageError } from '../errors.js'
import { paragraphs } from '../help.js'
import { type QueueFlags, queueOptions, waitMs } from '../matrix/queue-options.js'
import { runVitest } from '../vitest-run.js'

export function testCommand(): Command {
  return queueOptions(new Command('test'))
    .description('run tests of guests with vitest, and leave a report of them')
    .argument('[arguments...]', "filters of files, and vitest's own options")
    .option('--pause-on-failure', 'a failed test stops, with a live view and a server for gdb, until Enter is pressed')
    .allowUnknownOption()
    .helpOption('-h, --help')
    .addHelpText('after', () => paragraphs(HELP))
    .action(async (args: string[], flags: QueueFlags & { pauseOnFailure?: boolean }, command: Command) => {
      // Options that commander does not know are among the arguments, in their order.
      const all = command.args.length > 0 ? command.args : args
      const wait = waitMs(flags)
      const { queue, pauseOnFailure } = flags
      if (queue !== undefined && pauseOnFailure)
        throw new UsageError(
          '--pause-on-failure is for tests that run here, and --queue has others run them; leave one out',
        )
      if (queue === undefined)
        process.exitCode = await runVitest(all, pauseOnFailure ? { [PAUSE_VARIABLE]: 'failure' } : {})
      else {
        const { testByQueue } = await import('../matrix/test-queue.js')
        process.exitCode = await testByQueue(all, queue, wait)
      }
    })
}

const HELP = `
All of vitest's options pass through: -t NAME, --shard 1/4, --retry 2, -u, --project NAME, …; see 'npx vitest --help'.
The report is in bootwright-report/ (BOOTWRIGHT_REPORT names another folder): report.html, junit.xml, report.tap,
report.md, run.json, badge.svg. With --queue each file of tests is run by a worker of the same project ('bootwright worker');
of vitest's options only -t, --project, --retry and --testTimeout pass through then.

Exit codes: 0 all tests passed, 1 one did not, 2 wrong options, 3 the host lacks something, 4 there were no tests,
130 interrupted.`
