/** What failed stops there for a person to look at: a test, or a stage that could not be built. */
import { printable } from '../../reports/printable.js'
import { PAUSE_VARIABLE, pause, personOfTest } from '../live/pause.js'
import type { Vm } from '../vm/vm.js'

/** What `bootwright test` was asked for. */
export function pauseByDefault(): 'off' | 'failure' {
  return process.env[PAUSE_VARIABLE] === 'failure' ? 'failure' : 'off'
}

/** @param message Of the error; its first line is shown, as the report comes when all is over. */
export async function holdFailure(vm: Vm, what: string, message?: string): Promise<void> {
  const tell = (text: string) => console.log(printable(text))
  if (vm.driver.membership) tell(`${what} failed and is not paused: its machine shares a network with others`)
  else await pause(vm.driver.thread, what, personOfTest(process.env), tell, message?.split('\n', 1)[0])
}
