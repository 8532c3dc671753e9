/** What a schema says of data that does not fit it, in a sentence for the person who wrote the data. */
import * as z from 'zod'

/** The nearest of the names to one that is none of them; undefined where none is near. */
export type Nearest = (name: string, names: readonly string[]) => string | undefined

/**
 * `machine has no 'floppy'; did you mean 'floppies'?`, `levels is missing`. A schema's description says what is expected.
 * @param whole What the data is as a whole: `the guest`.
 */
export function schemaWords(
  schema: z.ZodType,
  data: unknown,
  error: z.ZodError,
  { whole, nearest }: { whole: string; nearest?: Nearest },
): string {
  // A name that is misspelt is the reason why another is missing.
  const unknown = error.issues.find(({ code }) => code === 'unrecognized_keys')
  const issue = innermost(unknown ?? error.issues[0])
  const where = issue.path.length > 0 ? issue.path.map(String).join('.') : whole
  if (issue.code === 'unrecognized_keys') {
    const names = namesOf(at(schema, issue.path))
    const [key] = issue.keys
    // 'floppy' for 'floppies' is further than a slip of the finger.
    const near = nearest?.(key, names) ?? names.find((name) => name.startsWith(key.slice(0, STEM)))
    return `${where} has no '${key}'; ${near ? `did you mean '${near}'?` : `it may have ${names.join(', ')}`}`
  }
  const value = valueAt(data, issue.path)
  const part = at(schema, issue.path)
  const wanted = part?.description ?? (part && unwrapped(part).description) ?? expected(issue)
  if (value === undefined && issue.code !== 'custom')
    return `${where} is missing${wanted ? `; it must be ${wanted}` : ''}`
  return `${where} is ${shown(value)}; it ${wanted ? `must be ${wanted}` : `is ${issue.message}`}`
}

const STEM = 4

type Issue = z.core.$ZodIssue

/** Of a union, what is said of the alternative that fits best. */
function innermost(issue: Issue): Issue {
  if (issue.code !== 'invalid_union') return issue
  const [deepest] = issue.errors.flat().sort((a, b) => b.path.length - a.path.length)
  return deepest && deepest.path.length > 0 ? innermost({ ...deepest, path: [...issue.path, ...deepest.path] }) : issue
}

function expected(issue: Issue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? `a ${issue.expected}`
    case 'invalid_value':
      return issue.values.map((value) => `'${String(value)}'`).join(' or ')
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `no shorter than ${issue.minimum}`
        : `at least ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `no longer than ${issue.maximum}`
        : `at most ${issue.maximum}`
    case 'invalid_format':
      return FORMATS[issue.format] ?? 'of another form'
    case 'custom':
      return undefined
    default:
      return 'of another form'
  }
}

const TYPES: { readonly [type: string]: string } = {
  int: 'a whole number',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}
const FORMATS: { readonly [format: string]: string } = {
  datetime: 'a date as 2026-01-31T12:00:00Z',
  base64: 'bytes in base64',
}

/** The schema of a part; undefined where the way there is not plain. */
function at(schema: z.ZodType | undefined, path: readonly PropertyKey[]): z.ZodType | undefined {
  const [key, ...rest] = path
  // What is said of an optional part is said of the part.
  if (key === undefined || schema === undefined) return schema
  const plain = unwrapped(schema)
  if (plain instanceof z.ZodObject) return at((plain.shape as { [name: string]: z.ZodType })[String(key)], rest)
  if (plain instanceof z.ZodArray) return at(plain.element as z.ZodType, rest)
  return undefined
}

function unwrapped(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodOptional ? unwrapped(schema.unwrap() as z.ZodType) : schema
}

function namesOf(schema: z.ZodType | undefined): string[] {
  const plain = schema && unwrapped(schema)
  if (plain instanceof z.ZodUnion) return plain.options.flatMap((option) => namesOf(option as z.ZodType))
  return plain instanceof z.ZodObject ? Object.keys(plain.shape) : []
}

function valueAt(data: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as { [key: PropertyKey]: unknown } | undefined)?.[key], data)
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'function') return 'a function'
  return String(value)
}
