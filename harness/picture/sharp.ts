/** sharp takes 40 ms to load, and most runs and tests make no picture. */
import { createRequire } from 'node:module'
import type sharp from 'sharp'

const load = createRequire(import.meta.url)

export const loadSharp = (): typeof sharp => load('sharp')
