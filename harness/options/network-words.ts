/** What the LAN serves, in words: `--http /preseed.cfg=preseed.cfg`, `--tftp FOLDER,bootfile=F`, and `network` of `launch()`. */
import * as z from 'zod'
import type { NetworkConfig, ServedConfig } from '../config/machine-config.js'
import { nearest } from '../words/nearest.js'
import { commaParts } from './device-words.js'
import { OptionError } from './option-error.js'

/** What an HTTP function is asked. */
export interface HttpRequest {
  method: string
  /** With its query: `/preseed.cfg?mac=52:54:00:12:34:56`. */
  path: string
  /** By names in small letters. */
  headers: { [name: string]: string }
  body: Uint8Array
}

/** What it answers: a text, bytes, or these with a status (200 by default) and headers. */
export type HttpResponse =
  | string
  | Uint8Array
  | { status?: number; headers?: { [name: string]: string }; body?: string | Uint8Array }

/** Runs in the test's thread; the guest's time stands still until it has answered. */
export type HttpFunction = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>

/**
 * A path of a file or a folder of the host's, a text, a function, or another server, whose files are fetched once and then
 * served from a cache.
 */
export type HttpContent = string | { text: string } | { upstream: string } | HttpFunction

export interface NetworkWords {
  /** By path. A folder, and a function at a path that ends in `/`, stands for all that is below it. */
  http?: { readonly [path: string]: HttpContent }
  /** The folder that TFTP serves. */
  tftp?: string
  /** What DHCP tells those who boot from the network: a file of TFTP's, or a URL for iPXE. */
  bootfile?: string
  /** The same for UEFI's; `bootfile` by default. */
  efiBootfile?: string
  /** Nothing is fetched from upstreams; what they have given before is served. BOOTWRIGHT_OFFLINE=1 says the same. */
  offline?: boolean
}

const isFunction = (value: unknown) => typeof value === 'function'
const Content = z
  .union([
    z.string(),
    z.strictObject({ text: z.string() }),
    z.strictObject({ upstream: z.string() }),
    z.custom<HttpFunction>(isFunction),
  ])
  .describe("the path of a file or a folder, { text: '…' }, { upstream: 'http://…' }, or a function (request) => '…'")

export const NetworkValue = z
  .strictObject({
    http: z.record(z.string(), Content).optional().describe("an object, as in { '/preseed.cfg': 'preseed.cfg' }"),
    tftp: z.string().optional().describe('the path of a folder'),
    bootfile: z.string().optional(),
    efiBootfile: z.string().optional(),
    offline: z.boolean().optional(),
  })
  .describe("an object, as in { http: { '/': 'folder' }, tftp: 'folder' }")

const Path = z.string().max(4096)
const Text = z.string().max(1 << 20)

/** As files name it: a function is whoever goes on from it has at that path. */
export const SavedNetwork = z.object({
  http: z
    .record(
      Path,
      z.union([
        z.object({ path: Path }),
        z.object({ text: Text }),
        z.object({ function: Text }),
        z.object({ upstream: Text }),
      ]),
    )
    .optional(),
  tftp: Path.optional(),
  bootFiles: z.object({ bios: Path.optional(), efi: Path.optional() }).optional(),
  offline: z.boolean().optional(),
})

/** @throws OptionError */
export function readNetwork(
  { http, tftp, bootfile, efiBootfile, offline }: NetworkWords,
  where: string,
): NetworkConfig {
  if (tftp === '') throw new OptionError(`${where}.tftp is empty; name a folder`)
  for (const [option, name] of [
    ['bootfile', bootfile],
    ['efiBootfile', efiBootfile],
  ] as const)
    if (name !== undefined && !/^[\x21-\x7e]{1,127}$/.test(name))
      throw new OptionError(
        `${where}.${option} '${name}' is no name of a boot file; give up to 127 characters without spaces`,
      )
  const bootFiles = {
    ...(bootfile !== undefined && { bios: bootfile }),
    ...(efiBootfile !== undefined && { efi: efiBootfile }),
  }
  return {
    ...(http && {
      http: Object.fromEntries(Object.entries(http).map(([path, content]) => [path, served(path, content, where)])),
    }),
    ...(tftp !== undefined && { tftp }),
    ...(Object.keys(bootFiles).length > 0 && { bootFiles }),
    ...(offline === true && { offline }),
  }
}

function served(path: string, content: HttpContent, where: string): ServedConfig {
  if (!/^\/[\x21-\x7e]*$/.test(path) || /[?#\\%]|\/\.\.?(\/|$)|\/\//.test(path))
    throw new OptionError(
      `${where}.http: '${path}' is no path that can be asked for; it begins with '/', as in /preseed.cfg`,
    )
  if (typeof content === 'function') return { function: String(content) }
  if (typeof content === 'string' && /^https?:/.test(content)) return served(path, { upstream: content }, where)
  if (typeof content !== 'string') {
    if ('upstream' in content && !isUpstream(content.upstream))
      throw new OptionError(
        `${where}.http '${path}': the upstream '${content.upstream}' is no address; write it as in http://mirror.example/debian`,
      )
    return content
  }
  if (content === '') throw new OptionError(`${where}.http '${path}' has an empty path; name a file or a folder`)
  return { path: content }
}

function isUpstream(text: string): boolean {
  return /^https?:\/\/[^/?#@]+(\/[^?#]*)?$/.test(text) && URL.canParse(text)
}

/** The functions of `network`, by their paths. */
export function httpFunctions(network: NetworkWords | undefined): { [path: string]: HttpFunction } {
  const entries = Object.entries(network?.http ?? {}).filter(([, content]) => typeof content === 'function')
  return Object.fromEntries(entries) as { [path: string]: HttpFunction }
}

/**
 * What `--http` and `--tftp` say together.
 * @throws OptionError
 */
export function networkOfFlags(http: readonly string[] | undefined, tftp: string | undefined): NetworkWords {
  const paths: { [path: string]: string } = {}
  for (const text of http ?? []) {
    const [, path = '/', file] = /^(?:(\/[^=]*)=)?(.*)$/s.exec(text) as RegExpExecArray
    if (file === '')
      throw new OptionError(`--http '${text}' names no file; write /preseed.cfg=preseed.cfg, or a folder alone`)
    if (Object.hasOwn(paths, path)) throw new OptionError(`--http: '${path}' is there twice; leave one out`)
    paths[path] = file
  }
  return { ...(http && { http: paths }), ...(tftp !== undefined && tftpWords(tftp)) }
}

const TFTP_PARTS = ['bootfile', 'efi-bootfile']

function tftpWords(text: string): NetworkWords {
  const [folder, ...parts] = commaParts(text)
  if (folder === '') throw new OptionError(`--tftp '${text}' names no folder; write --tftp FOLDER,bootfile=pxelinux.0`)
  const words: NetworkWords = { tftp: folder }
  for (const part of parts) {
    const [name, value] = part.split(/=(.*)/s, 2)
    if (!TFTP_PARTS.includes(name) || !value) {
      const near = nearest(name, TFTP_PARTS)
      throw new OptionError(
        `--tftp ${text}: '${part}' is nothing that it takes; ${near ? `write ${near}=FILE` : 'it takes bootfile=FILE and efi-bootfile=FILE'}`,
      )
    }
    words[name === 'bootfile' ? 'bootfile' : 'efiBootfile'] = value
  }
  return words
}
