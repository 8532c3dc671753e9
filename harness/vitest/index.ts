/// <reference types="node" preserve="true" />
/** What `import … from 'bootwright/vitest'` gives: vitest, with machines. */
export { afterAll, afterEach, beforeAll, beforeEach, describe, vi } from 'vitest'
export { defineGuest } from '../guest/guest.js'
export { type Stage, type StageOptions, stage } from '../stages/stage.js'
export type { ExploreOptions } from './explore.js'
export { expect } from './matchers.js'
export type { Keep, RecordingOptions } from './recording.js'
export { test, type UseOptions, type VmFixtures, type VmTest } from './test.js'
export type { ExpectedExit } from './to-exit.js'
export type { ScreenshotOptions } from './to-have-screenshot.js'
export type { BaselineExpectation } from './to-retire-at-most.js'
