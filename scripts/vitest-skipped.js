// A reporter for vitest: names the tests that were skipped, so that a host that lacks a tool or an image shows it.
import { relative } from 'node:path'

const MOST = 40

export default class SkippedReporter {
  onTestRunEnd(modules) {
    const names = []
    for (const module of modules) {
      const file = relative(process.cwd(), module.moduleId)
      const skipped = [...module.children.allTests('skipped')]
      const all = [...module.children.allTests()]
      if (all.length > 1 && skipped.length === all.length) names.push(`${file}: all ${all.length} tests`)
      else names.push(...skipped.map((test) => `${file}: ${test.fullName}`))
    }
    if (names.length === 0) return
    const more = names.length > MOST ? [`and ${names.length - MOST} more`] : []
    console.log(['\nSkipped here:', ...names.slice(0, MOST), ...more].join('\n  '))
  }
}
