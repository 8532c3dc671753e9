/**
 * Random programs that patch themselves as kernels do: functions on several pages with tails that they share, in which calls,
 * jumps, returns and plain instructions replace one another while all of it runs.
 */
import type { Random } from '../../../random.js'

const AT = 0x7c00
const FUNCTIONS = 0x10000
const COUNTER = 0x9000
/** In 64-bit code the same memory is seen here once more (`startProgram`), and patched through it, too. */
const ALIAS = 0x200000
const PATCHES = 64

interface Place {
  readonly name: string
  /** Calls go up by this alone, so that they end; tails call nobody. */
  readonly rank: number
}

/** A loop that calls one of sixteen functions in each pass, and patches something in some of them. */
export function patchedProgram(random: Random, bits: 32 | 64, passes: number): string {
  const functions: Place[] = Array.from({ length: 16 }, (_, i) => ({ name: `function${i}`, rank: i }))
  const tails: Place[] = Array.from({ length: 8 }, (_, i) => ({ name: `tail${i}`, rank: 16 + i }))
  const sites: { name: string; rank: number }[] = []
  const registers = ['eax', 'ebx', 'edx', 'edi']
  const plain = () => {
    const [a, b] = [random.pick(registers), random.pick(registers)]
    return random.pick([
      `add ${a}, ${random.below(1000)}`,
      `xor ${a}, ${b}`,
      `rol ${a}, ${1 + random.below(31)}`,
      `lea ${a}, [${bits === 64 ? `r${b.slice(1)}` : b} + ${random.below(100)}]`,
      `add [${COUNTER + 8 + 4 * random.below(8)}], ${a}`,
    ])
  }
  const above = (rank: number, places: readonly Place[]) => places.filter((place) => place.rank > rank)
  const site = (rank: number) => {
    const name = `site${sites.length}`
    sites.push({ name, rank })
    return `${name}: db 0x0f, 0x1f, 0x44, 0, 0`
  }
  const body = ({ name, rank }: Place) => {
    const lines = [`${name}:`]
    const on = above(rank, tails)
    // Some are so long that two of them make no region together.
    if (random.chance(6)) lines.push(...Array.from({ length: 300 + random.below(300) }, plain))
    for (let n = 1 + random.below(4); n > 0; n--) {
      if (random.chance(2)) lines.push(site(rank))
      lines.push(plain())
      if (on.length && random.chance(3))
        lines.push(`test ${random.pick(registers)}, ${1 << random.below(8)}\njnz near ${random.pick(on).name}`)
    }
    if (random.chance(2)) lines.push(site(rank))
    lines.push(on.length && random.chance(2) ? `jmp near ${random.pick(on).name}` : 'ret')
    return lines.join('\n')
  }
  const all = [...functions, ...tails].map((place) => ({ place, text: body(place) })).sort(() => random.below(3) - 1)
  // Some stand at the end of a page, and so reach into the next.
  const text = all.map(({ text }) => `${random.chance(6) ? `times (0xfe8 - ($ - $$)) & 0xfff nop\n` : ''}${text}`)
  const patch = () => {
    const { name, rank } = random.pick(sites)
    const to = (opcode: number, target: string) => `db ${opcode}\ndd ${target} - (${name} + 5)`
    const on = above(rank, tails)
    const forms = [
      () => 'db 0x0f, 0x1f, 0x44, 0, 0',
      () => 'db 0xc3, 0xcc, 0xcc, 0xcc, 0xcc',
      () => `db 0x05\ndd ${random.u32()}`,
      () => `db 0x90, 0x83, 0xc2, ${random.below(128)}, 0x90`,
      ...(on.length ? [() => to(0xe9, random.pick(on).name)] : []),
      ...(rank < 15 ? [() => to(0xe8, random.pick(above(rank, functions)).name)] : []),
      ...(on.length ? [() => to(0xe8, random.pick(on).name)] : []),
    ]
    const alias = bits === 64 && random.chance(2) ? ALIAS : 0
    return `dd ${name} + ${alias}\n${random.pick(forms)()}\ntimes 3 db 0`
  }
  const word = bits === 64 ? 'r' : 'e'
  const store = random
    .pick([
      'mov eax, [patches + WCX + 4]\nmov [WDX], eax\nmov al, [patches + WCX + 8]\nmov [WDX + 4], al',
      'mov al, [patches + WCX + 8]\nmov [WDX + 4], al\nmov eax, [patches + WCX + 4]\nmov [WDX], eax',
      'push WSI\nlea esi, [patches + WCX + 4]\nmov edi, edx\nmov ecx, 5\nrep movsb\npop WSI',
    ])
    .replaceAll('W', word)
  return `org ${AT}
bits ${bits}
  mov dword [${COUNTER}], ${passes}
  mov esi, ${random.u32() | 1}
top:
  imul esi, esi, 1103515245
  add esi, 12345
  mov ecx, esi
  shr ecx, 16
  and ecx, 15
  call [table + ${word}cx * ${bits / 8}]
  mov ecx, esi
  shr ecx, 9
  and ecx, 127
  cmp ecx, ${random.pick([1, 2, 8, 40])}
  jae near on
  mov ecx, esi
  shr ecx, 20
  and ecx, ${PATCHES - 1}
  imul ecx, ecx, 12
  mov edx, [patches + ${word}cx]
  ${store}
on:
  dec dword [${COUNTER}]
  jnz near top
  hlt
align 8
table:
  ${functions.map(({ name }) => `${bits === 64 ? 'dq' : 'dd'} ${name}`).join('\n')}
patches:
  ${Array.from({ length: PATCHES }, patch).join('\n')}
  times ${FUNCTIONS} - ${AT} - ($ - $$) db 0x90
${text.join('\n')}
`
}
