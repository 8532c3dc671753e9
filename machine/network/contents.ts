/** What the LAN's servers give, as it is handed to them: files of the host, texts, and functions that are asked. */

/** A file that is open. */
export interface Content {
  readonly size: number
  /** Fills `into` from `offset` on; what is past the end, or cannot be read any more, is zeros. */
  read(offset: number, into: Uint8Array): void
  close(): void
}

/** A folder of the host's, or one file: nothing outside it can be reached, by links either. */
export interface FileTree {
  /**
   * @param path Below the folder, with `/` between its parts and none in front; the file itself is ''.
   * @returns undefined where there is nothing that can be read.
   */
  open(path: string): Content | 'folder' | undefined
  /** Names in a folder, sorted; of folders with a `/` behind. */
  list(path: string): string[]
}

export interface HttpQuestion {
  /** Of the request in the LAN's log. */
  number: number
  method: string
  /** With its query. */
  path: string
  headers: { [name: string]: string }
  body: Uint8Array
}

export interface HttpAnswer {
  status: number
  headers: { [name: string]: string }
  body: Uint8Array
}

export type HttpSource =
  | { kind: 'files'; tree: FileTree }
  | { kind: 'bytes'; body: Uint8Array }
  /** Of files that are there; where one is not, the function is asked to bring it. */
  | { kind: 'upstream'; name: string; tree: FileTree }
  /** Is asked at each request, while guest time stands still. */
  | { kind: 'function'; name: string }

export interface NetworkContents {
  /** By path: one that ends in `/` stands for all below it. */
  http: { readonly [path: string]: HttpSource }
  tftp?: FileTree
  /** What DHCP tells those who boot from the network. */
  bootFiles?: { bios?: string; efi?: string }
  /** Whether a guest may reach an address outside; without it there is no way out. `port` is 0 of ICMP. */
  wayOut?: (protocol: 'tcp' | 'udp' | 'icmp', address: Uint8Array, port: number) => boolean
  /** Addresses of the LAN's, and ports there, of which TCP connections go out whatever `wayOut` says. */
  guestForwards?: readonly { address: Uint8Array; port: number }[]
  /** The answer of a function by its name. */
  ask?: (name: string, question: HttpQuestion) => HttpAnswer
}
