/** What is typed behind `bootwright run guest`, as the command reads it. */
import { parseRun } from '../../../harness/cli/run-options.js'
import { runCommand } from '../../../harness/cli/verbs/run.js'

/** What commander makes of arguments. */
export function flagsOf(args: string[]) {
  const command = runCommand()
    .exitOverride()
    .action(() => {})
  command.parse(args, { from: 'user' })
  return command.opts()
}

export const request = (args: string[]) => parseRun('guest', flagsOf(args), [])
