/** Names and source lines for a guest's addresses, from all files that were given. */
import type { ExecutedCode } from '../../cpu/executed-code.js'
import { demangle, isMangled } from './demangle.js'
import type { ModulePlace, Segment, SymbolEntry, SymbolFile } from './symbol-file.js'
import type { UnwindRule } from './unwind.js'

/** Behind a symbol without a size, nothing is said to be of it any more. */
const FAR = 0x1_0000n
/** Symbols that are looked at for one that reaches over others. */
const NEAR = 32

export interface Found {
  symbol: string
  /** Bytes behind it. */
  offset: number
  /** Its own address in the guest. */
  start: bigint
}

export interface Line {
  file: string
  line: number
}

/** One file's, moved to where the guest has it. */
class Placed {
  private readonly byAddress: SymbolEntry[]
  private readonly byName = new Map<string, SymbolEntry>()
  /** Made when somebody asks for a name that no file has. */
  private byShown: ReadonlyMap<string, SymbolEntry> | undefined

  /** @param slide What is added to the file's addresses; undefined: whoever knows the guest finds it. */
  constructor(
    readonly file: SymbolFile,
    readonly given: bigint | undefined,
    readonly covered: PlacedFile['covered'],
  ) {
    const sorted = [...file.symbols].sort((a, b) =>
      a.address < b.address ? -1 : a.address > b.address ? 1 : b.rank - a.rank,
    )
    this.byAddress = sorted.filter(({ address }, i) => i === 0 || sorted[i - 1].address !== address)
    for (const symbol of file.symbols) {
      const known = this.byName.get(symbol.name)
      if (!known || known.rank < symbol.rank) this.byName.set(symbol.name, symbol)
    }
  }

  /** As the linker has it, or as it is shown. */
  named(name: string): SymbolEntry | undefined {
    return this.byName.get(name) ?? this.shown.get(name)
  }

  private get shown(): ReadonlyMap<string, SymbolEntry> {
    this.byShown ??= new Map(
      [...this.byName.values()].flatMap((one) => (isMangled(one.name) ? [[demangle(one.name), one] as const] : [])),
    )
    return this.byShown
  }

  names(): Iterable<string> {
    return this.byName.keys()
  }

  find(linked: bigint): SymbolEntry | undefined {
    const { byAddress } = this
    let from = 0
    let to = byAddress.length
    while (from < to) {
      const middle = (from + to) >> 1
      if (byAddress[middle].address <= linked) from = middle + 1
      else to = middle
    }
    const segment = this.segmentOf(linked)
    if (this.file.segments.length > 0 && !segment) return undefined
    for (let i = from - 1; i >= 0 && i >= from - NEAR; i--) {
      const symbol = byAddress[i]
      const offset = linked - symbol.address
      if (symbol.size > 0n) {
        if (offset < symbol.size) return symbol
        continue
      }
      return offset < FAR && this.segmentOf(symbol.address) === segment ? symbol : undefined
    }
    return undefined
  }

  /** Something of it is loaded there. */
  covers(linked: bigint): boolean {
    return this.file.segments.length === 0 || this.segmentOf(linked) !== undefined
  }

  private segmentOf(linked: bigint): Segment | undefined {
    return this.file.segments.find(({ virtual, size }) => linked >= virtual && linked < virtual + size)
  }

  /** Where the file has what stands at a physical address before paging. */
  fromPhysical(address: bigint): bigint | undefined {
    const { segments } = this.file
    const found = segments.find(({ physical, size }) => address >= physical && address < physical + size)
    return found && address - found.physical + found.virtual
  }
}

export interface PlacedFile {
  file: SymbolFile
  /** Where its first byte is in the guest, where somebody said so. */
  address?: bigint
  /** Which of its code is executed is asked for (`executedIn`); what it is known by to those who asked. */
  covered?: { path: string; build: string }
}

/** What was executed of a file's code, as it was linked: the first address of each stretch, and the first one behind it. */
export interface ExecutedPart {
  path: string
  /** Of the file; another one has other code. */
  build: string
  stretches: [bigint, bigint][]
}

export class Symbols {
  private readonly files: readonly Placed[]
  private readonly slides = new Map<Placed, bigint>()

  constructor(files: readonly PlacedFile[]) {
    this.files = files.map(
      ({ file, address, covered }) =>
        new Placed(file, address === undefined ? undefined : address - file.base, covered),
    )
  }

  get isEmpty(): boolean {
    return this.files.length === 0
  }

  /**
   * Moves files that nobody placed to where the guest has them.
   * @param find What is to be added to the addresses of a file with these names; undefined: nothing tells.
   */
  place(find: (linked: (name: string) => bigint | undefined) => bigint | undefined): void {
    for (const file of this.files)
      if (file.given === undefined && !file.file.module) {
        const slide = find((name) => file.named(name)?.address)
        if (slide !== undefined) this.slides.set(file, slide)
      }
  }

  /** The parts of kernel modules that nobody placed, and the guest was not seen to have. */
  get missingModules(): ModulePlace[] {
    const isMissing = (file: Placed) => this.slideOf(file) === undefined && file.file.module?.pointer !== undefined
    return this.files.flatMap((file) => (isMissing(file) && file.file.module) || [])
  }

  /** @param slides What is to be added to the addresses of those that were found. */
  placeModules(slides: ReadonlyMap<ModulePlace, bigint>): void {
    for (const file of this.files) {
      const slide = file.file.module && slides.get(file.file.module)
      if (slide !== undefined) this.slides.set(file, slide)
    }
  }

  /** undefined: the guest does not have it. */
  private slideOf(file: Placed): bigint | undefined {
    return file.given ?? this.slides.get(file) ?? (file.file.module ? undefined : 0n)
  }

  /** Each file with an address of the guest's as it was linked, behind paging and before it. */
  private *linked(address: bigint): Generator<{ file: Placed; linked: bigint }> {
    for (const file of this.files) {
      const slide = this.slideOf(file)
      if (slide !== undefined) yield { file, linked: BigInt.asUintN(64, address - slide) }
    }
    for (const file of this.files) {
      const linked = file.file.module ? undefined : file.fromPhysical(address)
      if (linked !== undefined && linked !== address) yield { file, linked }
    }
  }

  find(address: bigint): Found | undefined {
    for (const { file, linked } of this.linked(address)) {
      const symbol = file.find(linked)
      if (!symbol) continue
      const offset = linked - symbol.address
      return { symbol: demangle(symbol.name), offset: Number(offset), start: address - offset }
    }
    return undefined
  }

  lineAt(address: bigint): Line | undefined {
    for (const { file, linked } of this.linked(address)) {
      const line = file.file.lines?.at(linked)
      if (line) return line
    }
    return undefined
  }

  /** How the caller of what is at `address` is found, where a file says so. @param word Bytes of a word of the stack. */
  unwindAt(address: bigint, word: 4 | 8): UnwindRule | undefined {
    for (const { file, linked } of this.linked(address)) {
      const { unwind } = file.file
      const rule = unwind?.word === word && file.covers(linked) ? unwind.at(linked) : undefined
      if (rule) return rule
    }
    return undefined
  }

  /** Where the guest has what is called so; undefined where no file knows it. */
  addressOf(name: string): bigint | undefined {
    for (const file of this.files) {
      const symbol = file.named(name)
      const slide = this.slideOf(file)
      if (symbol && slide !== undefined) return BigInt.asUintN(64, symbol.address + slide)
    }
    return undefined
  }

  /** Of the files that are covered, what was executed, behind paging and before it. */
  executedIn(code: ExecutedCode): ExecutedPart[] {
    const all = [...code.stretches()]
    return this.files.flatMap((file) => {
      if (!file.covered) return []
      const slide = this.slideOf(file)
      if (slide === undefined) return [{ ...file.covered, stretches: [] }]
      const places = file.file.segments.flatMap(({ virtual, physical, size }) => [
        { from: BigInt.asUintN(64, virtual + slide), linked: virtual, size },
        ...(physical === virtual ? [] : [{ from: physical, linked: virtual, size }]),
      ])
      const stretches = places.flatMap(({ from, linked, size }) =>
        all.flatMap(([low, high]): [bigint, bigint][] => {
          const first = low > from ? low : from
          const end = high < from + size ? high : from + size
          return first < end ? [[first - from + linked, end - from + linked]] : []
        }),
      )
      return [{ ...file.covered, stretches }]
    })
  }

  *names(): Iterable<string> {
    for (const file of this.files) yield* file.names()
  }
}
