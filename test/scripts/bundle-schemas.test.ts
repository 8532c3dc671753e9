import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { expect, test } from 'vitest'

const SCRIPT = new URL('../../scripts/bundle-schemas.js', import.meta.url).href
const { schemasWhenAsked } = (await import(SCRIPT)) as { schemasWhenAsked: Plugin }

const SCHEMAS = `
  import * as z from 'zod'
  const Count = z.int().min(0)
  const Place = z.object({ port: Count.max(0xffff), name: z.string().regex(/^[a-z]+$/).optional() })
  export const Machine = z
    .strictObject({
      kind: z.enum(['pc', 'q35']),
      places: z.array(Place.extend({ at: z.union([z.literal(1), z.ipv4()]) })).max(2).describe('places'),
      table: z.record(z.string(), z.tuple([Count, z.boolean().default(true)])).nullish(),
      drive: z.discriminatedUnion('if', [
        z.object({ if: z.literal('ide'), index: Count }),
        z.object({ if: z.literal('none') }),
      ]),
      size: z.preprocess((value) => Number(value), z.number().positive()),
      made: z.custom((value) => typeof value === 'function').optional(),
      when: z.iso.datetime().optional(),
    })
    .refine(({ places }) => places.length > 0, 'there is no place')
    .describe('a machine')
  export const Shape = Place.shape
  export const isObject = (schema) => schema instanceof z.ZodObject
  export const json = (schema) => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  export let built = 0
  export const Late = z.object({ a: Count }).extend({ get b() { built++; return Count } })
`

let loads = 0
async function load(plugins: Plugin[]) {
  const resolveDir = fileURLToPath(new URL('../..', import.meta.url))
  const { outputFiles } = await build({
    ...{ stdin: { contents: SCHEMAS, resolveDir }, absWorkingDir: resolveDir, bundle: true, write: false },
    ...{ format: 'esm', platform: 'node', plugins },
  })
  // Each time anew.
  const text = `${outputFiles[0].text}// ${loads++}`
  return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`)
}

const GOOD = {
  kind: 'pc',
  places: [{ port: 0x3f8, name: 'com', at: '10.0.2.15' }],
  table: { x: [1, undefined] },
  drive: { if: 'ide', index: 1 },
  size: '12',
  when: '2026-01-01T00:00:00Z',
}
const BAD = [
  {},
  { ...GOOD, kind: 'mac' },
  { ...GOOD, places: [] },
  { ...GOOD, places: [{ port: -1, at: 2 }, { port: 70000, name: 'A', at: 1 }, {}] },
  { ...GOOD, drive: { if: 'ide' }, size: 'x', more: 1 },
  { ...GOOD, table: { x: ['1'] }, made: 3, when: 'now' },
  null,
]

test('schemas of which a bundle has notes answer as those that zod builds at once', async () => {
  const [noted, plain] = await Promise.all([load([schemasWhenAsked]), load([])])
  expect(noted.Machine.parse(GOOD)).toEqual(plain.Machine.parse(GOOD))
  for (const bad of BAD) {
    const { success, error } = noted.Machine.safeParse(bad)
    expect({ success, issues: error.issues }).toEqual({
      success: false,
      issues: plain.Machine.safeParse(bad).error.issues,
    })
  }
  expect(noted.json(noted.Machine)).toEqual(plain.json(plain.Machine))
  expect(noted.Machine.description).toBe('a machine')
  expect(Object.keys(noted.Shape)).toEqual(['port', 'name'])
  expect(noted.Shape.port.safeParse(70000).success).toBe(false)
  for (const { Late, isObject, Shape } of [noted, plain])
    expect([isObject(Late), isObject(Shape.port), isObject(Late.shape.a)]).toEqual([true, false, false])
  expect([noted.isObject(noted.Machine.optional()), 'parse' in noted.Machine]).toEqual([false, true])
})

test('and are built when they are first asked', async () => {
  const { Late, ...rest } = await load([schemasWhenAsked])
  expect(rest.built).toBe(0)
  expect(Late.parse({ a: 1, b: 2 })).toEqual({ a: 1, b: 2 })
})
