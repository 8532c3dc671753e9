/**
 * A fault unwinds the core's frames from wherever it is raised, so a variable of a module may be left half-way. Each was
 * looked at, and stands here with why what it is left with does no harm. A new one wants the same look: make it a local, or
 * set it where an instruction begins; `ripRelative`, which was neither, once let a program have its kernel misread an operand.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const CORE = join(import.meta.dirname, '../../../../machine/cpu/soft/core')

const REVIEWED: { [why: string]: string } = {
  'made once, by a loop that raises nothing': 'crcTableMade tablesMade',
  'set where every instruction is decoded': 'ripRelative vectorIndex instruction length inFirstPage',
  'set where every block is decoded': 'hostPage physPage firstOfBlock stopped crossed',
  'set together with `crossed`': 'secondPhys',
  'changed only where all that may raise is done': 'pool codeMaps poolGeneration pages',
  'where execution is: set by every block that is entered, and blockStart by run()':
    'blockStart limit blockEnd currentOp',
  'cleared by raise()': 'gathering',
  'set by gatherFlags()': 'gathered',
  'set by beginSse() or beginHalf(), which each instruction that computes calls first': 'denormalsAreZero',
  'set by useControlWord() or useMxcsr(), which each instruction that computes calls first':
    'rounding precision masks flushToZero flags',
  'results of a function, for its caller at once':
    'resultSig resultSe nanDecided quotientBits partial zSign zExp zSig zLow wideHigh wideRemainder remainder128 magnitude ' +
    'bcdLow bcdHigh a b c d',
  'set by every translate()': 'walkedWrite walkedUser walkedDirty walkedGlobal walkedBits',
  'set by every tryFetch()': 'descLow descHigh descAddress',
  'set by every openCallGate()': 'gateSelector gateOffset gateWords gateSize',
  'set where a frame begins': 'where size mask sp high nullStack',
  'set by innerStack() or interruptStackTable() in front of the frame that takes it': 'innerSp',
  'set by rmwSlow() in front of the rmwEnd() that takes it': 'rmwLinear',
  'set by readEnvironment() in front of the commit that takes it':
    'pendingControl pendingStatus pendingTags pendingIp pendingCs pendingDp pendingDs pendingOpcode',
  'set by enterSmm() and rsm()': 'area',
  'the TLBs of the executing CPU and of its privilege: set by selectTlb() and privilegeChanged(), which raise nothing':
    'bank bankNumber tlbRead tlbWrite tlbWriteShown tlbReadSuper tlbWriteSuper tlbWriteSuperShown',
  'a trial of spin.ts, which run() ends whenever it begins':
    'trying asked kept began writesHidden faultsBefore stalledBefore letsIn',
  'only when the next trial is': 'pause',
  'what a trial is to tell, and told: no instruction looks at it': 'asking inLoop',
  'set where a page is entered, cleared by flushTlb()': 'largeSizes filled',
  'only ever too careful: true asks for a flush that may not be needed':
    'liftedUsed userUsed globalUsed supervisorIsLocal',
  'set by the host between runs, and by writes of debug registers, which raise before': 'watchedPages watching wanted',
  'set by every knowsWatched() that finds the page': 'watchedPhys',
  'what coverage has still to tell: cut where a fault is raised, and told by whatever executes next':
    'entered enteredOps enteredAt',
  'what comes behind a fault: run() ends it first': 'faulted countLeft ipLeft sizeLeft',
  'counted down to a look at the clock': 'looksIn',
  'only ever counted up, or one of them': 'tlbGeneration userGeneration supervisorGeneration lastGeneration count',
}

test('every variable of a module of the core was looked at for what an unwound fault leaves in it', () => {
  const found = new Set<string>()
  for (const file of readdirSync(CORE, { encoding: 'utf8', recursive: true }).filter((name) => name.endsWith('.ts'))) {
    const text = readFileSync(join(CORE, file), 'utf8')
    for (const [, name] of text.matchAll(/^(?:@\w+(?:\([^)]*\))? *)*(?:export )?(?:let|var) (\w+)/gm)) found.add(name)
  }
  const reviewed = Object.values(REVIEWED).flatMap((names) => names.split(' '))
  expect([...found].sort()).toEqual([...reviewed].sort())
})
