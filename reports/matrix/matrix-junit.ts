/** The matrix as JUnit XML: a suite a guest and engine, a test a level. */
import { attribute, seconds, text } from '../junit.js'
import { type Cell, type MatrixResult, standingOf } from './matrix-result.js'

export function renderMatrixJunit(matrix: MatrixResult): string {
  const levels = matrix.cells.flatMap(({ levels }) => levels)
  const count = (status: string) => levels.filter((level) => level.status === status).length
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="guest support" tests="${levels.length}" failures="${count('failed')}" errors="0" ` +
      `skipped="${count('skipped')}" time="${seconds(matrix.run.durationMs)}">`,
    ...matrix.cells.filter(({ levels }) => levels.length > 0).flatMap(suite),
    '</testsuites>',
  ]
  return `${lines.join('\n')}\n`
}

function suite(cell: Cell): string[] {
  const name = attribute(`${cell.guest} on ${cell.engine}`)
  const count = (status: string) => cell.levels.filter((level) => level.status === status).length
  const when = cell.measured ? ` timestamp="${cell.measured.replace(/\.\d+Z$/, 'Z')}"` : ''
  let before = 0
  const cases = cell.levels.flatMap((level) => {
    const spent = Math.max(0, (level.hostTimeMs ?? before) - before)
    before = level.hostTimeMs ?? before
    const inner = [`      <properties><property name="standing" value="${standingOf(level)}"/></properties>`]
    if (level.status === 'skipped') inner.push(`      <skipped message="${attribute(level.reason ?? 'not tried')}"/>`)
    if (level.status === 'failed') {
      const evidence = [level.reason, level.evidence?.text, level.evidence?.serial].filter(Boolean).join('\n\n')
      inner.push(`      <failure message="${attribute(level.reason ?? 'not reached')}">${text(evidence)}</failure>`)
    }
    const path = level.evidence?.screenshot?.path
    if (path) inner.push(`      <system-out>${text(`[[ATTACHMENT|${path}]]`)}</system-out>`)
    return [
      `    <testcase name="${attribute(`${level.name}: ${level.title}`)}" classname="${name}" time="${seconds(spent)}">`,
      ...inner,
      '    </testcase>',
    ]
  })
  return [
    `  <testsuite name="${name}"${when} tests="${cell.levels.length}" failures="${count('failed')}" errors="0" ` +
      `skipped="${count('skipped')}" time="${seconds(cell.hostTimeMs ?? 0)}">`,
    ...cases,
    '  </testsuite>',
  ]
}
