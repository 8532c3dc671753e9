// For the bundles: schemas are built when they are first asked something. At the top of our files stand hundreds of them,
// one for each option and format; a run asks two dozen, and building all thousand is an eighth of the CPU time of a start.
// What our files import as zod makes notes of what is to be built. zod itself gets schemas, never notes.

const words = (list) => list.trim().split(/\s+/)

/** What makes a schema, as far as our files use it; others of zod's make theirs at once. */
const BUILDERS = words(`
  array base64 boolean custom discriminatedUnion enum instanceof int ipv4 ipv6 literal looseObject number object preprocess
  record strictObject string tuple union unknown
`)
/** What makes another schema of one, which need not be built for that. */
const CHANGES = words(`
  default describe extend length max min multipleOf nonnegative nullable nullish omit optional pick positive refine regex
  transform
`)
/** What is told of a schema. */
const ANSWERS = ['toJSONSchema']

const NOTES = `
const CHANGES = new Set(${JSON.stringify(CHANGES)})
/** What builds the schema that a note stands for. */
const builders = new WeakMap()

/** With schemas where there are notes of them, in lists and objects as well. */
function withSchemas(value) {
  const build = builders.get(value)
  if (build) return build()
  if (Array.isArray(value)) return value.map(withSchemas)
  if (!value || Object.getPrototypeOf(value) !== Object.prototype) return value
  const fields = Object.getOwnPropertyDescriptors(value)
  for (const field of Object.values(fields)) if ('value' in field) field.value = withSchemas(field.value)
  return Object.defineProperties({}, fields)
}

function note(make) {
  let schema
  const build = () => (schema ??= make())
  const proxy = new Proxy({}, {
    get(_, name) {
      if (!schema && CHANGES.has(name)) return (...values) => note(() => build()[name](...values.map(withSchemas)))
      const member = build()[name]
      return typeof member === 'function' ? member.bind(schema) : member
    },
    has: (_, name) => name in build(),
    getPrototypeOf: () => Object.getPrototypeOf(build()),
  })
  builders.set(proxy, build)
  return proxy
}

const asking = (answer) => (...values) => answer(...values.map(withSchemas))
const noting = (make) => (...values) => note(() => asking(make)(...values))
`

const instead = (way) => (name) =>
  `import { ${name} as of_${name} } from 'zod'
const own_${name} = /* @__PURE__ */ ${way}(of_${name})
export { own_${name} as ${name} }`

/** An esbuild plugin. */
export const schemasWhenAsked = {
  name: 'schemas when asked',
  setup({ initialOptions, onLoad, onResolve }) {
    const namespace = 'notes of schemas'
    onResolve({ filter: /^zod$/ }, ({ importer }) =>
      /[\\/]node_modules[\\/]/.test(importer) || importer === 'zod' ? undefined : { path: 'zod', namespace },
    )
    onLoad({ filter: /.*/, namespace }, () => ({
      contents: [
        "export * from 'zod'",
        NOTES,
        ...BUILDERS.map(instead('noting')),
        ...ANSWERS.map(instead('asking')),
      ].join('\n'),
      resolveDir: initialOptions.absWorkingDir,
    }))
  },
}
