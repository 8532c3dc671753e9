/** What a script's steps have to do with a machine that stops, and what they were about, in words. */
import type { MachineExit } from '../../machine/machine.js'
import { acceptsExit, describeCondition } from '../protocol/condition.js'
import type { EndReason, Step } from '../protocol/script.js'
import { codeHint } from '../words/exit-words.js'

/** A step cannot be done; the message is one sentence. */
export class StepFailed extends Error {
  constructor(
    readonly outcome: 'failed' | 'timeout' | 'interrupted',
    readonly reason: EndReason,
    message: string,
    readonly exit?: MachineExit,
  ) {
    super(message)
  }
}

/** Nothing but waiting and letting go of keys. */
const isAfterglow = (step: Step) => step.kind === 'wait' || (step.kind === 'key' && !step.down)

/**
 * A guest may go down at once on the last key, before that key is even released: the step behind a later `exit` step
 * that accepts this exit, if nothing but afterglow stands between.
 */
export function awaitedAhead(steps: readonly Step[], at: number, exit: MachineExit): number | undefined {
  for (let i = at + 1; i < steps.length; i++) {
    const step = steps[i]
    if (step.kind === 'until' && step.condition.kind === 'exit')
      return acceptsExit(step.condition, exit) ? i + 1 : undefined
    if (!isAfterglow(step)) return undefined
  }
  return undefined
}

/** The same where the wait for it is in the script to come: the step is the script's last key or click. */
export function isLastInput(steps: readonly Step[], at: number): boolean {
  const isInput = ['tap', 'key', 'mouse-click', 'mouse-button', 'click-text'].includes(steps[at].kind)
  return isInput && steps.slice(at + 1).every(isAfterglow)
}

/** The guest may have meant to stop so. */
export const isWanted = ({ reason }: MachineExit) => reason === 'poweroff' || reason === 'debug-exit'

/** In which a machine stopped. */
export function whileWhat(step: Step, exit: MachineExit | undefined): string {
  switch (step.kind) {
    case 'until':
      if (step.condition.kind === 'exit') return exit ? otherCode(step.condition.code, exit) : ''
      return `before ${describeCondition(step.condition)} came`
    case 'wait-text':
      return `before ${describeCondition({ kind: 'text', pattern: step.pattern })} came`
    case 'poll':
      return `before ${step.what} came`
    case 'until-time':
      return `before ${step.ns / 1e9} s of guest time had passed`
    case 'wait':
      return 'while the script waited'
    default:
      return 'while keys were typed'
  }
}

/** In which a time-out came. @param pending Bytes that wait in the keyboard. */
export function timeoutWhile(step: Step, pending: number): string {
  if (step.kind === 'until') return `while waiting for ${describeCondition(step.condition)}`
  if (step.kind === 'wait-text')
    return `while waiting for ${describeCondition({ kind: 'text', pattern: step.pattern })}`
  if (step.kind === 'poll') return `while waiting for ${step.what}`
  if ((step.kind === 'tap' || step.kind === 'key') && pending > 0)
    return `while typing: the guest does not fetch keys (${pending} bytes wait in the keyboard)`
  return step.kind === 'wait' || step.kind === 'until-time' ? 'during a wait' : 'while typing'
}

function otherCode(expected: number | undefined, { reason, code }: MachineExit): string {
  if (expected === undefined || reason !== 'debug-exit') return ''
  return `where code ${expected} was expected${codeHint(expected, code)}`
}
